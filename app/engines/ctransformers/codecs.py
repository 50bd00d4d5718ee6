"""The part of a tokenizer that depends on its kind, in a library made for it.

ctransformers' own tokenizer corrupts the heap if a character consists of several tokens. So
byte-level BPE goes into `tokenizers`, and SentencePiece's BPE into `sentencepiece`.
"""

from abc import abstractmethod
from pathlib import Path

from gguf.constants import TokenType
from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from ...models.facts import VocabularyFacts
from ...models.gguf_file import GGUFFile
from ...models.vocabulary import BYTES, token_texts, token_types
from ..base import Codec
from .pre_tokenizers import IGNORES_MERGES, PATTERNS

# SentencePiece writes a space as this character.
_SPACE = "▁"

# Text that looks like a special token must not become one, so special tokens get a name with this
# noncharacter. Unicode reserves it for internal use.
_MARK = "\ufdd0"


class SavedCodec(Codec):
    """A codec that is made once from a GGUF, and kept in its library's own format."""

    @staticmethod
    @abstractmethod
    def save(file: GGUFFile, facts: VocabularyFacts, path: Path) -> None:
        """Writes the tokenizer that the metadata describe. Raises `ModelError`."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path, facts: VocabularyFacts) -> "SavedCodec":
        """Reads what `save` wrote. Raises an Exception if it is damaged."""


class _ByteLevelCodec(SavedCodec):
    """Byte-level BPE, in Hugging Face's tokenizers."""

    def __init__(self, tokenizer: Tokenizer, facts: VocabularyFacts) -> None:
        self._tokenizer = tokenizer
        self._size = facts.size

    @staticmethod
    def save(file: GGUFFile, facts: VocabularyFacts, path: Path) -> None:
        tokens = token_texts(file)
        # Special tokens were cut out before. Text that looks like one must not become one.
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
        # A byte without a token is dropped, but after merging, so that its neighbours do not merge.
        missing = (character for character in BYTES if character not in vocabulary)
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
        return bytes(BYTES[character] for character in text if character in BYTES)


class _SentencePieceCodec(SavedCodec):
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
            elif i in special:  # cut out before, so merging must not make it
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
    """A token for sentencepiece's unknown one, which it requires. Byte fallback never uses it."""
    types = token_types(file, len(tokens))
    for candidates in (
        [i for i, kind in enumerate(types) if kind == TokenType.UNKNOWN],
        list(facts.control.values()),
    ):
        if candidates:
            return candidates[0]
    raise file.unusable("its vocabulary has no token of the type unknown or control.")


CODECS: dict[str, type[SavedCodec]] = {"gpt2": _ByteLevelCodec, "llama": _SentencePieceCodec}
