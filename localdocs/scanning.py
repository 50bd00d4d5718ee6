"""Finds the files in a collection's folder."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from pathspec import GitIgnoreSpec

from .readers.formats import is_readable

_LONGEST_SUFFIX = 12  # characters; anything longer is part of the name


@dataclass(frozen=True)
class FoundFile:
    """A file that may be readable, or a folder that is not.

    ``name`` is the path below the collection's folder, with ``/``; that of a folder also ends with
    ``/``. ``version`` changes when the file does: its size in bytes, its modification time and its
    change time in nanoseconds.
    """

    name: str
    version: tuple[int, int, int]
    problem: str | None = None


@dataclass
class Scan:
    """What is in a folder: ``files``, and how many ``others``, by suffix."""

    files: list[FoundFile] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def scan(folder: Path, exclude: Sequence[str]) -> Scan:
    """Finds all files below ``folder`` in a readable format, and counts those in other formats.

    Symbolic links, hidden files and folders, and files that match a pattern in ``exclude`` are
    left out. The patterns are .gitignore's.
    """
    found = Scan()
    excluded = GitIgnoreSpec.from_lines(exclude)
    waiting = [""]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / place), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # deleted in between
        except OSError as error:
            found.files.append(_closed(place, error))
            continue
        for name, status in _statuses(place, entries, found):
            if stat.S_ISDIR(status.st_mode):
                if not excluded.match_file(name + "/"):
                    waiting.append(name + "/")
            elif stat.S_ISREG(status.st_mode) and not excluded.match_file(name):
                if is_readable(name.rpartition("/")[2]):
                    version = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                    found.files.append(FoundFile(name, version))
                else:
                    found.others[_suffix(name)] += 1
    return found


def _statuses(
    place: str, entries: Sequence[os.DirEntry[str]], found: Scan
) -> Iterator[tuple[str, os.stat_result]]:
    """The names and statuses of what is not hidden. What has no status goes into ``found``."""
    for entry in entries:
        name = place + entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # deleted in between
        except OSError as error:
            if entry.is_dir(follow_symlinks=False):
                found.files.append(_closed(name + "/", error))
            elif is_readable(entry.name):
                problem = f"it cannot be opened: {error.strerror}"
                found.files.append(FoundFile(name, (0, 0, 0), problem))
            continue
        if not _hidden(entry.name, status):
            yield name, status


def _closed(folder: str, error: OSError) -> FoundFile:
    return FoundFile(folder, (0, 0, 0), f"the folder cannot be read: {error.strerror}")


def _suffix(name: str) -> str:
    suffix = PurePath(name).suffix.lower()
    return suffix if len(suffix) <= _LONGEST_SUFFIX and " " not in suffix else ""


def _hidden(name: str, status: os.stat_result) -> bool:
    # On Windows, an attribute hides files.
    attributes = getattr(status, "st_file_attributes", 0)
    return name.startswith(".") or bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)
