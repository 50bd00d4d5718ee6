"""The server's end of the model process: one loaded model, which may crash alone."""

import logging
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from localdocs.ending import ending

from .exceptions import GrammarError, ModelCrashed, ModelStalled, PromptError
from .jobs import Job
from .pieces import Begun, Delta
from .protocol import Cancel, Done, Event, Failed, Load, Order, Prepare, Step

_log = logging.getLogger(__name__)

Check = Callable[[], None]

_POLL = 0.1  # seconds between two looks at whether the client is still there
_LAST_WORDS = 0.5  # seconds that a job may take to end, once it is given up, before it evaluates


@dataclass(frozen=True)
class Timeouts:
    """In seconds: for making a ``prompt``, and for an ``evaluation`` without a sign of life."""

    prompt: float = 10
    evaluation: float = 120


class ModelProcess:
    """A process that runs one model. One thread at a time may use it."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.inference"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            creationflags=flags,
            start_new_session=True,  # Ctrl-C is for the server
        )
        self.pid = self._process.pid
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._step: Step | None = None
        self._since = 0.0  # when the step began, or when an evaluation gave its last sign of life
        self._closing = False
        self.ended = False
        self.loaded = False
        self.answered = False
        self.died_early = self.crashed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def prepare(self, order: Prepare, check: Check) -> None:
        """Makes a model ready to be loaded.

        Raises `ModelError`, `CacheError`, and what ``check`` raises.
        """
        self._send(order)
        self._wait(check)

    def load(self, order: Load) -> None:
        """Begins to load a model; `wait_until_loaded` says when that is done."""
        self._send(order)

    def wait_until_loaded(self, check: Check) -> None:
        """Waits for the model. If ``check`` raises to give up, it goes on loading.

        Raises `ModelError` when the engine refuses the model, and `CacheError`.
        """
        if not self.loaded:
            self._wait(check)
            self.loaded = True

    def run(self, job: Job, check: Check) -> tuple[Begun, Generator[Delta]]:
        """Runs a job: its beginning, and its deltas. ``check`` is called often, and may raise.

        The generator must be closed before another job can run. Raises `PromptError` and
        `GrammarError` for a job that the model cannot do, `RecursionError` for one that is nested
        too deeply, `ModelCrashed` and `ModelStalled`.
        """
        events = self._run(job, check)
        # It has to be begun: one that is not ignores being closed.
        return cast(Begun, next(events)), cast(Generator[Delta], events)

    def _run(self, job: Job, check: Check) -> Generator[Begun | Delta]:
        self._send(job)
        done = False
        try:
            while True:
                event = self._next(check)
                if isinstance(event, Done | Failed):
                    done = True
                if isinstance(event, Done):
                    return
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Begun):
                    yield event
                    continue
                self.answered = self.answered or any(delta.tokens for delta in event)
                yield from event
        finally:
            if not done:
                self._give_up()

    def close(self) -> None:
        """Ends the process, and with it whatever it does."""
        self._closing = True
        self._process.kill()
        self._reader.join()

    def _wait(self, check: Check) -> None:
        while not isinstance(event := self._next(check), Done):
            if isinstance(event, Failed):
                raise event.error

    def _next(self, check: Check) -> Begun | tuple[Delta, ...] | Done | Failed:
        """The next event that is more than a sign of life."""
        while True:
            check()
            try:
                event = self._events.get(timeout=_POLL)
            except queue.Empty:
                self._look_at_the_clock()
                continue
            if event is None:
                self._events.put(None)  # for the next call
                self.died_early = not (self.answered or self._closing)
                how = ending(self._process.returncode)
                raise ModelCrashed(
                    f"The process of the model {how}. The next request starts it again."
                )
            if not isinstance(event, Step):
                if isinstance(event, Begun):
                    self._step = Step.EVALUATING
                self._since = time.monotonic()
                return event
            if self._step is None or event in (Step.EVALUATING, Step.LOADING):
                self._since = time.monotonic()
            self._step = event
            self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        """Raises the error of a step that takes too long, and ends the process."""
        if self._step in (Step.PREPARING, Step.LOADING):
            return
        taken, limit = time.monotonic() - self._since, self._timeouts.prompt
        if self._step in (None, Step.EVALUATING):
            limit = self._timeouts.evaluation
        if taken <= limit:
            return
        self.close()
        too_long = f"takes more than {limit:g} seconds (GPT4ALL_PROMPT_TIMEOUT)."
        match self._step:
            case Step.TEMPLATE:
                raise PromptError(f"The model's chat template {too_long}")
            case Step.TOKENIZING:
                raise PromptError(f"Turning the prompt into tokens {too_long}")
            case Step.GRAMMAR:
                raise GrammarError(f"compiling it {too_long}")
        raise ModelStalled(
            f"The model gave no sign of life for {limit:g} seconds "
            "(GPT4ALL_EVALUATION_TIMEOUT). The next request starts it again."
        )

    def _give_up(self) -> None:
        """Ends the present job, if need be with the process."""
        self._send(Cancel())
        since = time.monotonic()

        def check() -> None:
            unhurried = self._step in (None, Step.EVALUATING)
            if not unhurried and time.monotonic() - since > _LAST_WORDS:
                self.close()

        with suppress(ModelCrashed, ModelStalled, PromptError, GrammarError):
            while not isinstance(self._next(check), Done | Failed):
                pass

    def _send(self, order: Order) -> None:
        if not isinstance(order, Cancel):
            self._step, self._since = None, time.monotonic()
        assert self._process.stdin is not None
        # All of it or, if it is nested too deeply, nothing.
        data = pickle.dumps(order)
        # A process that is gone says so in its last event.
        with suppress(OSError, ValueError):
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _read(self) -> None:
        """Takes the events out of the pipe until the process ends."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        # An event may be cut short.
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                self._events.put(pickle.load(stdout))
        self._process.wait()
        self.ended = True
        if not self._closing:
            self.crashed = True
            _log.error("The process of the model %s.", ending(self._process.returncode))
        self._events.put(None)
        stdout.close()
        with suppress(OSError):  # what was not sent
            stdin.close()
