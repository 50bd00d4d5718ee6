"""Versions of files, and the room for files on a disk."""

import hashlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

_SPARE_BYTES = 64 << 20  # to leave free on the disk
_END_BYTES = 1 << 20

Result = TypeVar("Result")

Version = tuple[int, int]
"""A file's size in bytes and its modification time in nanoseconds."""


def version(path: Path) -> Version:
    """The version of the file at ``path``. Raises `OSError`."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


class ByVersion(Generic[Result]):
    """What ``read`` returned for each file, until the file changes.

    Threads that ask for the same file at once wait until one of them has read it.
    """

    def __init__(self, read: Callable[[Path], Result]) -> None:
        self._read = read
        self._reading = threading.Lock()
        self._known: dict[Path, tuple[Version, Result]] = {}

    def get(self, path: Path) -> Result:
        """What ``read`` returns for the file in its current version. Raises `OSError`."""
        now = version(path)
        if (known := self._known.get(path)) is not None and known[0] == now:
            return known[1]
        with self._reading:
            known = self._known.get(path)
            if known is None or known[0] != now:
                known = self._known[path] = now, self._read(path)
            return known[1]

    def forget(self, path: Path) -> None:
        """Makes `get` read the file again."""
        self._known.pop(path, None)


def lacking(folder: Path, size: int) -> str | None:
    """What to say if the disk of ``folder`` has no room for ``size`` bytes; None if it has."""
    free = shutil.disk_usage(folder).free
    if free >= size + _SPARE_BYTES:
        return None
    return f"takes {size >> 20} MiB, but the disk of {folder} has only {free >> 20} MiB left."


def ends(path: Path) -> str:
    """A checksum of the file's size, its first and its last MiB. Raises `OSError`."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_END_BYTES))
        file.seek(max(0, size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """The file's checksum, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
