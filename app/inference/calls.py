"""Finds function calls in the text of an answer while it is generated."""

import uuid
from dataclasses import dataclass, field
from itertools import chain

from ..jobs import Calling
from ..pieces import CallPiece, Piece
from .call_forms import CallForm
from .detokenizer import overlap
from .json_strings import JsonStrings


class CallFinder:
    """Takes the text of an answer piece by piece, and separates text and calls.

    The grammar of ``calling`` ensures that what begins like a call in ``form`` is one, and that
    only calls follow the first one. Without ``calling``, everything is text. A call that says the
    same as an earlier one is not shown. It sets ``repeated``, and the answer should end. ``calls``
    counts the calls that are shown.
    """

    def __init__(self, calling: Calling | None, form: CallForm) -> None:
        self.calls = 0
        self.repeated = False
        self._calling = calling
        self._form = form
        self._head = form.any_head
        self._held = ""
        self._inside = False  # calls have begun
        self._call: _Call | None = None  # the one that the text is in
        self._made: list[_Call] = []

    @property
    def marks(self) -> str:
        """Texts in which control tokens count as their text."""
        return self._form.texts if self._calling is not None else ""

    def feed(self, text: str) -> list[Piece]:
        """Takes ``text``, and returns what can be shown now."""
        self._held += text
        pieces: list[Piece] = []
        while self._held and (found := self._step()) is not None:
            pieces += found
        return pieces

    def finish(self) -> list[Piece]:
        """What is left at the end, such as text that only looked like the beginning of a call."""
        return [self._held] if self._held and not self._inside else []

    def _step(self) -> list[Piece] | None:
        """The next pieces, or None if they need more text."""
        if self._calling is None:
            return self._release(len(self._held))
        if self._call is not None:
            return self._continue(self._call)
        if not self._inside:
            return self._begin(self._calling)
        # Besides calls, there are only the texts around them.
        if self.repeated or (head := self._head.search(self._held)) is None:
            return None
        self._held = self._held[head.end() :]
        self._call = _Call(head[1])
        return []

    def _begin(self, calling: Calling) -> list[Piece] | None:
        """The text up to where the calls begin."""
        begin = self._form.begin
        if begin and calling.may_say_text:
            text, found, _ = self._held.partition(begin)
            self._inside = bool(found)
            text = text if found else text[: len(text) - overlap(text, begin)]
            return self._release(len(text)) or ([] if found else None)
        # The answer is calls or something else from its first character.
        names = [function.name for function in calling.functions]
        heads = (self._form.first_heads(name, self._form.after) for name in names)
        beginnings = [begin] if begin else list(chain(*heads))
        if any(map(self._held.startswith, beginnings)):
            self._inside = True
            return []
        if any(beginning.startswith(self._held) for beginning in beginnings):
            return None
        self._calling = None
        return []

    def _continue(self, call: "_Call") -> list[Piece] | None:
        self._held = call.add(self._held)
        if call.ended:
            self._call = None
        if any(call.may_become(made) for made in self._made):
            self.repeated = call.ended
            return None
        pieces: list[Piece] = []
        if not call.shown:
            pieces.append(CallPiece(self.calls, f"call_{uuid.uuid4().hex[:24]}", call.name))
            self.calls += 1
        pieces.append(CallPiece(self.calls - 1, arguments=call.arguments[call.shown :]))
        call.shown = len(call.arguments)
        if call.ended:
            self._made.append(call)
        return pieces

    def _release(self, length: int) -> list[Piece] | None:
        text, self._held = self._held[:length], self._held[length:]
        return [text] if text else None


@dataclass
class _Call:
    """A call, as far as its text has come; so much of its arguments is ``shown``."""

    name: str
    arguments: str = ""
    shown: int = 0
    ended: bool = False
    _depth: int = 0
    _strings: JsonStrings = field(default_factory=JsonStrings)

    def add(self, text: str) -> str:
        """Takes ``text`` up to the end of the arguments, and returns the rest."""
        taken = len(text)
        for place, character in enumerate(text, 1):
            if not self._strings.takes(character):
                self._depth += (character in "{[") - (character in "}]")
            if self._depth == 0:
                self.ended, taken = True, place
                break
        self.arguments += text[:taken]
        return text[taken:]

    def may_become(self, other: "_Call") -> bool:
        """Whether it says what ``other`` says, as far as it has come."""
        return self.name == other.name and other.arguments.startswith(self.arguments)
