"""Keeps the active collections up to date with their folders, in a separate process.

The server starts it (`watching_process`). It ends when its standard input is closed. That happens
when the server ends, even if it is killed.
"""

import _thread
import gc
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path, PurePath

from filelock import FileLock
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from .collections import Collection, Collections
from .errors import CollectionBusy, LocalDocsError
from .limits import Limits
from .problems import Problems
from .readers.formats import is_readable
from .refreshing import check_folder, refresh

_log = logging.getLogger(__name__)

# Seconds: how long a folder must be quiet before it is read, with _PATIENCE as a limit; how often
# the list of collections and their folders are checked; how often a folder is scanned although
# nothing was reported (some network folders report nothing), and how often if it cannot be watched
# or read.
_QUIET, _PATIENCE, _LOOK, _SCAN, _SCAN_OFTEN = 0.5, 3.0, 1.0, 300.0, 5.0
_CHANGES = {"created", "modified", "moved", "deleted", "closed"}  # not: opened


class _Watched(FileSystemEventHandler):
    """A collection whose folder is there, and the changes reported from it."""

    def __init__(self, collection: Collection, wake: threading.Event) -> None:
        self._wake = wake
        self._first = self._last = 0.0  # of the changes since the last refresh
        self._refreshed = float("-inf")
        self.pending = True
        self.succeeded = False
        self._folder = collection.folder
        self._identity = _identity(self._folder)
        # One for each, because a folder may be that of several collections.
        self._observer = Observer()
        self._observer.schedule(self, str(self._folder), recursive=True)
        self._reports = True
        try:
            self._observer.start()
        except OSError as error:
            self._reports = False
            _log.warning("%s cannot be watched, so it is scanned instead: %s", self._folder, error)

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

    def current(self) -> bool:
        """Whether this is still the folder that was there at first. Raises `OSError`."""
        ended = self._reports and not all(e.is_alive() for e in self._observer.emitters)
        return not ended and self._identity == _identity(self._folder)

    def due(self) -> bool:
        """Whether the collection should be refreshed now."""
        now = time.monotonic()
        if self.pending:
            return now - self._last >= _QUIET or now - self._first >= _PATIENCE
        scan = _SCAN if self._reports and self.succeeded else _SCAN_OFTEN
        return now - self._refreshed >= scan

    def begin(self) -> None:
        """Starts a refresh. Changes reported from now on need another one."""
        self.pending = self.succeeded = False
        self._refreshed = time.monotonic()

    def close(self) -> None:
        """Ends the reports."""
        if self._reports:
            self._observer.stop()
            self._observer.join()


class _Watching:
    def __init__(self, folder: Path, limits: Limits) -> None:
        self._collections = Collections(folder)
        self._limits = limits
        self._wake = threading.Event()
        self._watched: dict[Collection, _Watched] = {}
        self._problems = Problems(_log)
        self._deaf = self._ending = self._collecting = False

    def end(self) -> None:
        """Ends the process; called by a signal."""
        self._ending = True
        if not self._collecting:  # an exception that is raised in a finalizer is lost
            sys.exit()

    def watch_again(self, failure: threading.ExceptHookArgs) -> None:
        """Called when a thread has failed: watchdog's reports of some folder have ended."""
        _log.error(
            "All folders are watched again, because watchdog failed.", exc_info=failure.exc_value
        )
        self._deaf = True
        self._wake.set()

    def run(self) -> None:
        """Runs until the process ends."""
        while not self._ending:
            active = [collection for collection in self._collections.all() if collection.active]
            deaf, self._deaf = self._deaf, False
            for collection in [*self._watched]:
                if deaf or collection not in active:
                    self._leave(collection)
            for collection in active:
                try:
                    self._keep(collection)
                except (LocalDocsError, OSError) as error:
                    self._problems.report(collection, str(error))
                except Exception as error:  # a fault of ours, or of a library, which stays its own
                    text = f"{collection.name!r} cannot be kept up to date: {error!r}"
                    self._problems.report(collection, text, error)
            pending = any(watched.pending for watched in self._watched.values())
            self._wake.wait(_QUIET if pending else _LOOK)
            self._wake.clear()

    def _keep(self, collection: Collection) -> None:
        """Watches a collection's folder, and refreshes it if need be. Raises what prevents that."""
        try:
            check_folder(collection)
            if collection in self._watched and not self._watched[collection].current():
                self._leave(collection)
        except (LocalDocsError, OSError):
            self._leave(collection)
            raise
        if collection not in self._watched:
            self._watched[collection] = _Watched(collection, self._wake)
        watched = self._watched[collection]
        if not watched.due():
            return
        watched.begin()
        try:
            # With indexes of its own, which are not kept: what is open keeps the disk space of what
            # is deleted later.
            own = Collections(self._collections.folder)
            refresh(own, collection.name, self._limits, wait=False)
        except CollectionBusy:
            watched.pending = True
        else:
            watched.succeeded = True
            self._problems.gone(collection)
            del own
            self._collecting = True
            gc.collect()  # Whoosh's readers are in cycles
            self._collecting = False
            if self._ending:
                sys.exit()

    def _leave(self, collection: Collection) -> None:
        """Stops watching a collection."""
        if (watched := self._watched.pop(collection, None)) is not None:
            watched.close()


def _identity(folder: Path) -> tuple[int, int]:
    """What differs if another folder takes its place, such as a disk that is mounted there."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _end_with_the_server() -> None:
    while os.read(sys.stdin.fileno(), 1024):  # reading sys.stdin would hold a lock until the end
        pass
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
    watching = _Watching(Path(folder), limits)
    signal.signal(signal.SIGTERM, lambda *_: watching.end())
    threading.excepthook = watching.watch_again
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    if sys.platform != "win32":
        os.nice(19)
    # If several servers share the collections, only one watches.
    lock = FileLock(Path(folder) / "watching.lock")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        _log.error("%s cannot be written: %s", folder, error.strerror or error)
        sys.exit(1)
    watching.run()
