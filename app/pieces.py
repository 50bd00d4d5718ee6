"""Pieces of answers: what a model returns. They leave the model process as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Begun:
    """A job was accepted.

    ``context`` is the index of the conversation's context that fitted, or None. ``id`` is the
    answer's, if an upstream has given it one.
    """

    context: int | None = None
    id: str = ""


@dataclass(frozen=True)
class CallPiece:
    """A piece of call ``number``: its beginning, with ``id`` and ``name``, or arguments."""

    number: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True)
class Thought:
    """A piece of what the model thinks before it answers."""

    text: str


Piece = str | CallPiece | Thought


@dataclass(frozen=True)
class LogProbability:
    """A token's bytes, and the natural logarithm of its probability.

    ``value`` is None for the first token of a prompt, which nothing predicts.
    """

    data: bytes
    value: float | None

    @property
    def text(self) -> str:
        """The token as text, with U+FFFD for incomplete characters."""
        return self.data.decode(errors="replace")

    @property
    def name(self) -> str:
        r"""The token as text. With incomplete characters, OpenAI's form: ``bytes:\xf0\x9f``."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return "bytes:" + repr(self.data)[2:-1]


@dataclass(frozen=True)
class TokenLogProbability(LogProbability):
    """A token of a text, with the most likely tokens at its place, most likely first.

    ``top`` is None if ``value`` is. ``offset`` is the number of characters before the token, or
    before the character that it is part of.
    """

    top: tuple[LogProbability, ...] | None
    offset: int


@dataclass(frozen=True)
class Delta:
    """What is new in answer ``index``: ``pieces`` of text and calls, and the number of ``tokens``.

    There may be no pieces, or no tokens. ``reasoning_tokens`` are those of them that are part of a
    thought. ``logprobs`` are those of the tokens that begin in the pieces. ``prompt_tokens`` are
    those of a prompt that has just been evaluated, and ``cached`` those of them that did not have
    to be. One delta of an answer has a ``finish_reason``. Only one that counts may follow it.
    """

    index: int
    pieces: Sequence[Piece] = ()
    tokens: int = 0
    reasoning_tokens: int = 0
    logprobs: tuple[TokenLogProbability, ...] = ()
    prompt_tokens: int = 0
    cached: int = 0
    finish_reason: FinishReason | None = None


def text_of(pieces: Iterable[Piece]) -> str:
    """The text of the answer itself among the pieces."""
    return "".join(piece for piece in pieces if isinstance(piece, str))
