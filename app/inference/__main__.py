"""The model process: carries out the server's orders, one at a time.

    python -m app.inference

It reads orders from standard input, and writes events to standard output and the log to standard
error. It ends when its input is closed. That happens when the server ends, even if it is killed.
"""

import logging
import os
import pickle
import queue
import sys
import threading
import time
from pathlib import Path

from ..engines.base import Flag
from ..exceptions import Cancelled, InferenceError, ModelRefused
from ..jobs import Job
from ..models.cache import ModelCache, PreparedModel
from ..models.library import ModelFile
from ..pieces import Begun, Delta
from ..protocol import Cancel, Done, Event, Failed, Load, Order, Prepare, Step
from .model import Model
from .run import run

_log = logging.getLogger("app.inference")

_SIGN_OF_LIFE = 1  # seconds of silence after which the server is told that work goes on
# Seconds. Deltas that follow each other faster than that are sent together: each time the server
# wakes up, it takes a CPU away from the engine's threads, which wait for each other.
_TOGETHER = 0.04
_TEMPLATE_BYTES = 512 << 20  # of memory that a chat template may take


class Runner:
    """Reads orders, carries them out, and writes events."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[Job | Load | Prepare] = queue.SimpleQueue()
        self._cancelled = Flag()
        self._events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        # A library that prints must not get among the events.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._last_event = 0.0
        self._step = Step.EVALUATING
        self._model: Model | None = None

    def serve(self) -> None:
        """Carries out orders until the input ends."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            self._send(self._outcome(self._orders.get()))

    def _listen(self) -> None:
        while True:
            try:
                order: Order = pickle.load(sys.stdin.buffer)
            except (EOFError, pickle.UnpicklingError):  # the server may end in the middle of one
                os._exit(0)  # nobody waits for what is under way
            if isinstance(order, Cancel):
                self._cancelled.set()
            else:
                self._cancelled.clear()
                self._orders.put(order)

    def _outcome(self, order: Job | Load | Prepare) -> Done | Failed:
        try:
            match order:
                case Job():
                    self._run(order)
                case Load():
                    self._load(order)
                case Prepare():
                    self._prepared(ModelCache(order.cache), order.file)
        except (InferenceError, RecursionError) as error:
            return Failed(error)
        except Exception as error:
            _log.exception("The model process failed.")
            return Failed(RuntimeError(f"{type(error).__name__} in the model process"))
        return Done()

    def _load(self, order: Load) -> None:
        cache = ModelCache(order.cache)
        prepared = self._prepared(cache, order.file)
        try:
            self._model = self._loaded(order, prepared)
        except ModelRefused as error:
            if not cache.discard_damaged(prepared):
                raise
            _log.warning("What was prepared is damaged, and is made again: %s", error)
            self._model = self._loaded(order, self._prepared(cache, order.file))

    def _prepared(self, cache: ModelCache, file: ModelFile) -> PreparedModel:
        self._begin(Step.PREPARING)
        return cache.prepare(file.path, file.engine)

    def _loaded(self, order: Load, prepared: PreparedModel) -> Model:
        self._begin(Step.LOADING)
        return Model.load(
            order.file,
            prepared,
            order.context_length,
            order.threads,
            order.slots,
            self._begin,
            self._cancelled,
        )

    def _run(self, job: Job) -> None:
        assert self._model is not None
        held: list[Delta] = []
        sent = before = 0.0
        spoken = False
        try:
            for event in run(self._model, job, self._check):
                if isinstance(event, Begun):
                    self._step = Step.EVALUATING
                    _limit_memory(None)
                    self._send(event)
                    continue
                held.append(event)
                now = time.monotonic()
                # The first text leaves at once, and so does each delta of a slow model.
                if not spoken or max(now - sent, now - before) >= _TOGETHER:
                    spoken = spoken or bool(event.pieces)
                    self._send(tuple(held))
                    held, sent = [], now
                before = now
        finally:
            if held:
                self._send(tuple(held))

    def _check(self) -> None:
        """Raises `Cancelled` once the server has given the job up."""
        if self._cancelled.is_set():
            raise Cancelled("The server has given the job up.")
        if time.monotonic() - self._last_event > _SIGN_OF_LIFE:
            self._send(self._step)

    def _begin(self, step: Step) -> None:
        self._step = step
        self._send(step)
        _limit_memory(_TEMPLATE_BYTES if step is Step.TEMPLATE else None)

    def _send(self, event: Event) -> None:
        try:
            pickle.dump(event, self._events)
            self._events.flush()
        except BrokenPipeError:  # the server has just ended
            os._exit(0)
        self._last_event = time.monotonic()


def _limit_memory(more: int | None) -> None:
    """Lets this process take so many bytes ``more`` than it has, or any number."""
    if sys.platform == "linux":
        import resource

        limit = resource.RLIM_INFINITY
        if more is not None:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            limit = pages * resource.getpagesize() + more
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("app").setLevel(logging.INFO)
    Runner().serve()
