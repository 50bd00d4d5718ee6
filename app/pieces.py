"""What comes back from a model: pieces of answers, which leave the model process as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Begun:
    """A job is accepted.

    ``prompt_tokens`` counts those of all prompts; ``context`` is the place of the conversation's
    context that fitted, or None without one.
    """

    prompt_tokens: int
    context: int | None = None


@dataclass(frozen=True)
class CallPiece:
    """A piece of the ``number``-th call: its beginning, with ``id`` and ``name``, or arguments."""

    number: int
    id: str = ""
    name: str = ""
    arguments: str = ""


Piece = str | CallPiece


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


@dataclass(frozen=True)
class Delta:
    """What is new of answer ``index``: ``pieces`` of text and calls, so many ``tokens``.

    Either may be none. ``logprobs`` are those of the tokens that the pieces begin to show.
    ``cached`` counts the prompt's tokens that did not have to be evaluated. The last delta of each
    answer, and only that, has a ``finish_reason``.
    """

    index: int
    pieces: Sequence[Piece] = ()
    tokens: int = 0
    logprobs: tuple[TokenLogProbability, ...] = ()
    cached: int = 0
    finish_reason: FinishReason | None = None
