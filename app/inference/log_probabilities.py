"""The log-probabilities of tokens, as the model sees them: before any bias, penalty or filter."""

from collections.abc import Iterator, Sequence
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
        """The token as text; what of it is not a whole character is U+FFFD."""
        return self.data.decode(errors="replace")

    @property
    def name(self) -> str:
        r"""The token as text or, if that is not whole, as OpenAI writes it: ``bytes:\xf0\x9f``."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return "bytes:" + repr(self.data)[2:-1]


@dataclass(frozen=True)
class TokenLogProbability(LogProbability):
    """A token of a text, and the most likely ones at its place, most likely first.

    ``top`` is None where ``value`` is. ``offset`` characters of the text are before the token, or
    before the character of which it is a part.
    """

    top: tuple[LogProbability, ...] | None
    offset: int


def log_probability(
    vocabulary: Vocabulary, token: int, logits: NDArray[np.float32] | None, top: int, offset: int
) -> TokenLogProbability:
    """What ``logits`` (float32 [vocab_size], None before the first token) say of ``token``.

    With the ``top`` most likely tokens at its place.
    """
    data = vocabulary.written_bytes(token)
    if logits is None:
        return TokenLogProbability(data, None, None, offset)
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
        offset,
    )


def offsets(vocabulary: Vocabulary, tokens: Sequence[int], text: str) -> Iterator[int]:
    """Where in ``text`` each of its ``tokens`` begins, in characters.

    What `Vocabulary.encode` added (BOS, EOS, SentencePiece's space) is not in the text, and bytes
    for which there is no token are in no token.
    """
    pieces = [vocabulary.written_bytes(token) for token in tokens]
    bos, data, added, place = vocabulary.facts.bos, text.encode(), b"", 0
    if tokens and tokens[0] == bos and not data.startswith(pieces[0]):
        pieces[0] = b""
    if vocabulary.facts.space_prefix and next(filter(None, pieces), b"").startswith(b" "):
        added = b" "
        data = added + data
    for piece in pieces:
        if vocabulary.facts.space_prefix and not data.startswith(piece, place):
            piece = piece.removeprefix(b" ")  # encode adds one behind special tokens too
        found = data.find(piece, place)
        if found >= 0:
            place = found
        yield max(0, len(data[:place].decode(errors="ignore")) - len(added))
        if found >= 0:
            place += len(piece)
