"""The one model in memory, the lock around it, and who waits for it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .exceptions import CacheError, ModelError, QueueFull
from .model_process import Check, ModelProcess, Timeouts
from .models.library import ModelFile
from .protocol import Load, Prepare

_log = logging.getLogger(__name__)

# How often one who waits asks whether its client is still there, in seconds.
_POLL = 0.1

# A model whose process dies so often in a row before its first token is refused for so many
# seconds.
_MOST_DEATHS, _REFUSED_FOR = 3, 600


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
    def turn(self, check: Check) -> Iterator[None]:
        """Waits for the lock, holds it inside the ``with`` block.

        ``check`` is called while waiting and may raise to give up. Raises `QueueFull` at
        once when too many wait.
        """
        ticket = object()
        with self._changed:
            if len(self._queue) > self.limit:
                raise QueueFull("Too many requests wait for the model (GPT4ALL_QUEUE_LIMIT).")
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
    """Lends the model process to one request at a time, and replaces it when need be.

    ``order`` says how a model is loaded, ``is_prepared`` whether its GGUF can be loaded at once.
    After ``keep_alive`` idle seconds (None: never) the process is ended. ``loads`` counts the
    models that were loaded.
    """

    def __init__(
        self,
        order: Callable[[ModelFile], Load],
        is_prepared: Callable[[ModelFile], bool],
        *,
        queue_limit: int,
        timeouts: Timeouts | None = None,
        keep_alive: float | None = None,
    ) -> None:
        self.turns = Turns(queue_limit)
        self.preparing = Turns(queue_limit)
        self.loads = self._crashes = 0
        self._order = order
        self._is_prepared = is_prepared
        self._timeouts = timeouts or Timeouts()
        self._keep_alive = keep_alive
        self._used = 0.0
        self._file: ModelFile | None = None
        self._process: ModelProcess | None = None
        self._deaths: dict[ModelFile, tuple[int, float]] = {}

    @property
    def loaded(self) -> str | None:
        """The name of the model in memory."""
        process, file = self._process, self._file
        there = process is not None and process.loaded and not process.ended
        return file.name if there and file is not None else None

    @property
    def crashes(self) -> int:
        """How often the process has died by itself."""
        process = self._process
        return self._crashes + (process is not None and process.crashed)

    @property
    def busy(self) -> bool:
        """Whether anybody uses a model, or has one prepared."""
        return self.turns.taken or self.preparing.taken

    @property
    def waiting(self) -> int:
        """How many wait for the model, or have theirs prepared."""
        return self.turns.waiting + self.preparing.waiting + self.preparing.taken

    @contextmanager
    def model(self, file: ModelFile, check: Check) -> Iterator[ModelProcess]:
        """Waits for its turn and lends the process of ``file``'s model, which is loaded.

        A model that must be prepared is prepared first, while others use the loaded one. Raises
        `QueueFull`, `ModelError` when the model cannot be loaded, `CacheError` when it cannot be
        prepared, `ModelCrashed` when its process died while loading, and whatever ``check`` raises.
        """
        fresh = self._prepared(file, check)
        try:
            with self.turns.turn(check):
                check()  # a client that never waited may have left too
                if not self._has(file):
                    self._replace(file, fresh)
                    fresh = None
                process = self._process
                assert process is not None
                try:
                    process.wait_until_loaded(check)
                except (ModelError, CacheError):
                    self.close()
                    raise
                yield process
        finally:
            if fresh is not None:
                fresh.close()
            self._rest()

    def close(self) -> None:
        """Ends the model process. Call it only in a turn, or if no other thread wants one."""
        process = self._process
        if process is not None:
            process.close()
            self._crashes += process.crashed
        self._process = self._file = None

    def _prepared(self, file: ModelFile, check: Check) -> ModelProcess | None:
        """A process in which the model was prepared, if that was necessary."""
        if self._file == file or self._is_prepared(file):
            return None
        with self.preparing.turn(check):
            if self._is_prepared(file):
                return None
            process = ModelProcess(self._timeouts)
            try:
                process.prepare(Prepare(file, self._order(file).cache), check)
            except BaseException:
                process.close()
                raise
            return process

    def _has(self, file: ModelFile) -> bool:
        """Whether the process has, or loads, that model."""
        return self._process is not None and not self._process.ended and self._file == file

    def _replace(self, file: ModelFile, fresh: ModelProcess | None) -> None:
        """Ends the process and begins to load ``file`` in another one, perhaps a ``fresh`` one."""
        order = self._order(file)  # before anything is ended: the file may be gone
        self._count_death()
        self.close()  # first: two models at once may not fit in memory
        self._refuse_the_dead(file)
        self._file, self._process = file, fresh or ModelProcess(self._timeouts)
        self._process.load(order)
        self.loads += 1

    def _count_death(self) -> None:
        if self._process is not None and self._file is not None:
            if self._process.died_early:
                count, _ = self._deaths.get(self._file, (0, 0.0))
                self._deaths[self._file] = count + 1, time.monotonic()
            elif self._process.answered:
                self._deaths.pop(self._file, None)

    def _refuse_the_dead(self, file: ModelFile) -> None:
        count, last = self._deaths.get(file, (0, 0.0))
        if count < _MOST_DEATHS:
            return
        if time.monotonic() - last >= _REFUSED_FOR:
            del self._deaths[file]
            return
        raise ModelError(
            f"{file.path.name} cannot be used: its process died {count} times in a row before its "
            f"first token. It is tried again {_REFUSED_FOR // 60} minutes later, or when the file "
            "changes."
        )

    def _rest(self) -> None:
        """From now on the model is idle, unless somebody has waited for it."""
        self._used = time.monotonic()
        if self._keep_alive is not None:
            timer = threading.Timer(self._keep_alive, self._unload)
            timer.daemon = True
            timer.start()

    def _unload(self) -> None:
        if self.turns.taken:
            return  # it is in use, and then a timer begins again
        with suppress(QueueFull), self.turns.turn(lambda: None):
            idle = time.monotonic() - self._used
            if self._process is not None and idle >= (self._keep_alive or 0):
                _log.info("The model is unloaded (GPT4ALL_KEEP_ALIVE).")
                self.close()
