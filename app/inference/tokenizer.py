"""Text to token ids and back, with the ids that llama.cpp gives.

ctransformers' own tokenizer corrupts the heap on characters of several tokens and does not
know control tokens. The vocabulary of the GGUF goes into a library made for its kind instead:
byte-level BPE into `tokenizers`, SentencePiece's into `sentencepiece`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from gguf.constants import TokenType
from gguf.vocab import bytes_to_unicode
from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from .errors import ModelError
from .gguf_file import GGUFFile
from .pre_tokenizers import IGNORES_MERGES, PATTERNS
from .vocabulary import VocabularyFacts, token_texts, token_types

# Byte-level BPE writes each byte as one printable character (GPT-2, `encoder.py`).
_BYTES = {character: byte for byte, character in bytes_to_unicode().items()}

# SentencePiece writes a space as this character.
_SPACE = "▁"

# A control token that stands in somebody's text is kept apart from the template's own by
# this noncharacter, which Unicode reserves for such internal use.
_MARK = "\ufdd0"
_BREAK, _LITERAL_MARK = f"{_MARK}1", f"{_MARK}0"

# What C's isspace() knows, which is what llama.cpp asks.
_C_SPACE = " \t\n\v\f\r"


def judge_tokenizer(file: GGUFFile, facts: VocabularyFacts) -> None:
    """Raises `ModelError` with the reason when no tokenizer can be built."""
    if facts.kind == "llama":
        if len(file.list_of("tokenizer.ggml.scores", float)) < facts.size:
            raise file.unusable("it has fewer scores than tokens.")
        return
    if facts.pre not in PATTERNS:
        raise file.unusable(
            f"its pre-tokenizer is {facts.pre!r}; those that run here are "
            f"{', '.join(map(repr, PATTERNS))}."
        )
    tokens = set(token_texts(file)) | _BYTES.keys()
    for merge in file.list_of("tokenizer.ggml.merges", str):
        first, _, second = merge.partition(" ")
        if not {first, second, first + second} <= tokens:
            raise file.unusable(f"its vocabulary is broken: no token for the merge {merge!r}.")


class Codec(ABC):
    """The part of a tokenizer that depends on its kind: text without special tokens."""

    @staticmethod
    @abstractmethod
    def save(file: GGUFFile, facts: VocabularyFacts, path: Path) -> None:
        """Writes the tokenizer that the metadata describe. Raises `ModelError`."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path, facts: VocabularyFacts) -> "Codec":
        """What `save` wrote. Raises an Exception when it is damaged."""

    @abstractmethod
    def encode(self, text: str, after_special: bool) -> list[int]:
        """The ids of ``text``, which begins a prompt or follows a special token or not."""

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token that is neither special nor silent."""


class _ByteLevelCodec(Codec):
    """Byte-level BPE, in Hugging Face's tokenizers."""

    def __init__(self, tokenizer: Tokenizer, facts: VocabularyFacts) -> None:
        self._tokenizer = tokenizer
        self._size = facts.size

    @staticmethod
    def save(file: GGUFFile, facts: VocabularyFacts, path: Path) -> None:
        tokens = token_texts(file)
        # Special tokens are found before; a written one must not be made of text.
        special = facts.control.keys() | facts.user_defined.keys()
        pairs = (pair.partition(" ") for pair in file.get("tokenizer.ggml.merges"))
        merges = [
            (first, second)
            for first, _, second in pairs
            if special.isdisjoint((first, second, first + second))
        ]
        vocabulary = {
            f"{_MARK}{token}" if token in special else token: i for i, token in enumerate(tokens)
        }
        # A byte without a token is dropped, but only after merging: its neighbours must not meet.
        missing = (character for character in _BYTES if character not in vocabulary)
        vocabulary |= {character: i for i, character in enumerate(missing, start=len(tokens))}
        try:
            tokenizer = Tokenizer(
                models.BPE(vocabulary, merges, ignore_merges=facts.pre in IGNORES_MERGES)
            )
        except Exception as error:  # tokenizers raises bare Exceptions
            raise file.unusable(f"its vocabulary is broken ({error}).") from error
        splits = [
            pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS[facts.pre]
        ]
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.save(str(path), pretty=False)

    @classmethod
    def load(cls, path: Path, facts: VocabularyFacts) -> "_ByteLevelCodec":
        return cls(Tokenizer.from_file(str(path)), facts)

    def encode(self, text: str, after_special: bool) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token < self._size]

    def token_bytes(self, token: int) -> bytes:
        text = self._tokenizer.id_to_token(token) or ""
        return bytes(_BYTES[character] for character in text if character in _BYTES)


