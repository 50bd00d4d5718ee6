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

Object = dict[str, Any]


@dataclass
class Answer:
    """A whole answer, gathered from its deltas."""

    text: str = ""
    finish_reason: FinishReason | None = None
    logprobs: list[TokenLogProbability] = field(default_factory=list)


class Reply(ABC):
    """One response; the subclasses say how their endpoint shapes a choice.

    ``references`` are GPT4All's objects, for the sources of a chat's answers; ``logprobs`` says
    whether log-probabilities are shown.
    """

    id_prefix: str
    whole_object: str
    chunk_object: str

    def __init__(
        self, model: str, prompt_tokens: int, references: Sequence[Object], logprobs: bool
    ) -> None:
        self._references = list(references) or None
        self._with_logprobs = logprobs
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
            if delta.text or (delta.logprobs and self._with_logprobs):
                yield {**head, "choices": [self._piece(delta)]}
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
    def _piece(self, delta: Delta) -> Object:
        """A piece of an answer's text."""

    @abstractmethod
    def _ending(self, index: int, reason: FinishReason) -> Object:
        """The end of an answer, after its text."""


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

    def _piece(self, delta: Delta) -> Object:
        logprobs = self._logprobs(delta.index, delta.logprobs)
        return _text_choice(delta.index, delta.text, None, logprobs)

    def _ending(self, index: int, reason: FinishReason) -> Object:
        return _text_choice(index, "", reason, None)

    def _logprobs(self, index: int, found: Sequence[TokenLogProbability]) -> Object | None:
        """The lists of OpenAI's completions; ``text_offset`` counts characters of the text."""
        if not self._with_logprobs:
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

    def _choice(self, index: int, answer: Answer) -> Object:
        return {
            "index": index,
            "message": {"role": "assistant", "content": answer.text},
            "finish_reason": answer.finish_reason,
            "logprobs": self._logprobs(answer.logprobs),
            "references": self._references,
        }

    def _opening(self, index: int) -> list[Object]:
        return [_chat_chunk(index, {"role": "assistant", "content": ""})]

    def _piece(self, delta: Delta) -> Object:
        logprobs = self._logprobs(delta.logprobs)
        return {**_chat_chunk(delta.index, {"content": delta.text}), "logprobs": logprobs}

    def _ending(self, index: int, reason: FinishReason) -> Object:
        ending = {"finish_reason": reason, "references": self._references}
        return {**_chat_chunk(index, {}), **ending}

    def _logprobs(self, found: Sequence[TokenLogProbability]) -> Object | None:
        if not self._with_logprobs:
            return None
        content = [
            {**_token(token), "top_logprobs": [_token(other) for other in token.top or ()]}
            for token in found
        ]
        return {"content": content, "refusal": None}


def _token(token: TokenLogProbability | LogProbability) -> Object:
    return {"token": token.text, "logprob": token.value, "bytes": list(token.data)}


def _chat_chunk(index: int, delta: Object) -> Object:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
