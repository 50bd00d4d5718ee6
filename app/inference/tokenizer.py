"""Text to token ids and back, with the ids that llama.cpp gives.

ctransformers' own tokenizer corrupts the heap on characters of several tokens and does
not know control tokens, so the vocabulary of the GGUF goes into a `tokenizers.Tokenizer`.
"""

import re
from collections.abc import Sequence

from gguf.constants import TokenType
from gguf.vocab import bytes_to_unicode
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from .gguf_file import GGUFFile

# Byte-level BPE writes each byte as one printable character (GPT-2, `encoder.py`).
_BYTES = {character: byte for byte, character in bytes_to_unicode().items()}

# A control token that stands in somebody's text is kept apart from the template's own by
# this noncharacter, which Unicode reserves for such internal use.
_MARK = "\ufdd0"
_BREAK, _LITERAL_MARK = f"{_MARK}1", f"{_MARK}0"

# llama.cpp, src/llama-vocab.cpp: the regular expressions of each `tokenizer.ggml.pre`.
_PRE_TOKENIZERS = {
    "smollm": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    ),
}


def build_tokenizer(file: GGUFFile) -> Tokenizer:
    """The tokenizer that the GGUF's metadata describe.

    Control tokens are added as special tokens, user-defined ones as plain added tokens.
    Raises `ModelError` for a kind of vocabulary that is not supported.
    """
    kind, pre = file.get("tokenizer.ggml.model"), file.get("tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in _PRE_TOKENIZERS:
        raise file.unusable(
            f"its tokenizer is {kind!r} with the pre-tokenizer {pre!r}; "
            f"supported: 'gpt2' with {', '.join(map(repr, _PRE_TOKENIZERS))}."
        )
    tokens: list[str] = file.get("tokenizer.ggml.tokens", [])
    merges = [tuple(pair.split(" ", 1)) for pair in file.get("tokenizer.ggml.merges", [])]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    # A byte without a token is dropped, but only after merging: its neighbours must not meet.
    missing = (character for character in _BYTES if character not in vocabulary)
    vocabulary |= {character: i for i, character in enumerate(missing, start=len(tokens))}
    try:
        tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    except Exception as error:  # tokenizers raises bare Exceptions
        raise file.unusable(f"its vocabulary is broken ({error}).") from error
    tokenizer.pre_tokenizer = _PRE_TOKENIZERS[pre]
    tokenizer.decoder = decoders.ByteLevel()
    types: list[int] = file.get("tokenizer.ggml.token_type", [])
    for token, kind in zip(tokens, types, strict=False):
        if kind in (TokenType.CONTROL, TokenType.UNKNOWN):
            tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif kind == TokenType.USER_DEFINED:
            tokenizer.add_tokens([AddedToken(token, normalized=False)])
    return tokenizer


class Vocabulary:
    """Encodes prompts and decodes answers with one model's tokens.

    ``size`` is the number of the model's tokens; ids from there on are not the model's.
    ``longest_token`` is the number of bytes of the longest token.
    """

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        self.size = size
        self._tokenizer = tokenizer
        # Control tokens are found by `encode`; what is left is text and user-defined tokens.
        self._tokenizer.encode_special_tokens = True
        added = tokenizer.get_added_tokens_decoder()
        self._control = {t.content: i for i, t in added.items() if t.special}
        self._user_defined = {i: t.content for i, t in added.items() if not t.special}
        self.longest_token = max(map(len, tokenizer.get_vocab()))
        longest_first = sorted(self._control, key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def encode(self, text: str, *, protected: bool = False) -> list[int]:
        """The token ids of ``text``, in which control tokens count as such.

        With ``protected``, what went through `protect` counts as the text that it was.
        """
        ids: list[int] = []
        position = 0
        for match in self._control_pattern.finditer(text):
            ids += self._encode_text(text[position : match.start()], protected)
            ids.append(self._control[match.group()])
            position = match.end()
        return ids + self._encode_text(text[position:], protected)

    def protect(self, text: str) -> str:
        """``text`` so marked that `encode` reads no control token in it."""
        text = text.replace(_MARK, _LITERAL_MARK)
        return self._control_pattern.sub(lambda m: m[0][0] + _BREAK + m[0][1:], text)

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token adds to a text: none for control tokens and unused ids."""
        if token in self._user_defined:
            return self._user_defined[token].encode()
        text = self._tokenizer.id_to_token(token)
        if text is None or text in self._control:
            return b""
        return bytes(_BYTES[character] for character in text if character in _BYTES)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``, control tokens included, as a prompt would hold it."""
        control = {token: content.encode() for content, token in self._control.items()}
        parts = (control.get(token) or self.token_bytes(token) for token in tokens)
        return b"".join(parts).decode(errors="replace")

    def _encode_text(self, text: str, protected: bool) -> list[int]:
        if protected:
            text = text.replace(_BREAK, "").replace(_LITERAL_MARK, _MARK)
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token < self.size]
