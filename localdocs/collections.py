"""The collections, and what was read from each of them."""

import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contents import Contents, parsed
from .errors import CollectionBusy, CollectionError, DamagedIndex, LocalDocsError
from .holder import Holder
from .names import readable
from .problems import Problems
from .replacing import replacing

# What reads an index takes half a second to load. It is loaded where it is first needed: a server
# without collections never needs it.
if TYPE_CHECKING:
    from .index import Snapshot, SnippetIndex
    from .ranking import Hit

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collection:
    """A named folder whose files can be quoted.

    ``active`` says whether chats use it. ``index`` is the name of the index's folder, which changes
    each time the index is built again.
    """

    name: str
    folder: Path
    active: bool
    index: str


@dataclass(frozen=True)
class Source:
    """A snippet that was found, and its collection."""

    collection: Collection
    hit: "Hit"

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.collection.folder / self.hit.file.name


class Collections:
    """All collections, kept below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._indexes: dict[str, SnippetIndex] = {}
        # One thread for all: of the megabytes that it takes to read a dictionary, malloc keeps some
        # for each thread that did it.
        self._searcher = ThreadPoolExecutor(1, "localdocs-search")
        self._problems = Problems(_log)

    def all(self) -> list[Collection]:
        """All collections, by name; those that cannot be read are logged and left out."""
        found: list[Collection] = []
        try:
            paths = [place / "collection.json" for place in self.folder.iterdir()]
        except FileNotFoundError:
            return found  # none was made yet
        except OSError as error:
            self._problems.report(self.folder, f"{self.folder} cannot be read: {error.strerror}")
            return found
        self._problems.gone(self.folder)
        for path in paths:
            try:
                collection = _load(path)
            except CollectionError as error:
                self._problems.report(path, str(error))
                continue
            self._problems.gone(path)
            found += [collection] if collection is not None else []
        return sorted(found, key=lambda collection: collection.name.casefold())

    def find(self, name: str) -> Collection:
        """The collection of that name. Raises `CollectionError`."""
        if (collection := _load(self._place(name) / "collection.json")) is not None:
            return collection
        names = ", ".join(collection.name for collection in self.all()) or "none"
        raise CollectionError(f"There is no collection {name!r}. Existing collections: {names}.")

    def create(self, name: str, folder: Path) -> Collection:
        """Makes a collection without reading anything yet. Raises `CollectionError`."""
        if not name.strip() or not name.isprintable() or len(name) > 200:
            raise CollectionError("A collection's name must have 1 to 200 printable characters.")
        if _load(self._place(name) / "collection.json") is not None:
            raise CollectionError(f"There is already a collection {name!r}.")
        folder = folder.expanduser().resolve()
        if not folder.is_dir():
            raise CollectionError(f"There is no folder {readable(folder)}.")
        collection = Collection(name, folder, active=True, index=_new_index())
        self._place(name).mkdir(parents=True, exist_ok=True)
        self._save(collection)
        return collection

    def activate(self, name: str, active: bool) -> None:
        """Switches a collection on or off for chats. Raises `CollectionError`."""
        self._save(replace(self.find(name), active=active))

    def remove(self, name: str) -> None:
        """Forgets a collection. Its folder is not touched. Raises `CollectionError`."""
        self.find(name)
        with self.locked(name, wait=False):
            # First, because without this file there is no collection, even if other files stay.
            (self._place(name) / "collection.json").unlink()
        self._indexes.pop(name, None)
        shutil.rmtree(self._place(name))

    def index(self, name: str) -> "SnippetIndex":
        """The index of a collection. Raises `CollectionError` and `DamagedIndex`."""
        from .index import SnippetIndex

        folder = self._place(name) / self.find(name).index
        if name not in self._indexes or self._indexes[name].folder != folder:
            with _refusal_noticed(name, folder):
                self._indexes[name] = SnippetIndex(folder)
        return self._indexes[name]

    def snapshot(self, name: str) -> "Snapshot":
        """The current state of an index. Raises `CollectionError` and `DamagedIndex`."""
        index = self.index(name)
        with _refusal_noticed(name, index.folder):
            return index.snapshot()

    def discard_index(self, name: str) -> None:
        """Deletes the index of a collection. The next one starts empty."""
        collection = self.find(name)
        self._save(replace(collection, index=_new_index()))
        shutil.rmtree(self._place(name) / collection.index, ignore_errors=True)

    def contents(self, name: str) -> Contents | None:
        """What the index of a collection holds.

        None if the index is in an outdated format. Raises `CollectionError` and `DamagedIndex`.
        """
        index, snapshot = self.index(name), self.snapshot(name)
        try:
            return parsed(snapshot.manifest)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedIndex(index.folder, repr(error)) from error

    def totals(self) -> tuple[int, int, int]:
        """How many files were read, how many of them in vain, and how many snippets there are."""
        known = []
        for collection in self.all():
            try:
                known.append(self.contents(collection.name))
            except LocalDocsError as error:
                self._problems.report(collection, str(error))
        read = [contents for contents in known if contents is not None]
        files = sum(len(contents.files) for contents in read)
        failed = sum(len(contents.problems) for contents in read)
        return files, failed, sum(contents.snippets for contents in read)

    def search(
        self, collections: Sequence[Collection], question: str, limit: int, size: int = 512
    ) -> list[Source]:
        """The excerpts of some collections that fit ``question`` best, best first.

        ``size`` is passed to `ranking.search`. A damaged index is discarded; the next refresh
        builds it again. An index that cannot be read is left out, because it may come back.
        """
        return self._searcher.submit(self._search, collections, question, limit, size).result()

    def _search(
        self, collections: Sequence[Collection], question: str, limit: int, size: int
    ) -> list[Source]:
        opened = {c: s for c in collections if (s := self._opened(c)) is not None}
        while (hits := self._hits(opened, question, limit, size)) is None:
            pass  # a collection was left out
        for collection in opened:
            self._problems.gone(collection)
        return [Source([*opened][hit.source], hit) for hit in hits]

    def _hits(
        self, opened: "dict[Collection, Snapshot]", question: str, limit: int, size: int
    ) -> "list[Hit] | None":
        """What is found; None if an index fails. That index is removed from ``opened``."""
        from .ranking import search

        try:
            return search([*opened.values()], question, limit, size)
        except DamagedIndex as error:
            [damaged] = (c for c in opened if self._place(c.name) == error.folder.parent)
            self._discard_damaged(damaged, error)
            del opened[damaged]
        except OSError as error:
            failing = [c for c, snapshot in opened.items() if _fails(snapshot, question)]
            for collection in failing or [*opened]:
                self._problems.report(collection, _unreadable(collection.name, error))
                del opened[collection]
        return None

    def _opened(self, collection: Collection) -> "Snapshot | None":
        """The snapshot of a collection. If it cannot be read, None and a warning."""
        try:
            return self.snapshot(collection.name)
        except DamagedIndex as error:
            self._discard_damaged(collection, error)
        except CollectionError as error:
            self._problems.report(collection, str(error))
        return None

    def _discard_damaged(self, collection: Collection, error: DamagedIndex) -> None:
        text = f"{error}. Refresh {collection.name!r} to build it again."
        try:
            self.discard_index(collection.name)
        except (CollectionError, OSError) as reason:
            text = f"{error}, and it cannot be discarded: {reason}"
        self._problems.report(collection, text)

    @contextmanager
    def locked(self, name: str, wait: bool) -> Iterator[None]:
        """Keeps other processes from writing the index.

        If another process has the lock, waits for it, or, without ``wait``, raises
        `CollectionBusy`, which names that process.
        """
        from filelock import FileLock, Timeout

        lock, holder = FileLock(self._place(name) / "lock"), self._holder(name)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            busy = f"Process {holder.process} is already reading {name!r}."
            raise CollectionBusy(busy) from error
        try:
            holder.say()
            yield
        finally:
            holder.forget()
            lock.release()

    def report(self, name: str, done: int, all_: int) -> None:
        """Tells other processes how many files have been read, of how many. See `locked`."""
        self._holder(name).say(done, all_)

    def progress(self, name: str) -> tuple[int, int] | None:
        """What was reported last; None if no process is reading the collection."""
        return self._holder(name).progress

    def _holder(self, name: str) -> Holder:
        return Holder(self._place(name) / "lock.process")

    def _place(self, name: str) -> Path:
        readable = re.sub(r"[^\w-]+", "_", name)[:40]
        return self.folder / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def _save(self, collection: Collection) -> None:
        path = self._place(collection.name) / "collection.json"
        data = {**asdict(collection), "folder": str(collection.folder)}
        with replacing(path) as new:
            new.write_text(json.dumps(data, indent=2), encoding="utf-8")


def _new_index() -> str:
    return f"index-{uuid.uuid4().hex[:8]}"


def _load(path: Path) -> Collection | None:
    """The collection whose settings are in ``path``, or None if the file is gone.

    Raises `CollectionError`.
    """
    try:
        return _collection(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CollectionError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CollectionError(f"{path} is damaged; delete its folder.") from error


def _collection(data: Any) -> Collection:
    """Raises `ValueError`, `KeyError` or `TypeError` if ``data`` are not the settings of one."""
    # The index is a folder that may be deleted.
    if not isinstance(data["name"], str) or not re.fullmatch(r"index-\w+", data["index"]):
        raise ValueError("names that cannot be used")
    return Collection(data["name"], Path(data["folder"]), data["active"], data["index"])


def _fails(snapshot: "Snapshot", question: str) -> bool:
    from .ranking import search

    try:
        search([snapshot], question, 1)
    except (OSError, DamagedIndex):
        return True
    return False


@contextmanager
def _refusal_noticed(name: str, folder: Path) -> Iterator[None]:
    """Raises `CollectionError` if the operating system refuses access."""
    try:
        yield
    except OSError as error:
        raise CollectionError(_unreadable(name, error)) from error
    except DamagedIndex as error:
        # Whoosh treats a folder that cannot be listed as empty.
        if (refusal := _refusal(folder)) is not None:
            raise CollectionError(_unreadable(name, refusal)) from error
        raise


def _refusal(folder: Path) -> OSError | None:
    """Why an existing folder cannot be listed; None if it can, or is not there."""
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return None


def _unreadable(name: str, error: OSError) -> str:
    return f"The index of {name!r} cannot be read: {error.strerror or error}"
