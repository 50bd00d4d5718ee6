"""The loop: a prompt in, the pieces of its answers out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .answer_text import AnswerText
from .model import Model
from .sampling import Sampler, Sampling

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class AnswerOptions:
    """What an answer shall be like.

    ``n`` answers to each prompt, each of at most ``max_tokens`` tokens (None: up to the end
    of the context), each ending before the first of the ``stop`` strings.
    """

    n: int = 1
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Delta:
    """A piece of answer ``index``: ``text`` made of so many ``tokens``, either may be none.

    The last piece of each answer, and only that, has a ``finish_reason``.
    """

    index: int
    text: str = ""
    tokens: int = 0
    finish_reason: FinishReason | None = None


def answers(
    model: Model,
    prompt: list[int],
    options: AnswerOptions,
    check: Callable[[], None],
    first_index: int = 0,
) -> Iterator[Delta]:
    """The ``options.n`` answers to ``prompt``, one after the other, counted from ``first_index``.

    ``prompt`` comes from one of the model's prompt methods. ``check`` is called before every
    evaluation and may raise to stop.
    """
    cache = model.cache
    cache.prefill(prompt, exact=options.sampling.repeatable, check=check)
    logits = model.logits.copy() if options.n > 1 else model.logits
    for index in range(first_index, first_index + options.n):
        cache.rewind(len(prompt))
        # Prompts of one request get the draws that each of them would get alone.
        sampler = Sampler(options.sampling, index - first_index)
        yield from _answer(model, logits, index, sampler, options, check)


def _answer(
    model: Model,
    logits: NDArray[np.float32],
    index: int,
    sampler: Sampler,
    options: AnswerOptions,
    check: Callable[[], None],
) -> Iterator[Delta]:
    text = AnswerText(options.stop)
    room = model.context_length - len(model.cache)
    limit = room if options.max_tokens is None else min(room, options.max_tokens)
    for count in range(1, limit + 1):
        token = sampler.sample(logits)
        if token in model.end_tokens:
            yield Delta(index, text.finish(), finish_reason="stop")
            return
        shown = text.add(model.vocabulary.token_bytes(token))
        if text.stopped:
            yield Delta(index, shown, tokens=1, finish_reason="stop")
            return
        if count == limit:
            yield Delta(index, shown + text.finish(), tokens=1, finish_reason="length")
            return
        # The token's text leaves before the next one is worked on.
        yield Delta(index, shown, tokens=1)
        check()
        model.cache.append(token)
        logits = model.logits
