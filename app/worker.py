"""The one model in memory and the one lock around it."""

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .inference.library import ModelFile
from .inference.model import Model
from .inference.model_cache import PreparedModel

# How often one who waits asks whether its client is still there, in seconds.
_POLL = 0.1


class QueueFull(Exception):
    """So many requests wait already that another one is turned away."""


class Turns:
    """A lock that is taken first come first served by at most ``limit`` waiting."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._queue: deque[object] = deque()  # the first of them has the lock
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, len(self._queue) - 1)

    @property
    def taken(self) -> bool:
        """Whether somebody has the lock."""
        return bool(self._queue)

    @contextmanager
    def turn(self, check: Callable[[], None]) -> Iterator[None]:
        """Waits for the lock, holds it inside the ``with`` block.

        ``check`` is called while waiting and may raise to give up. Raises `QueueFull` at
        once when too many wait.
        """
        ticket = object()
        with self._changed:
            if len(self._queue) > self.limit:
                raise QueueFull
            self._queue.append(ticket)
        try:
            with self._changed:
                while self._queue[0] is not ticket:
                    self._changed.wait(_POLL)
                    check()
            yield
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()


class Worker:
    """Lends the model to one request at a time, and changes the model when one asks for another.

    ``prepare`` does once what can take minutes, ``load`` what is left; both may raise
    `ModelError`. Once ``stopping`` is set, those who work or wait are expected to give up.
    """

    def __init__(
        self,
        prepare: Callable[[ModelFile], PreparedModel],
        load: Callable[[ModelFile, PreparedModel], Model],
        queue_limit: int,
    ) -> None:
        self.turns = Turns(queue_limit)
        self.stopping = threading.Event()
        self._prepare = prepare
        self._load = load
        self._model: Model | None = None

    @property
    def loaded(self) -> str | None:
        """The name of the model in memory."""
        model = self._model
        return None if model is None else model.file.name

    @contextmanager
    def model(self, file: ModelFile, check: Callable[[], None]) -> Iterator[Model]:
        """Waits for its turn and lends the model of ``file``, loaded if it is not yet.

        Raises `QueueFull`, `ModelError` when preparing or loading fails, and whatever ``check``
        raises.
        """
        model = self._model
        # Outside the turn: others use the loaded model meanwhile, and it stays if this fails.
        prepared = None if model is not None and model.file == file else self._prepare(file)
        with self.turns.turn(check):
            check()  # who never waited may have left too
            if self._model is None or self._model.file != file:
                self._change(file, prepared or self._prepare(file))
            assert self._model is not None
            yield self._model

    def _change(self, file: ModelFile, prepared: PreparedModel) -> None:
        if self._model is not None:
            # Two models at once may not fit in memory.
            self._model.close()
            self._model = None
            _return_memory()
        self._model = self._load(file, prepared)


def _return_memory() -> None:
    """Gives freed memory back, which glibc keeps for each of the threads that loaded a model."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
