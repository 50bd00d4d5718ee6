"""What files are in a collection's folder."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from pathspec import GitIgnoreSpec

from .readers import READERS


@dataclass(frozen=True)
class FoundFile:
    """A file that can perhaps be read, or a folder that cannot.

    ``name`` is the path below the collection's folder, with ``/``. ``version`` changes when the
    file does: size in bytes, times of modification and of the last change, in nanoseconds.
    """

    name: str
    version: tuple[int, int, int]
    problem: str | None = None


def scan(folder: Path, exclude: Sequence[str]) -> Iterator[FoundFile]:
    """All files below ``folder`` in a format that can be read.

    Left out are symbolic links, hidden files and folders, and what one of the patterns in
    ``exclude`` fits, which are .gitignore's.
    """
    excluded = GitIgnoreSpec.from_lines(exclude)
    waiting = [""]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / place), key=lambda entry: entry.name)
        except OSError as error:
            yield FoundFile(place, (0, 0, 0), f"the folder cannot be read: {error.strerror}")
            continue
        for entry in entries:
            name = place + entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # deleted in between
            if _hidden(entry.name, status):
                continue
            if stat.S_ISDIR(status.st_mode):
                if not excluded.match_file(name + "/"):
                    waiting.append(name + "/")
            elif not stat.S_ISREG(status.st_mode) or not is_document(name):
                continue
            elif not excluded.match_file(name):
                yield FoundFile(name, (status.st_size, status.st_mtime_ns, status.st_ctime_ns))


def is_document(name: str) -> bool:
    """Whether a file of that name is in a format that can be read."""
    return PurePath(name).suffix.lower() in READERS


def _hidden(name: str, status: os.stat_result) -> bool:
    # Windows has an attribute for it.
    attributes = getattr(status, "st_file_attributes", 0)
    return name.startswith(".") or bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)
