"""The log-probabilities of tokens as the model gives them, before any bias, penalty or filter."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..pieces import LogProbability, TokenLogProbability
from .tokenizer import Tokenizer


def log_probability(
    tokenizer: Tokenizer, token: int, logits: NDArray[np.float32] | None, top: int, offset: int
) -> TokenLogProbability:
    """What ``logits`` (float32 [vocab_size], None before the first token) say about ``token``.

    Includes the ``top`` most likely tokens at its place.
    """
    data = tokenizer.written_bytes(token)
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
            LogProbability(tokenizer.written_bytes(int(i)), float(logits[i]) - total)
            for i in likely
        ),
        offset,
    )


def offsets(tokenizer: Tokenizer, tokens: Sequence[int], text: str) -> Iterator[int]:
    """Where each of the ``tokens`` of ``text`` begins in it, in characters.

    What `Tokenizer.encode` added (BOS, EOS, SentencePiece's space) is not in the text. Bytes
    without a token are in the text, but in no token.
    """
    pieces = [tokenizer.written_bytes(token) for token in tokens]
    bos, data, added, place = tokenizer.facts.bos, text.encode(), b"", 0
    if tokens and tokens[0] == bos and not data.startswith(pieces[0]):
        pieces[0] = b""
    if tokenizer.facts.space_prefix and next(filter(None, pieces), b"").startswith(b" "):
        added = b" "
        data = added + data
    for piece in pieces:
        if tokenizer.facts.space_prefix and not data.startswith(piece, place):
            piece = piece.removeprefix(b" ")  # encode adds one after special tokens too
        found = data.find(piece, place)
        if found >= 0:
            place = found
        yield max(0, len(data[:place].decode(errors="ignore")) - len(added))
        if found >= 0:
            place += len(piece)
