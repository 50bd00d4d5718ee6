"""Turns deltas into a response: one object, or the events of a stream."""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import ApiError
from ..pieces import Delta, FinishReason, LogProbability, Piece, TokenLogProbability

Object = dict[str, Any]


class Event(NamedTuple):
    """A server-sent event. In OpenAI's streams of chats and completions, events have no name."""

    data: Object
    name: str | None = None


@dataclass
class Gathered:
    """A whole answer, put together from its deltas."""

    pieces: list[Piece] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    logprobs: list[TokenLogProbability] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """What a response shows besides texts.

    With ``include_usage``, a stream ends with its usage. With ``legacy_call``, calls have OpenAI's
    old form.
    """

    logprobs: bool = False
    include_usage: bool = False
    legacy_call: bool = False


class Presenter(ABC):
    """One response."""

    id_prefix: str
    # Whether OpenAI's streams of this kind have an event behind the last one.
    ends_with_done = True
    # API clients get GPT4All's objects. Where the user's files are is for the page.
    hidden_of_references: Sequence[str] = ("collection", "path")

    def __init__(
        self, model: str, shown: Shown, references: Sequence[Object] = (), id_: str = ""
    ) -> None:
        """``references`` are the objects of `localdocs.prompt.located_reference`.

        Without an ``id_``, the response gets a new one.
        """
        self._shown = shown
        self._references = [self._public(reference) for reference in references] or None
        self._head = {
            "id": id_ or f"{self.id_prefix}{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._prompt_tokens = self._cached_tokens = 0
        self._completion_tokens = self._reasoning_tokens = 0

    @abstractmethod
    def whole(self, deltas: Iterable[Delta]) -> Object:
        """The response object of a plain request."""

    @abstractmethod
    def events(self, deltas: Iterable[Delta], count: int) -> Iterator[Event]:
        """The events of a stream of ``count`` answers."""

    def failing(self, error: ApiError) -> Iterator[Event]:
        """The last events of a stream that fails."""
        yield Event(error.envelope, "error")

    def _public(self, reference: Object) -> Object:
        return {k: v for k, v in reference.items() if k not in self.hidden_of_references}

    def _counted(self, deltas: Iterable[Delta]) -> Iterator[Delta]:
        for delta in deltas:
            self._prompt_tokens += delta.prompt_tokens
            self._completion_tokens += delta.tokens
            self._cached_tokens += delta.cached
            self._reasoning_tokens += delta.reasoning_tokens
            yield delta


class ChoicesPresenter(Presenter):
    """Answers as ``choices``. The subclasses say what a choice of their endpoint looks like."""

    whole_object: str
    chunk_object: str

    def whole(self, deltas: Iterable[Delta]) -> Object:
        """The response object of a plain request."""
        answers: dict[int, Gathered] = {}
        for delta in self._counted(deltas):
            answer = answers.setdefault(delta.index, Gathered())
            answer.pieces += delta.pieces
            answer.logprobs += delta.logprobs
            answer.finish_reason = delta.finish_reason or answer.finish_reason
        choices = [self._choice(index, answer) for index, answer in sorted(answers.items())]
        head = {**self._head, "object": self.whole_object}
        return {**head, "choices": choices, "usage": self._usage()}

    def events(self, deltas: Iterable[Delta], count: int) -> Iterator[Event]:
        """The events of a stream of ``count`` answers."""
        head = {**self._head, "object": self.chunk_object}
        if self._shown.include_usage:
            head["usage"] = None
        for index in range(count):
            for choice in self._opening(index):
                yield Event({**head, "choices": [choice]})
        for delta in self._counted(deltas):
            for choice in self._pieces(delta):
                yield Event({**head, "choices": [choice]})
        if self._shown.include_usage:
            yield Event({**head, "choices": [], "usage": self._usage()})

    def _usage(self) -> Object:
        thought = {"reasoning_tokens": self._reasoning_tokens}
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "total_tokens": self._prompt_tokens + self._completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self._cached_tokens},
            "completion_tokens_details": thought,
        }

    @abstractmethod
    def _choice(self, index: int, answer: Gathered) -> Object:
        """A whole answer."""

    @abstractmethod
    def _opening(self, index: int) -> list[Object]:
        """What a stream sends before the text of an answer."""

    @abstractmethod
    def _pieces(self, delta: Delta) -> Iterator[Object]:
        """What a stream sends for a delta of an answer, and at the answer's end."""


def logprobs_of(tokens: Iterable[TokenLogProbability]) -> list[Object]:
    """The tokens as chats and responses show them."""
    return [
        {**_token(token), "top_logprobs": [_token(other) for other in token.top or ()]}
        for token in tokens
    ]


def _token(token: LogProbability) -> Object:
    return {"token": token.text, "logprob": token.value, "bytes": list(token.data)}
