"""Finding the calls of functions in the text of an answer, while it comes."""

import json
import re
import uuid
from dataclasses import dataclass

from .inference.answer_text import overlap
from .inference.tools import CALL_BEGIN, CALL_END

_HEAD = re.compile(r'\s*\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_END = "}\n" + CALL_END


@dataclass(frozen=True)
class CallPiece:
    """A piece of the ``number``-th call: its beginning, with ``id`` and ``name``, or arguments."""

    number: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class CallFinder:
    """Takes the text of an answer piece by piece; gives text and calls apart.

    The grammar of `Tools` sees to it that whatever begins a call is one. Unless
    ``calls_expected``, all is text.
    """

    def __init__(self, calls_expected: bool) -> None:
        self.calls = 0
        self._calls_expected = calls_expected
        self._held = ""
        self._inside = self._named = False

    def feed(self, text: str) -> list[str | CallPiece]:
        """What of the answer can be shown now that ``text`` has come."""
        if not self._calls_expected:
            return [text] if text else []
        self._held += text
        pieces: list[str | CallPiece] = []
        while (found := self._step()) is not None:
            pieces += found
        return pieces

    def finish(self) -> list[str | CallPiece]:
        """What is left at the end: a text that only looked like the beginning of a call."""
        text, self._held = self._held, ""
        if not self._inside:
            return self._text(text)
        # The answer was cut in the middle of a call, perhaps of its end.
        text = text[: len(text) - overlap(text, _END)]
        return [CallPiece(self.calls - 1, arguments=text)] if self._named and text else []

    def _step(self) -> list[str | CallPiece] | None:
        """The next pieces; None when more text must come first."""
        if not self._inside:
            before, begin, after = self._held.partition(CALL_BEGIN)
            if begin:
                self._held, self._inside, self._named = after, True, False
                return self._text(before)
            return self._release(overlap(self._held, CALL_BEGIN))
        if not self._named:
            if (head := _HEAD.match(self._held)) is None:
                return None
            self._held, self._named = self._held[head.end() :], True
            self.calls += 1
            id_ = f"call_{uuid.uuid4().hex[:24]}"
            return [CallPiece(self.calls - 1, id_, json.loads(head[1]))]
        arguments, end, after = self._held.partition(_END)
        if end:
            self._held, self._inside = after, False
            return [CallPiece(self.calls - 1, arguments=arguments)]
        return self._release(overlap(self._held, _END))

    def _release(self, kept: int) -> list[str | CallPiece] | None:
        text = self._held[: len(self._held) - kept]
        if not text:
            return None
        self._held = self._held[len(text) :]
        return [CallPiece(self.calls - 1, arguments=text)] if self._inside else self._text(text)

    def _text(self, text: str) -> list[str | CallPiece]:
        # Between and after calls there are only line ends.
        return [text] if text.strip() or (text and not self.calls) else []
