"""From the chunks of an upstream's stream to deltas."""

import uuid
from collections.abc import Generator, Iterator, Mapping
from itertools import chain
from typing import Any

from ..exceptions import UpstreamFailed
from ..jobs import Job
from ..pieces import (
    CallPiece,
    Delta,
    FinishReason,
    LogProbability,
    Piece,
    Thought,
    TokenLogProbability,
)
from .refusals import refusal


class Answers:
    """The answers to a job: ``chunks`` as OpenAI's API sends them. ``id`` is the upstream's.

    The first chunk is read at once, so that its errors come now. They must be closed.
    """

    def __init__(self, job: Job, chunks: Generator[Any]) -> None:
        first = next(chunks, None)
        self.close = chunks.close
        self._chunks = chain([first], chunks)
        self.id: str = first.get("id") or "" if isinstance(first, dict) else ""
        top = job.options.top_logprobs
        self._answers = [_Answer(index, top) for index in range(job.answers)]
        # Of each answer by its index, or of all of them by None.
        self._usages: dict[int | None, Mapping[str, Any]] = {}

    def deltas(self) -> Iterator[Delta]:
        """The deltas; the last one only counts tokens.

        Raises `UpstreamFailed` for what is no answer or has no end, and `UpstreamRefused` for an
        error among the chunks.
        """
        try:
            for chunk in self._chunks:
                if isinstance(chunk, dict):  # llama.cpp sends null between two prompts
                    yield from self._read(chunk)
            counts = self._counts()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise UpstreamFailed(f"It sent something unexpected: {error!r}") from error
        if not all(answer.ended for answer in self._answers):
            raise UpstreamFailed("Its answer ended too early.")
        yield counts

    def _read(self, chunk: dict[str, Any]) -> Iterator[Delta]:
        if "error" in chunk:
            raise refusal(chunk)
        choices = chunk.get("choices") or []
        if usage := chunk.get("usage"):
            # llama.cpp counts each answer of a completion by itself.
            self._usages[choices[0]["index"] if choices else None] = usage
        for choice in choices:
            yield self._answers[choice["index"]].delta(choice)

    def _counts(self) -> Delta:
        usages = [self._usages[None]] if None in self._usages else self._usages.values()

        def total(name: str, details: str = "") -> int:
            return sum(((u.get(details) or {}) if details else u).get(name) or 0 for u in usages)

        return Delta(
            0,
            tokens=total("completion_tokens"),
            reasoning_tokens=total("reasoning_tokens", "completion_tokens_details"),
            prompt_tokens=total("prompt_tokens"),
            cached=total("cached_tokens", "prompt_tokens_details"),
        )


class _Answer:
    """One of the answers, as far as it has come. ``top`` is how many likely tokens are wanted."""

    def __init__(self, index: int, top: int | None) -> None:
        self.ended = False
        self._index = index
        self._top = top
        self._calls: list[tuple[int, str]] = []  # how the upstream numbers and names them
        self._characters = 0

    def delta(self, choice: dict[str, Any]) -> Delta:
        said = choice.get("delta") or {}
        pieces: list[Piece] = []
        # vLLM and Ollama have dropped DeepSeek's name for it.
        if thought := said.get("reasoning_content") or said.get("reasoning"):
            pieces.append(Thought(thought))
        if text := said.get("content") or choice.get("text"):
            pieces.append(text)
        pieces += map(self._call, said.get("tool_calls") or ())
        logprobs = self._logprobs(choice.get("logprobs") or {})
        self._characters += len(text or "")
        reason = self._reason(choice.get("finish_reason"))
        return Delta(self._index, pieces, logprobs=logprobs, finish_reason=reason)

    def _call(self, call: dict[str, Any]) -> CallPiece:
        """A piece of a call. Some servers give all calls the same index, others repeat its id."""
        function = call["function"]
        name, arguments = function.get("name"), function.get("arguments") or ""
        place = call.get("index") or 0, call.get("id") or ""
        if name and place not in self._calls:
            self._calls.append(place)
            number = len(self._calls) - 1
            return CallPiece(number, place[1] or f"call_{uuid.uuid4().hex}", name, arguments)
        number = max(n for n, (index, _) in enumerate(self._calls) if index == place[0])
        return CallPiece(number, arguments=arguments)

    def _reason(self, said: str | None) -> FinishReason | None:
        if not said:
            return None
        self.ended = True
        if said == "length":
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _logprobs(self, said: dict[str, Any]) -> tuple[TokenLogProbability, ...]:
        """From the form of chats, which llama.cpp has in completions too, or of completions."""
        if self._top is None:
            return ()
        found, offset = [], self._characters
        for token in said.get("content") or ():
            likely = [LogProbability(*_token(other)) for other in token.get("top_logprobs") or ()]
            top = tuple(likely[: self._top])
            found.append(TokenLogProbability(*_token(token), top, offset))
            offset += len(found[-1].text)
        for name, value, named, place in zip(*(said.get(n) or () for n in _LISTS), strict=True):
            ranked = sorted((named or {}).items(), key=lambda pair: pair[1], reverse=True)
            top = tuple(LogProbability(_data(n), v) for n, v in ranked[: self._top])
            token = _data(name), value, None if named is None else top, place
            found.append(TokenLogProbability(*token))
        return tuple(found)


_LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def _token(said: dict[str, Any]) -> tuple[bytes, float]:
    data = said.get("bytes")
    return bytes(data) if data is not None else said["token"].encode(), said["logprob"]


def _data(name: str) -> bytes:
    """The bytes of a token of that `LogProbability.name`."""
    if not (name.startswith("bytes:") and r"\x" in name):
        return name.encode()
    return name.removeprefix("bytes:").encode().decode("unicode_escape").encode("latin-1")
