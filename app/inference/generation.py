"""The loop: a prompt in, the pieces of its answers out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .answer_text import AnswerText
from .log_probabilities import TokenLogProbability, log_probability
from .model import Model
from .sampling import Sampler, Sampling

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class AnswerOptions:
    """What an answer shall be like.

    ``n`` answers to each prompt, each of at most ``max_tokens`` tokens (None: up to the end
    of the context), each ending before the first of the ``stop`` strings. ``top_logprobs`` asks
    for each token's log-probability, with those of so many most likely ones (None: not at all).
    ``grammar`` is what the answer must keep to, see `constraint`.
    """

    n: int = 1
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    grammar: str | None = None
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Delta:
    """A piece of answer ``index``: ``text`` made of so many ``tokens``, either may be none.

    ``logprobs`` are those of the tokens that ``text`` begins to show. The last piece of each
    answer, and only that, has a ``finish_reason``.
    """

    index: int
    text: str = ""
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
        echoed = tuple(_prompt_logprobs(model, prompt, options.top_logprobs, check))
    else:
        cache.prefill(prompt, exact=options.sampling.repeatable, check=check)
    logits = model.logits.copy() if options.n > 1 else model.logits
    for index in range(first_index, first_index + options.n):
        cache.rewind(len(prompt))
        if echo is not None:
            yield Delta(index, echo, logprobs=echoed)
        # Prompts of one request get the draws that each of them would get alone.
        sampler = Sampler(options.sampling, index - first_index)
        yield from _answer(model, logits, index, sampler, options, check)


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
        values = [p.value for d in deltas if d.tokens for p in d.logprobs if p.value is not None]
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
) -> Iterator[Delta]:
    text = AnswerText(options.stop)
    constraint = model.constraint(options.grammar) if options.grammar is not None else None
    known = _Logprobs(model, text, options.top_logprobs)
    room = model.context_length - len(model.cache)
    limit = room if options.max_tokens is None else min(room, options.max_tokens)
    if limit == 0:
        yield Delta(index, finish_reason="length")
    for count in range(1, limit + 1):
        token = sampler.sample(constraint.masked(logits) if constraint else logits)
        if token in model.end_tokens:
            yield Delta(index, text.finish(), 0, known.rest(), "stop")
            return
        known.add(token, logits)
        shown = text.add(model.vocabulary.token_bytes(token))
        if text.stopped:
            yield Delta(index, shown, 1, known.shown(), "stop")
            return
        if constraint is not None:
            constraint.accept(token)
            if constraint.finished:
                yield Delta(index, shown + text.finish(), 1, known.rest(), "stop")
                return
        if count == limit:
            yield Delta(index, shown + text.finish(), 1, known.rest(), "length")
            return
        # The token's text leaves before the next one is worked on.
        yield Delta(index, shown, 1, known.shown())
        check()
        model.cache.append(token)
        logits = model.logits


def _prompt_logprobs(
    model: Model, prompt: list[int], top: int, check: Callable[[], None]
) -> Iterator[TokenLogProbability]:
    """Those of the prompt's tokens. The engine has logits only for the last token of a piece."""
    model.cache.rewind(0)
    for place, token in enumerate(prompt):
        logits = model.logits if place else None
        yield log_probability(model.vocabulary, token, logits, top)
        check()
        model.cache.append(token)


class _Logprobs:
    """The log-probabilities of an answer's tokens, held back as long as their text is."""

    def __init__(self, model: Model, text: AnswerText, top: int | None) -> None:
        self._vocabulary = model.vocabulary
        self._text = text
        self._top = top
        self._held: list[tuple[int, TokenLogProbability]] = []

    def add(self, token: int, logits: NDArray[np.float32]) -> None:
        """A token that is about to be added to the text."""
        if self._top is not None:
            found = log_probability(self._vocabulary, token, logits, self._top)
            self._held.append((self._text.decoded, found))

    def shown(self) -> tuple[TokenLogProbability, ...]:
        """Those of the tokens whose text has begun to be released."""
        count = sum(start < self._text.released for start, _ in self._held)
        return self._take(count)

    def rest(self) -> tuple[TokenLogProbability, ...]:
        """All that are left, at the end of the answer."""
        return self._take(len(self._held))

    def _take(self, count: int) -> tuple[TokenLogProbability, ...]:
        taken, self._held = self._held[:count], self._held[count:]
        return tuple(found for _, found in taken)
