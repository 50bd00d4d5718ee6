"""The server's end of the process that watches. It loads nothing of what that process needs."""

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

from .ending import ending
from .limits import Limits

_log = logging.getLogger(__name__)

# Seconds before a process that has ended is started again: twice as many each time, up to a limit,
# and few again after one that ran for long.
_SHORTEST_PAUSE, _LONGEST_PAUSE, _LONG = 1.0, 300.0, 60.0


class WatchingProcess:
    """Another process that watches the collections below ``folder``. If it ends, it is restarted.

    It ends with `close`, at the end of a ``with`` block, or with this process. ``state`` is
    ``running``, or ``restarting`` if it has ended.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._command = [
            *(sys.executable, "-m", __package__, str(folder)),
            *(str(limits.snippet_size), str(limits.file_size), *limits.exclude),
        ]
        self.state = "running"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # for starting the process and closing
        self._closed = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def __enter__(self) -> "WatchingProcess":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process's number; None if there is none now."""
        process = self._process
        return process.pid if process is not None else None

    def close(self) -> None:
        """Ends the process. What it was reading is read again next time."""
        with self._lock:
            self._closed.set()
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
        self._keeper.join()

    def _keep(self) -> None:
        """Starts the process again and again."""
        pause = _SHORTEST_PAUSE
        while True:
            since = time.monotonic()
            self.state = "running"
            how = self._run()
            self.state = "restarting"
            if self._closed.is_set():
                return
            if time.monotonic() - since > _LONG:
                pause = _SHORTEST_PAUSE
            _log.warning(
                "The process that watches folders %s. It starts again in %g seconds.", how, pause
            )
            self._closed.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _run(self) -> str:
        """Runs the process until it ends, and returns how that happened."""
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.IDLE_PRIORITY_CLASS | subprocess.CREATE_NEW_PROCESS_GROUP
        with self._lock:
            if self._closed.is_set():
                return "was closed"
            try:
                process = self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    cwd=Path(__file__).parent.parent,
                    creationflags=flags,
                    start_new_session=True,  # Ctrl-C is for the server
                )
            except OSError as error:
                return f"cannot be started: {error}"
        status = process.wait()
        with self._lock:
            self._process = None
        assert process.stdin is not None
        process.stdin.close()
        return ending(status)
