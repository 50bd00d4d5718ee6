"""Finds function calls in the text of an answer while it is generated."""

import json
import re
import uuid

from ..jobs import Calling
from ..pieces import CallPiece, Piece
from .detokenizer import overlap
from .functions import CALL_BEGIN, CALL_END

_HEAD = re.compile(r'\s*\{"name": ("(?:[^"\\]|\\.)*"), "arguments": ')
_END = "}\n" + CALL_END


class CallFinder:
    """Takes the text of an answer piece by piece, and separates text and calls.

    The grammar of ``calling`` ensures that what begins like a call is one, and that only calls
    follow the first one. Without ``calling``, everything is text. A call that says the same as an
    earlier one is not shown. It sets ``repeated``, and the answer should end. ``calls`` counts the
    calls that are shown.
    """

    def __init__(self, calling: Calling | None) -> None:
        self.calls = 0
        self.repeated = False
        self._calling = calling
        self._held = ""
        self._inside = self._named = False
        self._made: list[str] = []  # the text of each complete call
        self._call = ""  # the text of the current one, as far as it is shown

    def feed(self, text: str) -> list[Piece]:
        """Takes ``text``, and returns what can be shown now."""
        if self._calling is None:
            return [text] if text else []
        self._held += text
        pieces: list[Piece] = []
        while (found := self._step()) is not None:
            pieces += found
        return pieces

    def finish(self) -> list[Piece]:
        """What is left at the end, such as text that only looked like the beginning of a call."""
        text, self._held = self._held, ""
        if not self._inside:
            return self._text(text)
        # The answer was cut in the middle of a call, perhaps in the middle of the call's end.
        text = text[: len(text) - overlap(text, _END)]
        return [CallPiece(self.calls - 1, arguments=text)] if self._named and text else []

    def _step(self) -> list[Piece] | None:
        """The next pieces, or None if they need more text."""
        if self._calling is None or self.repeated:
            return None
        if not self._inside:
            before, begin, after = self._held.partition(CALL_BEGIN)
            if begin and (self._calling.may_say_text or self.calls or not before):
                self._held, self._inside, self._named, self._call = after, True, False, ""
                return self._text(before)
            kept = overlap(self._held, CALL_BEGIN)
            if not self._calling.may_say_text and not self.calls and kept < len(self._held):
                self._calling = None  # JSON; what looks like a call is in a string
                text, self._held = self._held, ""
                return [text]
            return self._release(kept)
        if not self._named:
            return self._begin_call()
        arguments, end, after = self._held.partition(_END)
        if end:
            self._held, self._inside = after, False
            self._made.append(self._call + arguments)
            return [CallPiece(self.calls - 1, arguments=arguments)]
        return self._release(overlap(self._held, _END))

    def _begin_call(self) -> list[Piece] | None:
        said, end, _ = self._held.partition(_END)
        if end and said in self._made:
            self.repeated = True
            return None
        unsure = not end and any(f"{made}{_END}".startswith(said) for made in self._made)
        if unsure or (head := _HEAD.match(self._held)) is None:
            return None
        self._call, self._held = self._held[: head.end()], self._held[head.end() :]
        self._named = True
        self.calls += 1
        id_ = f"call_{uuid.uuid4().hex[:24]}"
        return [CallPiece(self.calls - 1, id_, json.loads(head[1]))]

    def _release(self, kept: int) -> list[Piece] | None:
        text = self._held[: len(self._held) - kept]
        if not text:
            return None
        self._held = self._held[len(text) :]
        if not self._inside:
            return self._text(text)
        self._call += text
        return [CallPiece(self.calls - 1, arguments=text)]

    def _text(self, text: str) -> list[Piece]:
        # Between and after calls, there are only line ends.
        return [text] if text and not self.calls else []
