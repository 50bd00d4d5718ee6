"""The collections: which there are, and what was read of each."""

import hashlib
import json
import logging
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import CollectionBusy, CollectionError, DamagedIndex
from .index import SnippetIndex
from .ranking import Hit, search

_log = logging.getLogger(__name__)

# Another number makes every index anew: what terms are made of a text, and their weights.
_FORMAT = 3


@dataclass(frozen=True)
class Collection:
    """A named folder whose files can be quoted.

    ``active`` says whether chats use it. ``index`` is the name of the index's folder: a new one
    each time that it is made anew.
    """

    name: str
    folder: Path
    active: bool
    index: str


@dataclass(frozen=True)
class FileState:
    """A file as it was read; ``version`` is that of `FoundFile`.

    ``problem`` says why there are no snippets of it, ``opened`` whether that is known from its
    inside.
    """

    version: tuple[int, int, int]
    snippets: int = 0
    words: int = 0
    problem: str | None = None
    opened: bool = True


@dataclass(frozen=True)
class Contents:
    """What is in an index: the files that were read, by name, and the size of the snippets."""

    snippet_size: int
    files: dict[str, FileState] = field(default_factory=dict)

    @property
    def snippets(self) -> int:
        """How many snippets there are."""
        return sum(state.snippets for state in self.files.values())

    @property
    def words(self) -> int:
        """How many words are in them."""
        return sum(state.words for state in self.files.values())

    @property
    def problems(self) -> dict[str, str]:
        """Why files give no snippets, by name."""
        return {name: s.problem for name, s in self.files.items() if s.problem is not None}


@dataclass(frozen=True)
class Source:
    """A snippet that was found, and in which collection."""

    collection: Collection
    hit: Hit

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.collection.folder / self.hit.file.name


class Collections:
    """All collections, kept below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._indexes: dict[str, SnippetIndex] = {}
        self._searching = threading.Lock()

    def all(self) -> list[Collection]:
        """All collections, by name; those whose file is damaged are logged and left out."""
        found = filter(None, map(_intact, self.folder.glob("*/collection.json")))
        return sorted(found, key=lambda collection: collection.name.casefold())

    def find(self, name: str) -> Collection:
        """The collection of that name. Raises `CollectionError`."""
        if (path := self._place(name) / "collection.json").exists():
            return _load(path)
        names = ", ".join(collection.name for collection in self.all()) or "none"
        raise CollectionError(f"There is no collection {name!r}. There are: {names}.")

    def create(self, name: str, folder: Path) -> Collection:
        """Makes a collection, of which nothing is read yet. Raises `CollectionError`."""
        if not name.strip() or not name.isprintable() or len(name) > 200:
            raise CollectionError("A collection's name has 1 to 200 printable characters.")
        if (self._place(name) / "collection.json").exists():
            raise CollectionError(f"There is a collection {name!r} already.")
        folder = folder.expanduser().resolve()
        if not folder.is_dir():
            raise CollectionError(f"There is no folder {folder}.")
        collection = Collection(name, folder, active=True, index=_new_index())
        self._place(name).mkdir(parents=True, exist_ok=True)
        self._save(collection)
        return collection

    def activate(self, name: str, active: bool) -> None:
        """Switches a collection on or off for chats. Raises `CollectionError`."""
        self._save(replace(self.find(name), active=active))

    def remove(self, name: str) -> None:
        """Forgets a collection; its folder stays as it is. Raises `CollectionError`."""
        self.find(name)
        with self.locked(name, wait=False):
            # First: without it there is no collection, whatever else can be deleted.
            (self._place(name) / "collection.json").unlink()
        self._indexes.pop(name, None)
        shutil.rmtree(self._place(name))

    def index(self, name: str) -> SnippetIndex:
        """The index of a collection. Raises `CollectionError` and `DamagedIndex`."""
        folder = self._place(name) / self.find(name).index
        if name not in self._indexes or self._indexes[name].folder != folder:
            self._indexes[name] = SnippetIndex(folder)
        return self._indexes[name]

    def discard_index(self, name: str) -> None:
        """Deletes the index of a collection; another one begins empty."""
        collection = self.find(name)
        self._save(replace(collection, index=_new_index()))
        shutil.rmtree(self._place(name) / collection.index, ignore_errors=True)

    def contents(self, name: str) -> Contents | None:
        """What the index of a collection holds.

        None when it was made in another way than is done today. Raises `DamagedIndex`.
        """
        index = self.index(name)
        try:
            data = json.loads(index.snapshot().manifest or "{}")
            if data.get("format") != _FORMAT:
                return None
            files = {
                file: FileState(**{**state, "version": tuple(state["version"])})
                for file, state in data["files"].items()
            }
            return Contents(data["snippet_size"], files)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedIndex(index.folder, repr(error)) from error

    def search(self, collections: Sequence[Collection], question: str, limit: int) -> list[Source]:
        """The snippets of some collections that fit ``question`` best, best first.

        A damaged index is discarded: the next refresh makes it anew. Raises `CollectionError`.
        """
        with self._searching:
            while True:
                try:
                    snapshots = [self.index(c.name).snapshot() for c in collections]
                    hits = search(snapshots, question, limit)
                except DamagedIndex as error:
                    [damaged] = (
                        c.name for c in collections if self._place(c.name) == error.folder.parent
                    )
                    _log.warning("%s. Refresh %r to make it anew.", error, damaged)
                    self.discard_index(damaged)
                    continue
                return [Source(collections[hit.source], hit) for hit in hits]

    @contextmanager
    def locked(self, name: str, wait: bool) -> Iterator[None]:
        """Keeps other processes from writing the index.

        Raises `CollectionBusy`, which names the process that has the lock, if it shall not
        ``wait``.
        """
        lock, holder = FileLock(self._place(name) / "lock"), self._place(name) / "lock.process"
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            by = holder.read_text(encoding="ascii") if holder.exists() else "?"
            raise CollectionBusy(f"Process {by} is just reading {name!r}.") from error
        try:
            holder.write_text(str(os.getpid()), encoding="ascii")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def _place(self, name: str) -> Path:
        readable = re.sub(r"[^\w-]+", "_", name)[:40]
        return self.folder / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def _save(self, collection: Collection) -> None:
        path = self._place(collection.name) / "collection.json"
        new = path.with_suffix(".new")
        data = {**asdict(collection), "folder": str(collection.folder)}
        new.write_text(json.dumps(data, indent=2), encoding="utf-8")
        new.replace(path)


def _new_index() -> str:
    return f"index-{uuid.uuid4().hex[:8]}"


def manifest(contents: Contents) -> str:
    """What `Collections.contents` reads again."""
    return json.dumps({"format": _FORMAT, **asdict(contents)})


def _load(path: Path) -> Collection:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Collection(data["name"], Path(data["folder"]), data["active"], data["index"])
    except FileNotFoundError as error:
        raise CollectionError(f"There is no {path} any more.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CollectionError(f"{path} is damaged; delete its folder.") from error


def _intact(path: Path) -> Collection | None:
    try:
        return _load(path)
    except CollectionError as error:
        _log.error("%s", error)
        return None
