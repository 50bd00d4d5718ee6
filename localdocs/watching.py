"""Keeping the active collections as their folders are, in a process of its own.

The server starts it (`WatchingProcess`). It ends when its standard input does, that is with
the server, however that ends.
"""

import _thread
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path, PurePath
from typing import NoReturn

from filelock import FileLock
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from .collections import Collection, Collections
from .errors import CollectionBusy, LocalDocsError
from .readers.formats import is_readable
from .refreshing import Limits, refresh

_log = logging.getLogger(__name__)

# Seconds: how long a folder must be quiet before it is read, but not longer than _PATIENCE; how
# often the collections are looked at; how often a folder is scanned though nothing was heard
# (network folders tell nothing) and if it cannot be watched.
_QUIET, _PATIENCE, _LOOK, _SCAN, _SCAN_UNWATCHED = 0.5, 3.0, 1.0, 300.0, 5.0
_CHANGES = {"created", "modified", "moved", "deleted", "closed"}  # not: opened


class WatchingProcess:
    """Another process that watches the collections below ``folder``.

    It ends with `close`, with a ``with`` block or with this process.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.IDLE_PRIORITY_CLASS | subprocess.CREATE_NEW_PROCESS_GROUP
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", __package__, str(folder)),
                *(str(limits.snippet_size), str(limits.file_size), *limits.exclude),
            ],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            creationflags=flags,
            start_new_session=True,  # Ctrl-C is for the server
        )
        self.pid = self._process.pid

    def __enter__(self) -> "WatchingProcess":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it. What it is just reading is read again next time."""
        self._process.communicate()


class _Watched(FileSystemEventHandler):
    """A collection and what was heard of its folder."""

    def __init__(self, collection: Collection, wake: threading.Event) -> None:
        self.collection = collection
        self.watch: ObservedWatch | None = None
        self._wake = wake
        self._first = self._last = 0.0  # of the changes since the last refresh
        self._refreshed = float("-inf")
        self.pending = True

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        names = (os.fsdecode(event.src_path), os.fsdecode(event.dest_path))
        if event.event_type not in _CHANGES or (
            event.is_directory and event.event_type == "modified"
        ):
            return
        if event.is_directory or any(is_readable(PurePath(name).name) for name in names):
            self._last = time.monotonic()
            if not self.pending:
                self._first, self.pending = self._last, True
            self._wake.set()

    def due(self) -> bool:
        """Whether the collection shall be refreshed now."""
        now = time.monotonic()
        scan = _SCAN if self.watch else _SCAN_UNWATCHED
        if self.pending:
            return now - self._last >= _QUIET or now - self._first >= _PATIENCE
        return now - self._refreshed >= scan

    def begin(self) -> None:
        """What is heard from now on is not in the refresh that begins."""
        self.pending = False
        self._refreshed = time.monotonic()


class _Watching:
    def __init__(self, collections: Collections, limits: Limits) -> None:
        self._collections = collections
        self._limits = limits
        self._observer = Observer()
        self._wake = threading.Event()
        self._watched: dict[Collection, _Watched] = {}
        self._ending = False

    def end(self) -> NoReturn:
        """Ends the process; called by a signal."""
        self._ending = True  # an exception that is raised in a finalizer is lost
        sys.exit()

    def run(self) -> None:
        """Goes on until the process ends."""
        self._observer.start()
        while True:
            self._look()
            for watched in self._watched.values():
                if watched.due():
                    self._refresh(watched)
            if self._ending:
                return
            pending = any(watched.pending for watched in self._watched.values())
            self._wake.wait(_QUIET if pending else _LOOK)
            self._wake.clear()

    def _look(self) -> None:
        """Begins to watch what is active, and stops to watch what is not."""
        # Other than Path.is_dir, os.path.isdir takes a network disk that is gone.
        active = [c for c in self._collections.all() if c.active and os.path.isdir(c.folder)]  # noqa: PTH112
        for collection in self._watched.keys() - active:
            watched = self._watched.pop(collection)
            if watched.watch is not None:
                self._observer.unschedule(watched.watch)
        for collection in active:
            if collection in self._watched:
                continue
            watched = self._watched[collection] = _Watched(collection, self._wake)
            try:
                watched.watch = self._observer.schedule(
                    watched, str(collection.folder), recursive=True
                )
            except OSError as error:
                _log.warning(
                    "%s cannot be watched and is scanned instead: %s", collection.folder, error
                )

    def _refresh(self, watched: _Watched) -> None:
        watched.begin()
        try:
            refresh(self._collections, watched.collection.name, self._limits, wait=False)
        except CollectionBusy:
            watched.pending = True
        except (LocalDocsError, OSError) as error:
            _log.warning("%s", error)


def _end_with_the_server() -> None:
    sys.stdin.buffer.read()
    if sys.platform == "win32":
        _thread.interrupt_main(signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread whatever it waits for
    time.sleep(_PATIENCE)
    os._exit(0)  # a single call takes longer; nothing that is committed is lost


def watch(folder: str, snippet_size: str, file_size: str, *exclude: str) -> None:
    """What the process does. Its arguments are those of the command line."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    limits = Limits(int(snippet_size), int(file_size), exclude)
    watching = _Watching(Collections(Path(folder)), limits)
    signal.signal(signal.SIGTERM, lambda *_: watching.end())
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    if sys.platform != "win32":
        os.nice(19)
    Path(folder).mkdir(parents=True, exist_ok=True)
    # Of several servers with the same collections, one watches.
    with FileLock(Path(folder) / "watching.lock"):
        watching.run()
