"""Which models the upstreams have, and asking them."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import Any, cast

from ..exceptions import QueueFull, UpstreamError, UpstreamRefused, UpstreamUnreachable
from ..jobs import Job
from ..pieces import Begun, Delta
from .answers import Answers
from .models import UpstreamModel, models_in
from .questions import fitting, question
from .transport import Transport

_log = logging.getLogger(__name__)

_ASKED_EVERY = 30  # seconds
_TRIES = 2


class Upstreams:
    """The servers at ``urls``, which all have OpenAI's API.

    ``key`` is sent to each. ``limit`` is how many requests may be there at a time; ``requests`` is
    how many are. A model has ``context_length`` tokens unless its upstream says another number. An
    upstream that sends nothing for ``silence`` seconds has failed.
    """

    def __init__(
        self, urls: Sequence[str], key: str | None, limit: int, context_length: int, silence: float
    ) -> None:
        self.urls = urls
        self.requests = 0
        self._limit = limit
        self._context_length = context_length
        self._models: dict[str, Sequence[UpstreamModel]] = dict.fromkeys(urls, ())
        self._away: dict[str, str] = dict.fromkeys(urls, "")  # and why
        self._lock = threading.Lock()
        self._asked, self._asking = -math.inf, Future[None]()
        if urls:
            self._transport = Transport(key, silence)

    def models(self) -> list[UpstreamModel]:
        """The models of the upstreams that were there when they were last asked."""
        self._ask()
        named: dict[str, UpstreamModel] = {}
        for url in self.urls:
            for model in self._models[url] if url not in self._away else ():
                named.setdefault(model.name, model)
        return list(named.values())

    def find(self, name: str | None) -> UpstreamModel | None:
        """The model of that name, or any if it is None. None if no upstream has it.

        Waits for the upstreams, if they have to be asked before that can be said.
        """
        if not self.urls:
            return None
        asking = self._ask()
        if not self._called(name):
            asking.result()
        return next(iter(self._called(name)), None)

    @property
    def absences(self) -> str:
        """Which upstreams are away, and why."""
        return ", ".join(f"{url}: {why}" for url, why in dict(self._away).items())

    def run(
        self, model: UpstreamModel, sampling: Mapping[str, Any], job: Job, check: Callable[[], None]
    ) -> tuple[Begun, Generator[Delta]]:
        """As `ModelProcess.run`, and many at a time. ``sampling`` has what the request sets.

        Raises `QueueFull`, `UpstreamError`, and `GrammarError` for what that server cannot enforce.
        """
        events = self._run(model, sampling, job, check)
        # It has to be begun: one that is not ignores being closed.
        return cast(Begun, next(events)), cast(Generator[Delta], events)

    def _run(
        self, model: UpstreamModel, sampling: Mapping[str, Any], job: Job, check: Callable[[], None]
    ) -> Generator[Begun | Delta]:
        with self._place():
            context, answers = self._asked_for(model, sampling, job, check)
            with closing(answers):
                yield Begun(context, answers.id)
                yield from answers.deltas()

    def _asked_for(
        self, model: UpstreamModel, sampling: Mapping[str, Any], job: Job, check: Callable[[], None]
    ) -> tuple[int | None, Answers]:
        """The index of the first context that the upstream takes, and its answers."""
        context = fitting(job, model.context_length)
        while True:
            path, body = question(model, job, sampling, context)
            try:
                return context, Answers(job, self._chunks(model, path, body, check))
            except UpstreamRefused as error:
                if context is None or error.code != "context_length_exceeded":
                    raise
                assert job.conversation is not None
                smaller = range(context + 1, len(job.conversation.contexts))
                context = next(iter(smaller), None)

    def _chunks(
        self, model: UpstreamModel, path: str, body: Any, check: Callable[[], None]
    ) -> Generator[Any]:
        """The chunks of the answer. An upstream that does not answer at all is asked once more.

        If another one has the model, that one is.
        """
        for tries in reversed(range(_TRIES)):
            url = next(iter(self._called(model.name)), model).url
            try:
                yield from self._transport.stream(url + path, body, check)
                return
            except UpstreamUnreachable as error:
                self._is_away(url, error)
                if not tries:
                    raise

    def _called(self, name: str | None) -> list[UpstreamModel]:
        """All models of that name; those whose upstream is away come last."""
        urls = sorted(self.urls, key=lambda url: url in self._away)
        found = (model for url in urls for model in self._models[url])
        return [model for model in found if name in (None, model.name)]

    def _ask(self) -> "Future[None]":
        """Asks all upstreams for their models, unless they were asked lately."""
        with self._lock:
            if self.urls and time.monotonic() - self._asked >= _ASKED_EVERY:
                self._asked = time.monotonic()
                self._asking = self._transport.begin(self._ask_all())
            return self._asking

    async def _ask_all(self) -> None:
        await asyncio.gather(*map(self._ask_one, self.urls))

    async def _ask_one(self, url: str) -> None:
        try:
            said = await self._transport.get(f"{url}/models")
            self._models[url] = models_in(said, url, self._context_length)
        except UpstreamError as error:
            self._is_away(url, error)
            return
        if self._away.pop(url, None) is not None:
            names = ", ".join(model.name for model in self._models[url])
            _log.info("The upstream %s has the models %s.", url, names or "(none)")

    def _is_away(self, url: str, error: UpstreamError) -> None:
        if self._away.get(url) != str(error):
            _log.warning("The upstream %s is away: %s", url, error)
        self._away[url] = str(error)

    @contextmanager
    def _place(self) -> Iterator[None]:
        with self._lock:
            if self.requests >= self._limit:
                raise QueueFull("Too many requests are at the upstreams (GPT4ALL_UPSTREAM_LIMIT).")
            self.requests += 1
        try:
            yield
        finally:
            with self._lock:
                self.requests -= 1
