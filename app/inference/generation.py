"""The loop: a prompt in, the pieces of its answers out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .answer_text import AnswerText
from .calls import CallFinder, Piece
from .grammar import GrammarSource
from .log_probabilities import TokenLogProbability, log_probability, offsets
from .model import Model
from .sampling import Sampler, Sampling
from .tools import Tools

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class AnswerOptions:
    """What an answer shall be like.

    ``n`` answers to each prompt, each of at most ``max_tokens`` tokens (None: up to the end
    of the context), each ending before the first of the ``stop`` strings. ``top_logprobs`` asks
    for each token's log-probability, with those of so many most likely ones (None: not at all).
    Before ``min_tokens`` tokens none ends by itself, unless its grammar ends it. ``grammar`` is
    what the answers must keep to, ``tools`` are the functions that they may call.
    """

    n: int = 1
    max_tokens: int | None = None
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    grammar: GrammarSource | None = None
    tools: Tools | None = None
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Delta:
    """What is new of answer ``index``: ``pieces`` of text and calls, so many ``tokens``.

    Either may be none. ``logprobs`` are those of the tokens that the pieces begin to show. The last
    delta of each answer, and only that, has a ``finish_reason``.
    """

    index: int
    pieces: Sequence[Piece] = ()
    tokens: int = 0
    logprobs: tuple[TokenLogProbability, ...] = ()
    finish_reason: FinishReason | None = None


def answers(
    model: Model,
    prompt: list[int],
    options: AnswerOptions,
    check: Callable[[], None],
    first_index: int = 0,
    echo: str | None = None,
) -> Iterator[Delta]:
    """The ``options.n`` answers to ``prompt``, one after the other, counted from ``first_index``.

    ``prompt`` comes from one of the model's prompt methods; ``echo`` is its text if the answers
    shall begin with it. ``check`` is called before every evaluation and may raise to stop.
    """
    cache = model.cache
    echoed: tuple[TokenLogProbability, ...] = ()
    if echo is not None and options.top_logprobs is not None:
        echoed = tuple(_prompt_logprobs(model, prompt, echo, options.top_logprobs, check))
    else:
        cache.prefill(prompt, exact=options.sampling.repeatable, check=check)
    logits = model.logits.copy() if options.n > 1 else model.logits
    for index in range(first_index, first_index + options.n):
        cache.rewind(len(prompt))
        if echo is not None:
            yield Delta(index, [echo] if echo else [], logprobs=echoed)
        # Prompts of one request get the draws that each of them would get alone.
        sampler = Sampler(options.sampling, index - first_index)
        yield from _answer(model, logits, index, sampler, options, check, echo)


def best_answers(
    model: Model,
    prompt: list[int],
    options: AnswerOptions,
    check: Callable[[], None],
    first_index: int,
    echo: str | None,
    best_of: int,
) -> Iterator[Delta]:
    """Of ``best_of`` answers the ``options.n`` whose tokens are the most likely, best first.

    As OpenAI's ``best_of``: the highest mean log-probability counts. All tokens count as
    generated.
    """
    all_options = replace(options, n=best_of, top_logprobs=options.top_logprobs or 0)
    found: dict[int, list[Delta]] = {}
    for delta in answers(model, prompt, all_options, check, 0, echo):
        found.setdefault(delta.index, []).append(delta)

    def mean(deltas: list[Delta]) -> float:
        generated = deltas if echo is None else deltas[1:]
        values = [p.value for d in generated for p in d.logprobs if p.value is not None]
        return sum(values) / len(values) if values else 0.0

    ranked = sorted(found.values(), key=mean, reverse=True)
    left_out = sum(delta.tokens for deltas in ranked[options.n :] for delta in deltas)
    for index, deltas in enumerate(ranked[: options.n], start=first_index):
        yield Delta(index, tokens=left_out)
        left_out = 0
        yield from (replace(delta, index=index) for delta in deltas)


def _answer(
    model: Model,
    logits: NDArray[np.float32],
    index: int,
    sampler: Sampler,
    options: AnswerOptions,
    check: Callable[[], None],
    echo: str | None,
) -> Iterator[Delta]:
    """One answer, which follows the text ``echo`` of its prompt if it is not None."""
    text, calls, said = AnswerText(options.stop), CallFinder(options.tools), ""
    constraint = model.constraint(options.grammar) if options.grammar is not None else None
    known = _Logprobs(model, text, options.top_logprobs, len(echo or ""))
    room = model.context_length - len(model.cache)
    limit = room if options.max_tokens is None else min(room, options.max_tokens)
    if limit == 0:
        yield Delta(index, finish_reason="length")
    for count in range(1, limit + 1):
        allowed = constraint.masked(logits) if constraint else logits
        if count <= options.min_tokens:
            allowed = _without_end(allowed, model)
        token = sampler.sample(allowed)
        is_end = token in model.end_tokens
        reason: FinishReason | None = "stop" if is_end else None
        shown = ""
        if not is_end or echo is not None:
            # Behind an echo OpenAI shows the token that ends the answer too: lm-eval counts on it.
            known.add(token, logits)
        if not is_end:
            shown = text.add(model.vocabulary.token_bytes(token))
            said += shown
            if constraint is not None:
                constraint.accept(token)
            if text.stopped:
                whole = constraint is None or constraint.completed_by(said)
                reason = "stop" if whole else "length"
            elif constraint is not None and constraint.finished:
                reason = "stop"
            elif count == limit:
                reason = "length"
        pieces = calls.feed(shown + text.finish() if reason else shown)
        if calls.repeated:
            reason = "stop"
        if reason is None:
            # The token's text leaves before the next one is worked on.
            yield Delta(index, pieces, 1, known.shown())
            check()
            model.cache.append(token)
            logits = model.logits
            continue
        if reason == "stop" and calls.calls:
            reason = "tool_calls"
        logprobs = known.shown() if text.stopped else known.rest()
        yield Delta(index, [*pieces, *calls.finish()], int(not is_end), logprobs, reason)
        return


def _without_end(logits: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """``logits`` with minus infinity for the tokens that end an answer, if others are allowed."""
    others = logits.copy()
    others[list(model.end_tokens)] = -np.inf
    return others if np.isfinite(others).any() else logits


def _prompt_logprobs(
    model: Model, prompt: list[int], text: str, top: int, check: Callable[[], None]
) -> Iterator[TokenLogProbability]:
    """Those of the tokens of a prompt, which ``text`` shows.

    The engine has logits only for the last token of a piece.
    """
    model.cache.rewind(0)
    for token, offset in zip(prompt, offsets(model.vocabulary, prompt, text), strict=True):
        logits = model.logits if len(model.cache) else None
        yield log_probability(model.vocabulary, token, logits, top, offset)
        check()
        model.cache.append(token)


class _Logprobs:
    """The log-probabilities of an answer's tokens, held back as long as their text is."""

    def __init__(self, model: Model, text: AnswerText, top: int | None, offset: int) -> None:
        self._vocabulary = model.vocabulary
        self._text = text
        self._top = top
        self._offset = offset
        self._held: list[TokenLogProbability] = []

    def add(self, token: int, logits: NDArray[np.float32]) -> None:
        """A token that is about to be added to the text."""
        if self._top is not None:
            offset = self._offset + self._text.decoded
            found = log_probability(self._vocabulary, token, logits, self._top, offset)
            self._held.append(found)

    def shown(self) -> tuple[TokenLogProbability, ...]:
        """Those of the tokens whose text has begun to be released."""
        released = self._offset + self._text.released
        return self._take(sum(token.offset < released for token in self._held))

    def rest(self) -> tuple[TokenLogProbability, ...]:
        """All that are left, at the end of the answer."""
        return self._take(len(self._held))

    def _take(self, count: int) -> tuple[TokenLogProbability, ...]:
        taken, self._held = self._held[:count], self._held[count:]
        return tuple(taken)
