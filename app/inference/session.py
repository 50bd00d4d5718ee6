"""What the engine has evaluated already, and how much of it the next prompt can use.

The same tokens evaluated in other pieces give other logits, but those pieces agree that end at
multiples of the engine's ``piece``. So a part of the KV cache counts as exact while it was
evaluated from the start in such pieces; generated tokens, evaluated one by one, are not exact.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..engines.base import Engine


class Session:
    """The tokens in an engine's KV cache, and the logits after the last one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tokens: list[int] = []
        self._exact = 0  # so many tokens, a multiple of the piece, were evaluated in whole pieces

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
        return self._engine.logits

    def prefill(self, prompt: Sequence[int], *, exact: bool, check: Callable[[], None]) -> int:
        """Evaluates what of ``prompt`` (at least one token) is new.

        Returns how many tokens are not. With ``exact`` the logits do not depend on what was
        evaluated before. ``check`` is called before each piece and may raise to stop; what was
        evaluated stays usable.
        """
        piece = self._engine.piece
        reused = self._common_prefix(prompt)
        if exact:
            reused = min(reused, self._exact) // piece * piece
        self.rewind(reused)
        while (start := len(self)) < len(prompt):
            check()
            end = min(len(prompt), (start // piece + 1) * piece)
            self._evaluate(list(prompt[start:end]))
            if self._exact == start and end % piece == 0:
                self._exact = end
        return reused

    def append(self, token: int) -> None:
        """Evaluates one generated token."""
        self._evaluate([token])

    def rewind(self, length: int) -> None:
        """Forgets all but the first ``length`` tokens.

        What the engine forgets beside them, because it cannot go back to any place, is evaluated
        again.
        """
        kept = self._engine.truncate(length)
        again = self._tokens[kept:length]
        del self._tokens[kept:]
        self._exact = min(self._exact, kept // self._engine.piece * self._engine.piece)
        if again:
            self._evaluate(again)

    def _evaluate(self, tokens: list[int]) -> None:
        self._engine.evaluate(tokens, position=len(self))
        self._tokens += tokens

    def _common_prefix(self, prompt: Sequence[int]) -> int:
        # The last token is always evaluated: the cache holds no logits.
        limit = min(len(prompt) - 1, len(self))
        for i in range(limit):
            if prompt[i] != self._tokens[i]:
                return i
        return limit
