"""The loop: a prompt in, the pieces of its answers out."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..jobs import Calling, Options
from ..pieces import Delta, FinishReason, Piece, TokenLogProbability, text_of
from .calls import CallFinder
from .detokenizer import Detokenizer
from .log_probabilities import log_probability, offsets
from .model import Model
from .sampling import Sampler
from .thoughts import AfterThought, State

if TYPE_CHECKING:
    from .constraint import Constraint
    from .grammar import GrammarSource

Check = Callable[[], None]


@dataclass(frozen=True)
class Generation:
    """The ``options.n`` answers to a prompt, counted from ``first_index``: an iterable of deltas.

    ``prompt`` comes from one of the model's prompt methods; ``echo`` is its text if the answers
    shall begin with it. ``grammar`` is the source of that of ``options``. ``check`` is called
    before every evaluation and may raise to stop.
    """

    model: Model
    prompt: list[int]
    options: Options
    check: Check
    grammar: "GrammarSource | None" = None
    first_index: int = 0
    echo: str | None = None

    def __iter__(self) -> Iterator[Delta]:
        if self.options.best_of > self.options.n:
            return self._best()
        return self._one_by_one()

    def _one_by_one(self) -> Iterator[Delta]:
        session, top = self.model.session, self.options.top_logprobs
        echoed: tuple[TokenLogProbability, ...] = ()
        cached = 0
        if self.echo is not None and top is not None:
            echoed = tuple(self._echoed(self.echo, top))
            session.keep_logits()
        else:
            exact = self.options.sampling.repeatable
            cached = session.prefill(self.prompt, exact=exact, check=self.check)
        yield Delta(self.first_index, prompt_tokens=len(self.prompt), cached=cached)
        for number in range(self.options.n):
            session.rewind(len(self.prompt))
            if self.echo is not None:
                pieces = [self.echo] if self.echo else []
                yield Delta(self.first_index + number, pieces, logprobs=echoed)
            yield from self._answer(number)

    def _best(self) -> Iterator[Delta]:
        """Of ``best_of`` answers the ``n`` whose tokens are the most likely, best first.

        As OpenAI's ``best_of``: the highest mean log-probability counts. All tokens count as
        generated.
        """
        n, top = self.options.n, self.options.top_logprobs or 0
        options = replace(self.options, n=self.options.best_of, best_of=1, top_logprobs=top)
        found: dict[int, list[Delta]] = {}
        for delta in replace(self, options=options, first_index=0):
            found.setdefault(delta.index, []).append(delta)

        def mean(deltas: list[Delta]) -> float:
            # The tokens of an echo are not generated, and come without being counted.
            generated = (p for d in deltas if d.tokens or d.finish_reason for p in d.logprobs)
            values = [p.value for p in generated if p.value is not None]
            return sum(values) / len(values) if values else 0.0

        ranked = sorted(found.values(), key=mean, reverse=True)
        left_out = [delta for deltas in ranked[n:] for delta in deltas]
        counts = ("tokens", "prompt_tokens", "cached")
        sums = {name: sum(getattr(delta, name) for delta in left_out) for name in counts}
        yield Delta(self.first_index, **sums)
        for index, deltas in enumerate(ranked[:n], start=self.first_index):
            yield from (replace(delta, index=index) for delta in deltas)

    def _answer(self, number: int) -> Iterator[Delta]:
        """The ``number``-th answer, which follows the prompt."""
        model, options, index = self.model, self.options, self.first_index + number
        asked = options.grammar
        calls = CallFinder(asked if isinstance(asked, Calling) else None, model.call_form)
        thoughts = model.thought_finder(self.prompt if options.splits_thoughts else None)
        constraint: Constraint | AfterThought | None = None
        if self.grammar is not None:
            constraint = model.constraint(self.grammar)
            if thoughts.state is not State.ANSWER:
                constraint = AfterThought(constraint, thoughts, model.tokenizer)
        # Prompts of one request get the draws that each of them would get alone.
        sampler = Sampler(options.sampling, number)
        text, said = Detokenizer(options.stop), ""
        known = _Logprobs(model, text, options.top_logprobs, len(self.echo or ""))
        room = model.session.room
        limit = room if options.max_tokens is None else min(room, options.max_tokens)
        if limit == 0:
            yield Delta(index, finish_reason="length")
        # Tokens without a choice need no logits, unless somebody wants to see them.
        forces = options.top_logprobs is None
        forced: deque[int] = deque()
        waiting: list[int] = []  # chosen, and not evaluated yet
        logits = model.session.logits
        for count in range(1, limit + 1):
            if constraint is not None and forces and not forced:
                forced.extend(constraint.forced())
            if forced:
                token = forced.popleft()
                sampler.add(token)
            else:
                if waiting:
                    self.check()
                    model.session.extend(waiting)
                    logits, waiting = model.session.logits, []
                allowed = constraint.masked(logits) if constraint else logits
                # What a grammar holds comes after the thought, so that cannot be all.
                thinks_first = constraint is not None and thoughts.state is State.THOUGHT
                if thinks_first or count <= options.min_tokens:
                    allowed = _without_end(allowed, model)
                token = sampler.sample(allowed)
            is_end = token in model.end_tokens
            reason: FinishReason | None = "stop" if is_end else None
            if not is_end or self.echo is not None:
                # Behind an echo OpenAI shows the token that ends the answer too: lm-eval counts on
                # it.
                known.add(token, logits)
            before = thoughts.state
            found: list[Piece] = []
            if not is_end:
                if constraint is not None:
                    constraint.accept(token)
                data = model.tokenizer.token_bytes(token, thoughts.marks + calls.marks)
                found = thoughts.feed(text.add(data))
                said += text_of(found)
                if text.stopped:
                    whole = constraint is None or constraint.completed_by(said, calls.marks)
                    reason = "stop" if whole else "length"
                elif constraint is not None and constraint.finished:
                    reason = "stop"
                elif count == limit:
                    reason = "length"
            if reason:
                found += [*thoughts.feed(text.finish()), *thoughts.finish()]
            pieces = [p for f in found for p in (calls.feed(f) if isinstance(f, str) else [f])]
            thinking = int(State.THOUGHT in (before, thoughts.state) and not is_end)
            if calls.repeated:
                reason = "stop"
            if reason is None:
                # The token's text leaves before the next one is worked on.
                yield Delta(index, pieces, 1, thinking, known.shown())
                waiting.append(token)
                continue
            if reason == "stop" and calls.calls:
                reason = "tool_calls"
            logprobs = known.shown() if text.stopped else known.rest()
            pieces = [*pieces, *calls.finish()]
            yield Delta(index, pieces, int(not is_end), thinking, logprobs, finish_reason=reason)
            return

    def _echoed(self, text: str, top: int) -> Iterator[TokenLogProbability]:
        """The log-probabilities of the prompt's tokens, which ``text`` shows."""
        session, tokenizer = self.model.session, self.model.tokenizer
        session.rewind(0)
        places = offsets(tokenizer, self.prompt, text)
        before: NDArray[np.float32] | None = None
        evaluated = session.extend_each(self.prompt, self.check)
        for token, offset, after in zip(self.prompt, places, evaluated, strict=True):
            yield log_probability(tokenizer, token, before, top, offset)
            before = after.copy()  # the next evaluation may overwrite it


def _without_end(logits: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """``logits`` with minus infinity for the tokens that end an answer, if others are allowed."""
    others = logits.copy()
    others[list(model.end_tokens)] = -np.inf
    return others if np.isfinite(others).any() else logits


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
