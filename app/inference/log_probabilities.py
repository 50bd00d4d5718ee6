"""The log-probabilities of tokens, as the model sees them: before any bias, penalty or filter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tokenizer import Vocabulary


@dataclass(frozen=True)
class LogProbability:
    """A token's bytes with the natural logarithm of its probability.

    ``value`` is None for the first token of a prompt, which nothing predicts.
    """

    data: bytes
    value: float | None

    @property
    def text(self) -> str:
        """The token as text; what of it is no whole character is U+FFFD."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True)
class TokenLogProbability(LogProbability):
    """A token of a text, and the most likely ones at its place, most likely first.

    ``top`` is None where ``value`` is.
    """

    top: tuple[LogProbability, ...] | None


def log_probability(
    vocabulary: Vocabulary, token: int, logits: NDArray[np.float32] | None, top: int
) -> TokenLogProbability:
    """What ``logits`` (float32 [vocab_size], None before the first token) say of ``token``.

    With the ``top`` most likely tokens at its place.
    """
    data = vocabulary.written_bytes(token)
    if logits is None:
        return TokenLogProbability(data, None, None)
    highest = float(logits.max())
    total = highest + float(np.log(np.exp(logits.astype(np.float64) - highest).sum()))
    likely = np.argpartition(logits, -top)[-top:] if top else np.empty(0, np.intp)
    likely = likely[np.lexsort((likely, -logits[likely]))]
    return TokenLogProbability(
        data,
        float(logits[token]) - total,
        tuple(
            LogProbability(vocabulary.written_bytes(int(i)), float(logits[i]) - total)
            for i in likely
        ),
    )
