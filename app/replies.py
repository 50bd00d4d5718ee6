"""The API's response objects, as OpenAI and GPT4All shape them.

A reply makes the same deltas into one object or into the chunks of a stream.
"""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .inference.calls import Piece
from .inference.generation import Delta, FinishReason
from .inference.log_probabilities import LogProbability, TokenLogProbability

Object = dict[str, Any]


@dataclass
class Answer:
    """A whole answer, gathered from its deltas."""

    pieces: list[Piece] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    logprobs: list[TokenLogProbability] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """What a reply shows beside texts.

    ``references`` are GPT4All's objects for the sources of a chat's answers. ``legacy_call`` says
    that a call has OpenAI's old form.
    """

    references: Sequence[Object] = ()
    logprobs: bool = False
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
            answer.pieces += delta.pieces
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

    def _choice(self, index: int, answer: Answer) -> Object:
        logprobs = self._logprobs(answer.logprobs)
        return _text_choice(index, _text(answer.pieces), answer.finish_reason, logprobs)

    def _opening(self, index: int) -> list[Object]:
        return []

    def _pieces(self, delta: Delta) -> Iterator[Object]:
        if delta.pieces or (delta.logprobs and self._shown.logprobs):
            logprobs = self._logprobs(delta.logprobs)
            yield _text_choice(delta.index, _text(delta.pieces), None, logprobs)
        if delta.finish_reason:
            yield _text_choice(delta.index, "", delta.finish_reason, None)

    def _logprobs(self, found: Sequence[TokenLogProbability]) -> Object | None:
        """The lists of OpenAI's completions; ``text_offset`` counts characters of the text."""
        if not self._shown.logprobs:
            return None
        return {
            "tokens": [token.name for token in found],
            "token_logprobs": [token.value for token in found],
            "top_logprobs": [_likely(token) for token in found],
            "text_offset": [token.offset for token in found],
        }


def _likely(token: TokenLogProbability) -> Object | None:
    """The most likely tokens, the chosen one always among them, as OpenAI's reference says."""
    if token.top is None:
        return None
    # Of two that look alike, the more likely one.
    return {other.name: other.value for other in (token, *reversed(token.top))}


def _text(pieces: Iterable[Piece]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


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
        self._references = list(self._shown.references) or None

    def _choice(self, index: int, answer: Answer) -> Object:
        return {
            "index": index,
            "message": {"role": "assistant", **self._message(answer.pieces)},
            "finish_reason": self._reason(answer.finish_reason),
            "logprobs": self._logprobs(answer.logprobs),
            "references": self._references,
        }

    def _opening(self, index: int) -> list[Object]:
        return [_chat_chunk(index, {"role": "assistant", "content": ""})]

    def _pieces(self, delta: Delta) -> Iterator[Object]:
        deltas = [self._piece(piece) for piece in delta.pieces]
        logprobs = self._logprobs(delta.logprobs)
        if delta.logprobs and logprobs and not deltas:
            deltas = [{"content": ""}]
        for shown in deltas:
            yield {**_chat_chunk(delta.index, shown), "logprobs": logprobs}
            logprobs = None
        if delta.finish_reason:
            reason = self._reason(delta.finish_reason)
            ending = {"finish_reason": reason, "references": self._references}
            yield {**_chat_chunk(delta.index, {}), **ending}

    def _reason(self, reason: FinishReason | None) -> str | None:
        return "function_call" if reason == "tool_calls" and self._shown.legacy_call else reason

    def _message(self, pieces: Sequence[Piece]) -> Object:
        """The content and the calls of a whole message."""
        content = _text(pieces)
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

    def _piece(self, piece: Piece) -> Object:
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
