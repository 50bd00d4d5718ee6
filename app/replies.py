"""The API's response objects, as OpenAI and GPT4All shape them.

A reply makes the same deltas into one object or into the chunks of a stream.
"""

import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .inference.generation import Delta, FinishReason
from .inference.log_probabilities import LogProbability, TokenLogProbability
from .tool_calls import CallFinder, CallPiece

Object = dict[str, Any]


@dataclass
class Answer:
    """A whole answer, gathered from its deltas."""

    text: str = ""
    finish_reason: FinishReason | None = None
    logprobs: list[TokenLogProbability] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """What a reply shows beside texts.

    ``references`` are GPT4All's objects for the sources of a chat's answers. ``calls`` says that
    answers may call functions, ``legacy_call`` that a call has OpenAI's old form.
    """

    references: Sequence[Object] = ()
    logprobs: bool = False
    calls: bool = False
    legacy_call: bool = False


class Reply(ABC):
    """One response; the subclasses say how their endpoint shapes a choice."""

    id_prefix: str
    whole_object: str
    chunk_object: str

    def __init__(self, model: str, prompt_tokens: int, shown: Shown) -> None:
        self._shown = shown
        self._head = {
            "id": f"{self.id_prefix}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }
        self._prompt_tokens = prompt_tokens
        self._completion_tokens = 0

    def whole(self, deltas: Iterable[Delta]) -> Object:
        """The response object of a plain request."""
        answers: dict[int, Answer] = {}
        for delta in self._counted(deltas):
            answer = answers.setdefault(delta.index, Answer())
            answer.text += delta.text
            answer.logprobs += delta.logprobs
            answer.finish_reason = delta.finish_reason
        choices = [self._choice(index, answer) for index, answer in answers.items()]
        head = {**self._head, "object": self.whole_object}
        return {**head, "choices": choices, "usage": self._usage()}

    def chunks(self, deltas: Iterable[Delta], count: int, include_usage: bool) -> Iterator[Object]:
        """The chunks of a stream of ``count`` answers."""
        head = {**self._head, "object": self.chunk_object}
        if include_usage:
            head["usage"] = None
        for index in range(count):
            for choice in self._opening(index):
                yield {**head, "choices": [choice]}
        for delta in self._counted(deltas):
            for choice in self._pieces(delta):
                yield {**head, "choices": [choice]}
        if include_usage:
            yield {**head, "choices": [], "usage": self._usage()}

    def _counted(self, deltas: Iterable[Delta]) -> Iterator[Delta]:
        for delta in deltas:
            self._completion_tokens += delta.tokens
            yield delta

    def _usage(self) -> Object:
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "total_tokens": self._prompt_tokens + self._completion_tokens,
        }

    @abstractmethod
    def _choice(self, index: int, answer: Answer) -> Object:
        """A whole answer."""

    @abstractmethod
    def _opening(self, index: int) -> list[Object]:
        """What a stream sends of an answer before its text."""

    @abstractmethod
    def _pieces(self, delta: Delta) -> Iterator[Object]:
        """What a stream sends of an answer's text, and at its end."""


class CompletionReply(Reply):
    """``text_completion``, whose chunks look like the whole."""

    id_prefix = "cmpl"
    whole_object = chunk_object = "text_completion"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._offsets: Counter[int] = Counter()  # characters of each answer

    def _choice(self, index: int, answer: Answer) -> Object:
        logprobs = self._logprobs(index, answer.logprobs)
        return _text_choice(index, answer.text, answer.finish_reason, logprobs)

    def _opening(self, index: int) -> list[Object]:
        return []

    def _pieces(self, delta: Delta) -> Iterator[Object]:
        if delta.text or (delta.logprobs and self._shown.logprobs):
            logprobs = self._logprobs(delta.index, delta.logprobs)
            yield _text_choice(delta.index, delta.text, None, logprobs)
        if delta.finish_reason:
            yield _text_choice(delta.index, "", delta.finish_reason, None)

    def _logprobs(self, index: int, found: Sequence[TokenLogProbability]) -> Object | None:
        """The lists of OpenAI's completions; ``text_offset`` counts characters of the text."""
        if not self._shown.logprobs:
            return None
        offsets = []
        for token in found:
            offsets.append(self._offsets[index])
            self._offsets[index] += len(token.text)
        return {
            "tokens": [token.text for token in found],
            "token_logprobs": [token.value for token in found],
            "top_logprobs": [
                # Of two that look alike, the more likely one.
                None if token.top is None else {p.text: p.value for p in reversed(token.top)}
                for token in found
            ],
            "text_offset": offsets,
        }


