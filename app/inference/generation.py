"""The loop: a prompt in, the pieces of its answers out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..jobs import Calling, Options
from ..pieces import Delta, FinishReason, TokenLogProbability
from .calls import CallFinder
from .detokenizer import Detokenizer
from .log_probabilities import log_probability, offsets
from .model import Model
from .sampling import Sampler

if TYPE_CHECKING:
    from .constraint import Constraint
    from .grammar import GrammarSource

Check = Callable[[], None]


def generate(
    model: Model,
    prompt: list[int],
    options: Options,
    check: Check,
    *,
    grammar: "GrammarSource | None" = None,
    first_index: int = 0,
    echo: str | None = None,
) -> Iterator[Delta]:
    """The ``options.n`` answers to ``prompt``, counted from ``first_index``.

    ``prompt`` comes from one of the model's prompt methods; ``echo`` is its text if the answers
    shall begin with it. ``grammar`` is the source of that of ``options``. ``check`` is called
    before every evaluation and may raise to stop.
    """
    if options.best_of > options.n:
        return _best(model, prompt, options, check, grammar, first_index, echo)
    return _answers(model, prompt, options, check, grammar, first_index, echo)


def _answers(
    model: Model,
    prompt: list[int],
    options: Options,
    check: Check,
    grammar: "GrammarSource | None",
    first_index: int,
    echo: str | None,
) -> Iterator[Delta]:
    """One answer after the other."""
    session = model.session
    echoed: tuple[TokenLogProbability, ...] = ()
    cached = 0
    if echo is not None and options.top_logprobs is not None:
        echoed = tuple(_prompt_logprobs(model, prompt, echo, options.top_logprobs, check))
    else:
        cached = session.prefill(prompt, exact=options.sampling.repeatable, check=check)
    if cached:
        yield Delta(first_index, cached=cached)
    logits = session.logits.copy() if options.n > 1 else session.logits
    for index in range(first_index, first_index + options.n):
        session.rewind(len(prompt))
        if echo is not None:
            yield Delta(index, [echo] if echo else [], logprobs=echoed)
        # Prompts of one request get the draws that each of them would get alone.
        sampler = Sampler(options.sampling, index - first_index)
        constraint = model.constraint(grammar) if grammar is not None else None
        yield from _answer(model, logits, index, sampler, constraint, options, check, echo)


def _best(
    model: Model,
    prompt: list[int],
    options: Options,
    check: Check,
    grammar: "GrammarSource | None",
    first_index: int,
    echo: str | None,
) -> Iterator[Delta]:
    """Of ``best_of`` answers the ``n`` whose tokens are the most likely, best first.

    As OpenAI's ``best_of``: the highest mean log-probability counts. All tokens count as
    generated.
    """
    all_options = replace(options, n=options.best_of, top_logprobs=options.top_logprobs or 0)
    found: dict[int, list[Delta]] = {}
    for delta in _answers(model, prompt, all_options, check, grammar, 0, echo):
        found.setdefault(delta.index, []).append(delta)

    def mean(deltas: list[Delta]) -> float:
        # The tokens of an echo are not generated, and come without being counted.
        generated = (p for d in deltas if d.tokens or d.finish_reason for p in d.logprobs)
        values = [p.value for p in generated if p.value is not None]
        return sum(values) / len(values) if values else 0.0

    ranked = sorted(found.values(), key=mean, reverse=True)
    left_out = [delta for deltas in ranked[options.n :] for delta in deltas]
    tokens, cached = (sum(getattr(d, name) for d in left_out) for name in ("tokens", "cached"))
    yield Delta(first_index, tokens=tokens, cached=cached)
    for index, deltas in enumerate(ranked[: options.n], start=first_index):
        yield from (replace(delta, index=index) for delta in deltas)


def _answer(
    model: Model,
    logits: NDArray[np.float32],
    index: int,
    sampler: Sampler,
    constraint: "Constraint | None",
    options: Options,
    check: Check,
    echo: str | None,
) -> Iterator[Delta]:
    """One answer, which follows the text ``echo`` of its prompt if it is not None."""
    asked = options.grammar
    calls = CallFinder(asked if isinstance(asked, Calling) else None)
    text, said = Detokenizer(options.stop), ""
    known = _Logprobs(model, text, options.top_logprobs, len(echo or ""))
    room = model.session.room
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
            shown = text.add(model.tokenizer.token_bytes(token))
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
            model.session.append(token)
            logits = model.session.logits
            continue
        if reason == "stop" and calls.calls:
            reason = "tool_calls"
        logprobs = known.shown() if text.stopped else known.rest()
        pieces = [*pieces, *calls.finish()]
        yield Delta(index, pieces, int(not is_end), logprobs, finish_reason=reason)
        return


def _without_end(logits: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """``logits`` with minus infinity for the tokens that end an answer, if others are allowed."""
    others = logits.copy()
    others[list(model.end_tokens)] = -np.inf
    return others if np.isfinite(others).any() else logits


def _prompt_logprobs(
    model: Model, prompt: list[int], text: str, top: int, check: Check
) -> Iterator[TokenLogProbability]:
    """Those of the tokens of a prompt, which ``text`` shows.

    The engine has logits only for the last token of a piece.
    """
    model.session.rewind(0)
    for token, offset in zip(prompt, offsets(model.tokenizer, prompt, text), strict=True):
        logits = model.session.logits if len(model.session) else None
        yield log_probability(model.tokenizer, token, logits, top, offset)
        check()
        model.session.append(token)


class _Logprobs:
    """The log-probabilities of an answer's tokens, held back as long as their text is."""

    def __init__(self, model: Model, text: Detokenizer, top: int | None, offset: int) -> None:
        self._tokenizer = model.tokenizer
        self._text = text
        self._top = top
        self._offset = offset
        self._held: list[TokenLogProbability] = []

    def add(self, token: int, logits: NDArray[np.float32]) -> None:
        """A token that is about to be added to the text."""
        if self._top is not None:
            offset = self._offset + self._text.decoded
            found = log_probability(self._tokenizer, token, logits, self._top, offset)
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
