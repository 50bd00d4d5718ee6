"""Turns text into token ids and back, with the same ids as llama.cpp.

Special tokens are cut out here, the longest first, like llama.cpp does. Libraries take the leftmost
first.
"""

import re
from collections.abc import Sequence

from ..engines.base import Codec
from ..models.facts import VocabularyFacts

# Tells a control token in somebody's text from the template's own. Unicode reserves this
# noncharacter for such internal use.
_MARK = "\ufdd0"
_BREAK, _LITERAL_MARK = f"{_MARK}1", f"{_MARK}0"

# What C's isspace() accepts, because llama.cpp calls it.
_C_SPACE = " \t\n\v\f\r"


class Tokenizer:
    """Encodes prompts and decodes answers with the tokens of a model."""

    def __init__(self, codec: Codec, facts: VocabularyFacts) -> None:
        self.size = facts.size
        self.facts = facts
        self._codec = codec
        self._special = facts.control | facts.user_defined
        self._special_bytes = {i: token.encode() for token, i in self._special.items()}
        self._control_ids = frozenset(facts.control.values())
        self._silent = frozenset(facts.silent)
        self._longest_first = sorted(self._special, key=lambda t: len(t.encode()), reverse=True)
        control = (token for token in self._longest_first if token in facts.control)
        self._control_pattern = re.compile("|".join(map(re.escape, control)) or "(?!)")

    def encode(self, text: str, *, protected: bool = False) -> list[int]:
        """The token ids of ``text``, in which control tokens count as such.

        With ``protected``, a text that `protect` returned counts as the original text. BOS and EOS
        are added as the model wants it, but BOS never twice.
        """
        ids: list[int] = []
        for part in self._partition(text):
            if isinstance(part, int):
                ids.append(part)
                continue
            after_special = not ids or ids[-1] in self._special_bytes
            if ids and ids[-1] in self.facts.strip_after:
                part = part.lstrip(_C_SPACE)
            if protected:
                part = _unprotected(part)
            if part:
                ids += self._codec.encode(part, after_special)
        bos, eos = self.facts.bos, self.facts.eos
        if self.facts.add_bos and bos is not None and ids[:1] != [bos]:
            ids.insert(0, bos)
        return [*ids, eos] if self.facts.add_eos and eos is not None else ids

    def encode_fragment(self, text: str, *, control: bool = False) -> list[int]:
        """The token ids of ``text`` inside an answer. With ``control``, it may have control tokens.

        Nothing is added: no BOS, no EOS and no space of SentencePiece's.
        """
        ids: list[int] = []
        for part in self._partition(text if control else self.protect(text)):
            ids += (
                [part]
                if isinstance(part, int)
                else self._codec.encode(_unprotected(part), after_special=False)
            )
        return ids

    def protect(self, text: str) -> str:
        """``text`` with marks that keep `encode` from reading control tokens in it."""
        text = text.replace(_MARK, _LITERAL_MARK)
        return self._control_pattern.sub(lambda m: m[0][0] + _BREAK + m[0][1:], text)

    def token_bytes(self, token: int, marks: str = "") -> bytes:
        """The bytes that a token adds to a text.

        Unused ids add none, and neither do control tokens, except for those in ``marks``.
        """
        written = self.written_bytes(token)
        shown = token not in self._control_ids or written.decode(errors="replace") in marks
        return written if shown else b""

    def text(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens`` as a prompt would have it, including control tokens."""
        parts = [self.written_bytes(token) for token in tokens]
        if self.facts.space_prefix:
            # `encode` put this space in front of the text.
            first = 1 if list(tokens[:1]) == [self.facts.bos] else 0
            parts[first : first + 1] = [
                part.removeprefix(b" ") for part in parts[first : first + 1]
            ]
        return b"".join(parts).decode(errors="replace")

    def written_bytes(self, token: int) -> bytes:
        """The bytes of a token as a prompt would have it, also those of a control token."""
        if token in self._special_bytes:
            return self._special_bytes[token]
        return b"" if token in self._silent else self._codec.token_bytes(token)

    def _partition(self, text: str) -> list[str | int]:
        """``text`` cut at special tokens, the longest token first, like llama.cpp does."""
        parts: list[str | int] = [text]
        for token in self._longest_first:
            if token in text:
                parts = [new for part in parts for new in self._cut(part, token)]
        return [part for part in parts if part != ""]

    def _cut(self, part: str | int, token: str) -> list[str | int]:
        if isinstance(part, int):
            return [part]
        between: list[str | int] = []
        for piece in part.split(token):
            between += [piece, self._special[token]]
        return between[:-1]


def _unprotected(text: str) -> str:
    """Undoes `Tokenizer.protect` in a text without control tokens."""
    return text.replace(_BREAK, "").replace(_LITERAL_MARK, _MARK)
