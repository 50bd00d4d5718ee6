"""The API's response objects, as OpenAI and GPT4All shape them.

A reply makes the same deltas into one object or into the chunks of a stream.
"""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .inference.generation import Delta, FinishReason

Object = dict[str, Any]


@dataclass
class Answer:
    """A whole answer, gathered from its deltas."""

    text: str = ""
    finish_reason: FinishReason | None = None


class Reply(ABC):
    """One response; the subclasses say how their endpoint shapes a choice.

    ``references`` are GPT4All's objects, for the sources of a chat's answers.
    """

    id_prefix: str
    whole_object: str
    chunk_object: str

    def __init__(self, model: str, prompt_tokens: int, references: Sequence[Object] = ()) -> None:
        self._references = list(references) or None
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
            if delta.text:
                yield {**head, "choices": [self._piece(delta.index, delta.text)]}
            if delta.finish_reason:
                yield {**head, "choices": [self._ending(delta.index, delta.finish_reason)]}
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
    def _piece(self, index: int, text: str) -> Object:
        """A piece of an answer's text."""

    @abstractmethod
    def _ending(self, index: int, reason: FinishReason) -> Object:
        """The end of an answer, after its text."""


class CompletionReply(Reply):
    """``text_completion``, whose chunks look like the whole."""

    id_prefix = "cmpl"
    whole_object = chunk_object = "text_completion"

    def _choice(self, index: int, answer: Answer) -> Object:
        return _text_choice(index, answer.text, answer.finish_reason)

    def _opening(self, index: int) -> list[Object]:
        return []

    def _piece(self, index: int, text: str) -> Object:
        return _text_choice(index, text, None)

    def _ending(self, index: int, reason: FinishReason) -> Object:
        return _text_choice(index, "", reason)


def _text_choice(index: int, text: str, reason: FinishReason | None) -> Object:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


class ChatReply(Reply):
    """``chat.completion``. ``references`` is null without sources."""

    id_prefix = "chatcmpl"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def _choice(self, index: int, answer: Answer) -> Object:
        return {
            "index": index,
            "message": {"role": "assistant", "content": answer.text},
            "finish_reason": answer.finish_reason,
            "logprobs": None,
            "references": self._references,
        }

    def _opening(self, index: int) -> list[Object]:
        return [_chat_chunk(index, {"role": "assistant", "content": ""})]

    def _piece(self, index: int, text: str) -> Object:
        return _chat_chunk(index, {"content": text})

    def _ending(self, index: int, reason: FinishReason) -> Object:
        ending = {"finish_reason": reason, "references": self._references}
        return {**_chat_chunk(index, {}), **ending}


def _chat_chunk(index: int, delta: Object) -> Object:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