class _SentencePieceCodec(Codec):
    """SentencePiece's BPE with byte fallback, in sentencepiece itself."""

    def __init__(self, processor: SentencePieceProcessor, facts: VocabularyFacts) -> None:
        self._processor = processor
        self._prefix = _SPACE if facts.space_prefix else ""
        self._bytes = {token: bytes([byte]) for byte, token in enumerate(facts.byte_tokens)}

    @staticmethod
    def save(file: GGUFFile, facts: VocabularyFacts, path: Path) -> None:
        tokens = token_texts(file)
        special = {*facts.control.values(), *facts.user_defined.values()}
        unknown, byte_tokens = _unknown_token(file, tokens, facts), set(facts.byte_tokens)
        model = ModelProto()
        for i, (token, score) in enumerate(
            zip(tokens, file.get("tokenizer.ggml.scores"), strict=False)
        ):
            piece = model.pieces.add(piece=token, score=score)
            if i == unknown:
                piece.type = TokenType.UNKNOWN
            elif i in special:  # found before, and never made by merging
                piece.type = TokenType.CONTROL
            elif i in byte_tokens:
                piece.type = TokenType.BYTE
        model.trainer_spec.model_type = TrainerSpec.BPE
        model.trainer_spec.byte_fallback = True
        model.trainer_spec.unk_piece = tokens[unknown]
        model.normalizer_spec.name = "identity"
        model.normalizer_spec.add_dummy_prefix = False
        model.normalizer_spec.remove_extra_whitespaces = False
        model.normalizer_spec.escape_whitespaces = False
        data = model.SerializeToString()
        try:
            SentencePieceProcessor(model_proto=data)
        except RuntimeError as error:
            raise file.unusable(f"its vocabulary is broken ({error}).") from error
        path.write_bytes(data)

    @classmethod
    def load(cls, path: Path, facts: VocabularyFacts) -> "_SentencePieceCodec":
        return cls(SentencePieceProcessor(model_proto=path.read_bytes()), facts)

    def encode(self, text: str, after_special: bool) -> list[int]:
        prefix = self._prefix if after_special else ""
        ids: list[int] = self._processor.encode(prefix + text.replace(" ", _SPACE))
        return ids

    def token_bytes(self, token: int) -> bytes:
        if token in self._bytes:
            return self._bytes[token]
        text: str = self._processor.id_to_piece(token)
        return text.replace(_SPACE, " ").encode()


def _unknown_token(file: GGUFFile, tokens: list[str], facts: VocabularyFacts) -> int:
    """The id of a token that sentencepiece may take for the unknown; byte fallback never does."""
    types = token_types(file, len(tokens))
    for candidates in (
        [i for i, kind in enumerate(types) if kind == TokenType.UNKNOWN],
        list(facts.control.values()),
    ):
        if candidates:
            return candidates[0]
    raise file.unusable("its vocabulary has no token of the type unknown or control.")


CODECS: dict[str, type[Codec]] = {"gpt2": _ByteLevelCodec, "llama": _SentencePieceCodec}


class Vocabulary:
    """Encodes prompts and decodes answers with one model's tokens."""

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

    @classmethod
    def load(cls, path: Path, facts: VocabularyFacts) -> "Vocabulary":
        """The vocabulary whose codec was saved at ``path``. Raises `ModelError`."""
        try:
            return cls(CODECS[facts.kind].load(path, facts), facts)
        except Exception as error:  # tokenizers raises bare Exceptions
            raise ModelError(f"{path} is damaged; delete it ({error}).") from error

    def encode(self, text: str, *, protected: bool = False) -> list[int]:
        """The token ids of ``text``, in which control tokens count as such.

        With ``protected``, what went through `protect` counts as the text that it was. BOS
        and EOS are added as the model wants it, BOS not a second time.
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

    def encode_fragment(self, text: str) -> list[int]:
        """The token ids of ``text`` inside an answer: exactly its bytes, all of it text.

        Nothing is added, neither BOS and EOS nor SentencePiece's space.
        """
        ids: list[int] = []
        for part in self._partition(self.protect(text)):
            ids += (
                [part]
                if isinstance(part, int)
                else self._codec.encode(_unprotected(part), after_special=False)
            )
        return ids

    def protect(self, text: str) -> str:
        """``text`` so marked that `encode` reads no control token in it."""
        text = text.replace(_MARK, _LITERAL_MARK)
        return self._control_pattern.sub(lambda m: m[0][0] + _BREAK + m[0][1:], text)

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token adds to a text: none for control tokens and unused ids."""
        return b"" if token in self._control_ids else self.written_bytes(token)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``, control tokens included, as a prompt would hold it."""
        parts = [self.written_bytes(token) for token in tokens]
        if self.facts.space_prefix:
            # The space that `encode` put in front of the text.
            first = 1 if list(tokens[:1]) == [self.facts.bos] else 0
            parts[first : first + 1] = [
                part.removeprefix(b" ") for part in parts[first : first + 1]
            ]
        return b"".join(parts).decode(errors="replace")

    def written_bytes(self, token: int) -> bytes:
        """The bytes of a token as a prompt would hold it: control tokens have theirs."""
        if token in self._special_bytes:
            return self._special_bytes[token]
        return b"" if token in self._silent else self._codec.token_bytes(token)

    def _partition(self, text: str) -> list[str | int]:
        """``text`` cut at special tokens, the longest token first, as llama.cpp does."""
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
    """What `Vocabulary.protect` was given, of a text without control tokens."""
    return text.replace(_BREAK, "").replace(_LITERAL_MARK, _MARK)
