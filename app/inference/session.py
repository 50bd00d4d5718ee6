"""What the engine has evaluated already, and how much of it the next prompt can use.

The same tokens evaluated in other pieces give other logits, but those pieces agree that end at
multiples of the engine's ``piece``. So a part of the KV cache counts as exact while it was
evaluated from the start in such pieces; generated tokens, evaluated one by one, are not exact.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engines.base import Engine
from ..exceptions import ModelError

_log = logging.getLogger(__name__)


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the longest beginning that two sequences of tokens have in common."""
    # numpy has no short cut for the first difference, but is still the faster one.
    length = min(len(one), len(other))
    differ = np.array(one[:length]) != np.array(other[:length])
    return int(differ.argmax()) if differ.any() else length


@dataclass(frozen=True)
class _Prompt:
    """The prompt that was evaluated last: its ``length``, and the ``logits`` after it.

    They are kept so that the same prompt need not be evaluated at all. ``exact`` says whether they
    would be the same whatever was evaluated before.
    """

    length: int
    logits: NDArray[np.float32]
    exact: bool


class Session:
    """The tokens in an engine's KV cache, and the logits after the last one."""

    def __init__(self, engine: Engine) -> None:
        self.lasting: int | None = None  # no later prompt has more of the tokens; None: any may
        self._engine = engine
        self._tokens: list[int] = []
        self._exact = 0  # so many tokens, a multiple of the piece, were evaluated in whole pieces
        self._prompt: _Prompt | None = None

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def context_length(self) -> int:
        """How many tokens there can be."""
        return self._engine.context_length

    @property
    def room(self) -> int:
        """How many more tokens there can be."""
        return self.context_length - len(self)

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits after the last token, see `Engine.logits`."""
        if self._prompt is not None and self._prompt.length == len(self):
            return self._prompt.logits
        return self._engine.logits

    def common(self, prompt: Sequence[int]) -> int:
        """How many tokens at its beginning the session has in common with a prompt."""
        return common_length(prompt, self._tokens)

    def gain(self, prompt: Sequence[int]) -> int:
        """How many tokens of a prompt are kept, less those that other prompts would miss."""
        common = self.common(prompt)
        worth = len(self) if self.lasting is None else min(len(self), self.lasting)
        return common - max(0, worth - common)

    def prefill(self, prompt: Sequence[int], *, exact: bool, check: Callable[[], None]) -> int:
        """Evaluates what of ``prompt`` (at least one token) is new.

        Returns how many tokens are not. With ``exact`` the logits do not depend on what was
        evaluated before. ``check`` is called before each piece and may raise to stop; what was
        evaluated stays usable.
        """
        piece = self._engine.piece
        reused = self.common(prompt)
        known = self._prompt
        if known is not None and known.length == reused == len(prompt) and known.exact >= exact:
            self.rewind(reused)
            return reused
        # The last token is evaluated again: the cache holds no logits.
        reused = min(reused, len(prompt) - 1)
        if exact:
            reused = min(reused, self._exact) // piece * piece
        self.rewind(reused)
        while (start := len(self)) < len(prompt):
            check()
            end = min(len(prompt), (start // piece + 1) * piece)
            self._evaluate(list(prompt[start:end]))
            if self._exact == start and end % piece == 0:
                self._exact = end
        self.keep_logits(exact)
        return reused

    def keep_logits(self, exact: bool = False) -> None:
        """Keeps the logits after the tokens so far, which are a prompt: going back gives them."""
        self._prompt = _Prompt(len(self), self._engine.logits.copy(), exact)

    def extend(self, tokens: list[int]) -> None:
        """Evaluates generated tokens, together as far as that is faster."""
        piece = self._engine.piece
        for start in range(0, len(tokens), piece):
            self._evaluate(tokens[start : start + piece])

    def extend_each(
        self, tokens: Sequence[int], check: Callable[[], None]
    ) -> Iterator[NDArray[np.float32]]:
        """Evaluates tokens, and yields the logits after each. ``check`` may raise to stop."""
        check()
        evaluated = self._engine.evaluate_each(list(tokens), len(self))
        for token, logits in zip(tokens, evaluated, strict=True):
            self._tokens.append(token)
            yield logits
            check()

    def rewind(self, length: int) -> None:
        """Forgets all but the first ``length`` tokens.

        An engine that cannot go back to any place forgets more of them. These are evaluated again.
        """
        if self._prompt is not None and self._prompt.length > length:
            self._prompt = None
        kept = self._engine.truncate(length)
        again = self._tokens[kept:length]
        del self._tokens[kept:]
        self._exact = min(self._exact, kept // self._engine.piece * self._engine.piece)
        if again:
            self._prompt = None
            self._evaluate(again)

    def _evaluate(self, tokens: list[int]) -> None:
        self._engine.evaluate(tokens, position=len(self))
        self._tokens += tokens


class Sessions:
    """Up to ``slots`` sessions, each with the KV cache of an engine of its own.

    ``open_engine`` is `LoadedModel.open`.
    """

    def __init__(self, open_engine: Callable[[], Engine], slots: int) -> None:
        self._open_engine = open_engine
        self._slots = slots
        self._engines = [open_engine()]
        self._sessions = [Session(self._engines[0])]  # the one used last is the last

    def latest(self) -> Session:
        """The one used last."""
        return self._sessions[-1]

    def choose(self, prompt: Sequence[int], lasting: int | None = None) -> Session:
        """The session in which ``prompt`` shall be evaluated.

        That where the most is kept, less what is lost: of several conversations with the same
        beginning, the one that has the least behind it. If more would be lost than is kept, it is
        somebody else's. In that case an unused one, or that not used for longest.

        ``lasting`` is how many tokens of the prompt a later one may begin with, if not all.
        """
        best = max(self._sessions, key=lambda session: session.gain(prompt))
        if best.gain(prompt) < 0 and best.common(prompt) < len(prompt) - 1:
            best = self._other()
        best.lasting = lasting
        self._sessions.remove(best)
        self._sessions.append(best)
        return best

    def close(self) -> None:
        """Frees the memory of all."""
        for engine in self._engines:
            engine.close()

    def _other(self) -> Session:
        if len(self._sessions) < self._slots:
            try:
                self._engines.append(self._open_engine())
            except ModelError as error:
                self._slots = len(self._sessions)
                _log.warning("There is memory for only %d KV caches: %s", self._slots, error)
            else:
                self._sessions.insert(0, Session(self._engines[-1]))
        return self._sessions[0]
