"""What the engine has already evaluated, and how much of it the next prompt can use.

The same tokens evaluated in other pieces give other logits: in the attention's sum over
the context, ctransformers treats the last ``length % 32`` positions differently. Pieces
that end at multiples of 32 agree to the bit, whatever their size. So a part of the cache
counts as exact while it was evaluated from the start in such pieces; generated tokens,
evaluated one by one, are not exact.
"""

from collections.abc import Callable, Sequence

from .engine import Engine

PIECE = 32
"""Tokens evaluated at once: larger pieces are no faster, and a piece cannot be interrupted."""


class KVCache:
    """The tokens in the engine's KV cache."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tokens: list[int] = []
        self._exact = 0  # so many tokens, a multiple of PIECE, were evaluated in whole pieces

    def __len__(self) -> int:
        return len(self._tokens)

    def prefill(self, prompt: Sequence[int], *, exact: bool, check: Callable[[], None]) -> None:
        """Evaluates what of ``prompt`` (at least one token) is new.

        With ``exact`` the logits do not depend on what was evaluated before. ``check`` is
        called before each piece and may raise to stop; what was evaluated stays usable.
        """
        reused = self._common_prefix(prompt)
        if exact:
            reused = min(reused, self._exact) // PIECE * PIECE
        self.rewind(reused)
        while (start := len(self)) < len(prompt):
            check()
            end = min(len(prompt), (start // PIECE + 1) * PIECE)
            self._evaluate(list(prompt[start:end]))
            if self._exact == start and end % PIECE == 0:
                self._exact = end

    def append(self, token: int) -> None:
        """Evaluates one generated token."""
        self._evaluate([token])

    def rewind(self, length: int) -> None:
        """Forgets all but the first ``length`` tokens."""
        del self._tokens[length:]
        self._exact = min(self._exact, length // PIECE * PIECE)

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
