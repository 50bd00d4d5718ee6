"""What files are in a collection's folder."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from pathspec import GitIgnoreSpec

from .readers.formats import is_readable

_LONGEST_SUFFIX = 12  # characters; what is longer is a part of the name


@dataclass(frozen=True)
class FoundFile:
    """A file that can perhaps be read, or a folder that cannot.

    ``name`` is the path below the collection's folder, with ``/``, that of a folder with one at
    its end. ``version`` changes when the file does: size in bytes, times of modification and of
    the last change, in nanoseconds.
    """

    name: str
    version: tuple[int, int, int]
    problem: str | None = None


@dataclass
class Scan:
    """What is in a folder: ``files``, and how many ``others`` there are, by suffix."""

    files: list[FoundFile] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def scan(folder: Path, exclude: Sequence[str]) -> Scan:
    """All files below ``folder`` in a format that can be read; those in others are counted.

    Left out are symbolic links, hidden files and folders, and what one of the patterns in
    ``exclude`` fits, which are .gitignore's.
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


def as_text(name: object) -> str:
    """A file's name or path with U+FFFD for what of it is not text: on Linux it is bytes."""
    return os.fsencode(str(name)).decode(errors="replace")


def readable(name: object) -> str:
    """A file's name or path to be shown: U+FFFD for what of it is not text, or not printable."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in as_text(name))


def _statuses(
    place: str, entries: Sequence[os.DirEntry[str]], found: Scan
) -> Iterator[tuple[str, os.stat_result]]:
    """The names and statuses of what is not hidden; what has none is noted in ``found``."""
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
    # Windows has an attribute for it.
    attributes = getattr(status, "st_file_attributes", 0)
    return name.startswith(".") or bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)
