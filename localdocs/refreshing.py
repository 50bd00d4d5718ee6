"""Bringing the index of a collection to the state of its folder."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from .collections import Collection, Collections, Contents, FileState, manifest
from .errors import CollectionError, DamagedIndex
from .index import SnippetIndex, SourceFile
from .reading import ReadingProcess
from .scanning import FoundFile, scan

_log = logging.getLogger(__name__)

# After so much, what is ready can be asked.
_BATCH_BYTES, _BATCH_FILES = 4 << 20, 500

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Limits:
    """``snippet_size`` in characters, ``file_size`` in bytes, ``exclude`` as in .gitignore."""

    snippet_size: int = 512
    file_size: int = 50 << 20
    exclude: tuple[str, ...] = ()


def refresh(
    collections: Collections,
    name: str,
    limits: Limits,
    progress: Progress = lambda done, all_: None,
    *,
    wait: bool = True,
) -> Contents:
    """Reads what is new or has changed in a collection's folder; returns what the index holds.

    ``progress`` is called with the number of files that are done and that of all to do. A
    damaged index is made anew. Raises `CollectionError`: the collection or its folder is not
    there, or another process is at work and this one shall not ``wait``.
    """
    collection = collections.find(name)
    with collections.locked(name, wait):
        if not collection.folder.is_dir():
            raise CollectionError(
                f"The folder {collection.folder} of {name!r} is not there; what was read stays."
            )
        work = _Refresh(collections, collection, limits, progress)
        try:
            return work.run()
        except DamagedIndex as error:
            _log.warning("%s. It is made anew.", error)
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
        files = contents.files
        found = {file.name: file for file in scan(self._collection.folder, self._limits.exclude)}
        removed = files.keys() - found.keys()
        for name in removed:
            del files[name]
        changed = []
        for file in found.values():
            state = files.get(file.name)
            if (problem := self._problem(file)) is not None:
                if state is not None and state.snippets:
                    removed.add(file.name)
                files[file.name] = FileState(file.version, problem=problem, opened=False)
            elif state is None or not state.opened or state.version != file.version:
                changed.append(file)
        done = 0
        with ReadingProcess() as reading:
            for batch in _batches(changed):
                removed |= {file.name for file in batch if file.name in files}
                added = []
                paths = [self._collection.folder / file.name for file in batch]
                texts = reading.read(paths, self._limits.snippet_size)
                for file, text in zip(batch, texts, strict=True):
                    files[file.name] = FileState(
                        file.version, len(text.snippets), text.words, text.problem
                    )
                    modified = datetime.fromtimestamp(file.version[1] / 1e9).date()
                    date = text.date or modified.isoformat()
                    source = SourceFile(file.name, text.title, text.author, date, text.tags)
                    added.append((source, text.snippets))
                    done += 1
                    self._progress(done, len(changed))
                self._index().write(removed, added, manifest(contents))
                removed = set()
        if removed or manifest(contents) != self._index().snapshot().manifest:
            self._index().write(removed, [], manifest(contents))
        return contents

    def _contents(self) -> Contents:
        """What the index holds; nothing if it must be made anew."""
        name, size = self._collection.name, self._limits.snippet_size
        contents = self._collections.contents(name)
        if contents is None or contents.snippet_size != size:
            self._collections.discard_index(name)
            return Contents(size)
        if contents.snippets != (count := self._index().snapshot().count):
            text = f"it holds {count} snippets instead of {contents.snippets}"
            raise DamagedIndex(self._index().folder, text)
        return contents

    def _problem(self, file: FoundFile) -> str | None:
        """Why a file is not even opened."""
        if file.version[0] > self._limits.file_size:
            return f"it is larger than {self._limits.file_size} bytes"
        return file.problem

    def _index(self) -> SnippetIndex:
        return self._collections.index(self._collection.name)


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
