"""Keeps the active collections up to date with their folders, in a separate process.

The server starts it (`watching_process`). It ends when its standard input is closed. That happens
when the server ends, even if it is killed.
"""

import _thread
import logging
import os
import signal
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
from .limits import Limits
from .readers.formats import is_readable
from .refreshing import refresh

_log = logging.getLogger(__name__)

# Seconds: how long a folder must be quiet before it is read, with _PATIENCE as a limit; how often
# the list of collections is checked; how often a folder is scanned although nothing was reported
# (some network folders report nothing), and if it cannot be watched.
_QUIET, _PATIENCE, _LOOK, _SCAN, _SCAN_UNWATCHED = 0.5, 3.0, 1.0, 300.0, 5.0
_CHANGES = {"created", "modified", "moved", "deleted", "closed"}  # not: opened


class _Watched(FileSystemEventHandler):
    """A collection, and the changes reported from its folder."""

    def __init__(self, collection: Collection, wake: threading.Event) -> None:
        self.collection = collection
        self.watch: ObservedWatch | None = None
        self._wake = wake
        self._first = self._last = 0.0  # of the changes since the last refresh
        self._refreshed = float("-inf")
        self.pending = True

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Notes a change. Called by watchdog's thread."""
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
        """Whether the collection should be refreshed now."""
        now = time.monotonic()
        scan = _SCAN if self.watch else _SCAN_UNWATCHED
        if self.pending:
            return now - self._last >= _QUIET or now - self._first >= _PATIENCE
        return now - self._refreshed >= scan

    def begin(self) -> None:
        """Starts a refresh. Changes reported from now on need another one."""
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
        """Runs until the process ends."""
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
        """Starts watching what is active, and stops watching what is not."""
        # Unlike Path.is_dir, os.path.isdir does not fail if a network disk is gone.
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
                    "%s cannot be watched, so it is scanned instead: %s", collection.folder, error
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
        os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread, whatever it waits for
    time.sleep(_PATIENCE)
    os._exit(0)  # a single call is taking too long; what is committed is safe


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
    # If several servers share the collections, only one watches.
    with FileLock(Path(folder) / "watching.lock"):
        watching.run()
