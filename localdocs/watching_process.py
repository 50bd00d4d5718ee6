"""The server's end of the process that watches. It loads nothing of what that process needs."""

import subprocess
import sys
from pathlib import Path

from .limits import Limits


class WatchingProcess:
    """Another process that watches the collections below ``folder``.

    It ends with `close`, at the end of a ``with`` block, or with this process.
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
        """Ends the process. What it was reading is read again next time."""
        self._process.communicate()
