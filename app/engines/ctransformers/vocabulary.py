"""Which vocabularies there are tokenizers for, because ctransformers' own cannot be used."""

from ...models.facts import VocabularyFacts
from ...models.gguf_file import GGUFFile
from ...models.vocabulary import BYTE_NAMES, BYTES, token_texts
from .pre_tokenizers import PATTERNS


def judge_tokenizer(file: GGUFFile, facts: VocabularyFacts) -> None:
    """Raises `ModelError` with the reason if no tokenizer can be built."""
    if facts.kind not in ("gpt2", "llama"):
        raise file.unusable(
            f"its tokenizer is {facts.kind!r}; ctransformers runs 'llama' (SentencePiece) and "
            "'gpt2' (byte-level BPE)."
        )
    if facts.kind == "llama":
        if not facts.byte_tokens:
            missing = next(name for name in BYTE_NAMES if name not in token_texts(file))
            raise file.unusable(f"its vocabulary lacks the byte token {missing}.")
        if len(file.list_of("tokenizer.ggml.scores", float)) < facts.size:
            raise file.unusable("it has fewer scores than tokens.")
        return
    if facts.pre not in PATTERNS:
        raise file.unusable(
            f"its pre-tokenizer is {facts.pre!r}; only these run here: "
            f"{', '.join(map(repr, PATTERNS))}."
        )
    tokens = set(token_texts(file)) | BYTES.keys()
    for merge in file.list_of("tokenizer.ggml.merges", str):
        first, _, second = merge.partition(" ")
        if not {first, second, first + second} <= tokens:
            raise file.unusable(f"its vocabulary lacks a token for the merge {merge!r}.")
