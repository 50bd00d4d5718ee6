"""Brings the index of a collection up to date with its folder."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from .collections import Collection, Collections
from .contents import Contents, FileState, manifest
from .errors import CollectionError, DamagedIndex
from .index import SnippetIndex, SourceFile
from .limits import Limits
from .names import readable
from .reading import ReadingProcess, Text
from .scanning import FoundFile, scan

_log = logging.getLogger(__name__)

# After this many bytes or files, what has been read is written and can be searched.
_BATCH_BYTES, _BATCH_FILES = 4 << 20, 500

Progress = Callable[[int, int], None]


def refresh(
    collections: Collections,
    name: str,
    limits: Limits,
    progress: Progress = lambda done, all_: None,
    *,
    wait: bool = True,
) -> Contents:
    """Reads what is new or has changed in a collection's folder; returns what the index holds.

    ``progress`` is called with the number of files that are done and the number of all files. A
    damaged index is built again. Raises `CollectionError` if the collection or its folder is not
    there, or, without ``wait``, if another process is reading it.
    """
    collection = collections.find(name)
    with collections.locked(name, wait):
        check_folder(collection)

        def reported(done: int, all_: int) -> None:
            collections.report(name, done, all_)
            progress(done, all_)

        work = _Refresh(collections, collection, limits, reported)
        try:
            return work.run()
        except DamagedIndex as error:
            _log.warning("%s. It is built again.", error)
            collections.discard_index(name)
            return work.run()


class _Refresh:
    def __init__(
        self, collections: Collections, collection: Collection, limits: Limits, progress: Progress
    ) -> None:
        self._collections = collections
        self._collection = collection
        self._limits = limits
        self._progress = progress

    def run(self) -> Contents:
        """See `refresh`. Raises `DamagedIndex`."""
        contents = self._contents()
        scanned = scan(self._collection.folder, self._limits.exclude)
        contents.others.clear()
        contents.others.update(scanned.others.most_common())
        removed, changed = self._compared(contents.files, scanned.files)
        done = 0
        with ReadingProcess() as reading:
            for batch in _batches(changed):
                added = []
                paths = [self._collection.folder / file.name for file in batch]
                texts = reading.read(paths, self._limits.snippet_size)
                for file, text in zip(batch, texts, strict=True):
                    state = contents.files.get(file.name)
                    if text.opened or state is None:
                        removed |= {file.name} if state is not None else set()
                        contents.files[file.name] = _state(file, text)
                        added.append((_source(file, text), text.snippets))
                    done += 1
                    self._progress(done, len(changed))
                self._index().write(removed, added, manifest(contents))
                removed = set()
        if (
            removed
            or manifest(contents) != self._collections.snapshot(self._collection.name).manifest
        ):
            self._index().write(removed, [], manifest(contents))
        return contents

    def _compared(
        self, files: dict[str, FileState], found: Sequence[FoundFile]
    ) -> tuple[set[str], list[FoundFile]]:
        """The files whose snippets must be removed, and those that must be read.

        Updates ``files`` to what is ``found``, except for the files that must be read.
        """
        # A folder that cannot be read now may still have the same files.
        closed = tuple(f.name for f in found if f.problem and (not f.name or f.name[-1] == "/"))
        names = {file.name for file in found}
        removed = {name for name in files if name not in names and not name.startswith(closed)}
        for name in removed:
            del files[name]
        changed = []
        for file in found:
            state = files.get(file.name)
            if file.problem is not None:
                if state is None or not state.snippets:
                    files[file.name] = FileState(file.version, problem=file.problem, opened=False)
            elif file.version[0] > self._limits.file_size:
                if state is not None and state.snippets:
                    removed.add(file.name)
                problem = f"it is larger than {self._limits.file_size} bytes"
                files[file.name] = FileState(file.version, problem=problem, opened=False)
            elif state is None or not state.opened or state.version != file.version:
                changed.append(file)
        return removed, changed

    def _contents(self) -> Contents:
        """What the index holds. If it must be built again, it is discarded, and this is empty."""
        name, size = self._collection.name, self._limits.snippet_size
        if not self._collections.snapshot(name).manifest:
            return Contents(size)  # nothing has been read yet
        contents = self._collections.contents(name)
        if contents is None or contents.snippet_size != size:
            self._collections.discard_index(name)
            return Contents(size)
        if contents.snippets != (count := self._collections.snapshot(name).count):
            text = f"it holds {count} snippets instead of {contents.snippets}"
            raise DamagedIndex(self._index().folder, text)
        return contents

    def _index(self) -> SnippetIndex:
        return self._collections.index(self._collection.name)


def check_folder(collection: Collection) -> None:
    """Raises `CollectionError` if the folder of a collection cannot be read."""
    try:
        os.scandir(collection.folder).close()
        return
    except (FileNotFoundError, NotADirectoryError):
        problem = "is not there"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    folder, name = readable(collection.folder), collection.name
    raise CollectionError(f"The folder {folder} of {name!r} {problem}; its index is kept.")


def _state(file: FoundFile, text: Text) -> FileState:
    return FileState(file.version, len(text.snippets), text.words, text.problem, text.opened)


def _source(file: FoundFile, text: Text) -> SourceFile:
    modified = datetime.fromtimestamp(file.version[1] / 1e9).date().isoformat()
    return SourceFile(file.name, text.title, text.author, text.date or modified, text.tags)


def _batches(files: list[FoundFile]) -> Iterator[list[FoundFile]]:
    batch: list[FoundFile] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.version[0]
        if size > _BATCH_BYTES or len(batch) == _BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