def _text_choice(
    index: int, text: str, reason: FinishReason | None, logprobs: Object | None
) -> Object:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}


class ChatReply(Reply):
    """``chat.completion``. ``references`` is null without sources."""

    id_prefix = "chatcmpl"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._finders: dict[int, CallFinder] = {}
        self._references = list(self._shown.references) or None

    def _choice(self, index: int, answer: Answer) -> Object:
        pieces = [*self._finder(index).feed(answer.text), *self._finder(index).finish()]
        return {
            "index": index,
            "message": {"role": "assistant", **self._message(pieces)},
            "finish_reason": self._reason(index, answer.finish_reason),
            "logprobs": self._logprobs(answer.logprobs),
            "references": self._references,
        }

    def _opening(self, index: int) -> list[Object]:
        return [_chat_chunk(index, {"role": "assistant", "content": ""})]

    def _pieces(self, delta: Delta) -> Iterator[Object]:
        pieces = self._finder(delta.index).feed(delta.text)
        if delta.finish_reason:
            pieces += self._finder(delta.index).finish()
        deltas = [self._piece(piece) for piece in pieces]
        logprobs = self._logprobs(delta.logprobs)
        if delta.logprobs and logprobs and not deltas:
            deltas = [{"content": ""}]
        for shown in deltas:
            yield {**_chat_chunk(delta.index, shown), "logprobs": logprobs}
            logprobs = None
        if delta.finish_reason:
            reason = self._reason(delta.index, delta.finish_reason)
            ending = {"finish_reason": reason, "references": self._references}
            yield {**_chat_chunk(delta.index, {}), **ending}

    def _finder(self, index: int) -> CallFinder:
        return self._finders.setdefault(index, CallFinder(self._shown.calls))

    def _reason(self, index: int, reason: FinishReason | None) -> str | None:
        if reason == "stop" and self._finder(index).calls:
            return "function_call" if self._shown.legacy_call else "tool_calls"
        return reason

    def _message(self, pieces: Sequence[str | CallPiece]) -> Object:
        """The content and the calls of a whole message."""
        content = "".join(piece for piece in pieces if isinstance(piece, str))
        calls: list[Object] = []
        for piece in pieces:
            if isinstance(piece, str):
                continue
            if piece.id:
                function = {"name": piece.name, "arguments": ""}
                calls.append({"id": piece.id, "type": "function", "function": function})
            calls[piece.number]["function"]["arguments"] += piece.arguments
        if not calls:
            return {"content": content}
        called = (
            {"function_call": calls[0]["function"]}
            if self._shown.legacy_call
            else {"tool_calls": calls}
        )
        return {"content": content or None, **called}

    def _piece(self, piece: str | CallPiece) -> Object:
        """A piece of text or of a call, as a stream's delta."""
        if isinstance(piece, str):
            return {"content": piece}
        function = {**({"name": piece.name} if piece.id else {}), "arguments": piece.arguments}
        if self._shown.legacy_call:
            return {"function_call": function}
        head = {"id": piece.id, "type": "function"} if piece.id else {}
        return {"tool_calls": [{"index": piece.number, **head, "function": function}]}

    def _logprobs(self, found: Sequence[TokenLogProbability]) -> Object | None:
        if not self._shown.logprobs:
            return None
        content = [
            {**_token(token), "top_logprobs": [_token(other) for other in token.top or ()]}
            for token in found
        ]
        return {"content": content, "refusal": None}


def _token(token: LogProbability) -> Object:
    return {"token": token.text, "logprob": token.value, "bytes": list(token.data)}


def _chat_chunk(index: int, delta: Object) -> Object:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
