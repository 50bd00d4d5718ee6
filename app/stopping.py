"""The end of the server: no new work at once, and a while for the answers that are under way."""

import _thread
import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from .exceptions import ServerStopping

_log = logging.getLogger(__name__)

_LOOK = 0.05  # seconds between two looks at whether the last answer has ended


class Stopping:
    """Whether the server stops, and whether the ``grace`` seconds of its last answers are over.

    ``last`` is called when the model is free, before the server ends.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.last: Callable[[], None] = lambda: None
        self._since: float | None = None

    @property
    def begun(self) -> bool:
        """Whether nothing new should begin."""
        return self._since is not None

    @property
    def overdue(self) -> bool:
        """Whether everything should end."""
        return self._since is not None and time.monotonic() - self._since >= self.grace

    def check(self) -> None:
        """Raises `ServerStopping` if nothing new should begin."""
        if self.begun:
            raise ServerStopping("The server is stopping.")

    def begin(self) -> None:
        """From now on, nothing new begins."""
        self._since = time.monotonic()

    def hurry(self) -> None:
        """From now on, everything ends."""
        self.grace = 0


def stop_on_signals(stopping: Stopping, busy: Callable[[], bool]) -> None:
    """Lets SIGINT (Ctrl-C) and SIGTERM stop the server. The second one ends the answers too.

    ``busy`` says whether there are any.
    """
    ending = threading.Event()
    main = threading.get_ident()  # signals can only be handled in the main thread

    def stop(number: int, frame: FrameType | None) -> None:
        if ending.is_set():
            return  # waitress is told once
        if not stopping.begun:
            stopping.begin()
            if busy():
                _log.info(
                    "Stopping. The answer under way has %g seconds (GPT4ALL_GRACE); "
                    "Ctrl-C again ends it.",
                    stopping.grace,
                )
            threading.Thread(target=interrupt_later, daemon=True).start()
            return
        ending.set()
        stopping.hurry()
        raise KeyboardInterrupt

    def interrupt_later() -> None:
        while busy() and not stopping.overdue:
            time.sleep(_LOOK)
        stopping.last()
        if hasattr(signal, "pthread_kill"):  # it also wakes the main thread, up to a second earlier
            signal.pthread_kill(main, signal.SIGINT)
        else:
            _thread.interrupt_main()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
