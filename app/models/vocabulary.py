"""A model's tokens as its GGUF describes them.

The rules for what they mean are those of llama.cpp's src/llama-vocab.cpp (October 2026).
"""

import re

from gguf.constants import TokenType
from gguf.vocab import bytes_to_unicode

from .facts import VocabularyFacts
from .gguf_file import GGUFFile

BYTES = {character: byte for byte, character in bytes_to_unicode().items()}
"""Byte-level BPE writes each byte as one printable character (GPT-2, `encoder.py`)."""

# Tokens that end an answer, besides those that the metadata name (`special_eog_ids`).
_END_TOKENS = frozenset(
    {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
        "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]",
        "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<｜end▁of▁sentence｜>", "[e~[", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]",
        "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
    }
)  # fmt: skip
_FILL_IN_TOKENS = frozenset(
    {
        "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
        "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
        "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
    }
)  # fmt: skip

_CONTROL_TEXTS = _END_TOKENS | _FILL_IN_TOKENS
_AUDIBLE = frozenset(
    {
        TokenType.NORMAL, TokenType.BYTE, TokenType.USER_DEFINED,
        TokenType.CONTROL, TokenType.UNKNOWN,
    }
)  # fmt: skip

BYTE_NAMES = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""SentencePiece's names of the tokens for single bytes."""

# Byte-level vocabularies whose prompts begin with BOS, unless the metadata say otherwise.
_PRE_WITH_BOS = frozenset({"llama3", "llama-v3", "llama-bpe", "falcon3", "tekken"})


def token_texts(file: GGUFFile) -> list[str]:
    """The tokens' texts by id. Raises `ModelError`."""
    tokens = file.list_of("tokenizer.ggml.tokens", str)
    return [token or f"[EMPTY_{i}]" for i, token in enumerate(tokens)]


def token_types(file: GGUFFile, size: int) -> list[int]:
    """The tokens' types by id, as values of `gguf.TokenType`. Raises `ModelError`."""
    if file.get("tokenizer.ggml.token_type") is None:
        return [int(TokenType.NORMAL)] * size
    types = file.list_of("tokenizer.ggml.token_type", int)
    if len(types) < size:
        raise file.unusable("it has fewer token types than tokens.")
    return types[:size]


def judge_vocabulary(file: GGUFFile) -> VocabularyFacts:
    """Reads and judges the vocabulary. Raises `ModelError` with the reason."""
    kind = file.typed("tokenizer.ggml.model", str, "none")
    tokens = token_texts(file)
    ids = {token: i for i, token in enumerate(tokens)}
    if not tokens or len(ids) < len(tokens):
        raise file.unusable("its vocabulary is empty or has a token twice.")
    types = token_types(file, len(tokens))
    bos, eos = _begin_and_end(file, kind, types)
    end_tokens = {ids[token] for token in _END_TOKENS & ids.keys()}
    for name in ("eos", "eot", "eom"):
        token = eos if name == "eos" else file.get(f"tokenizer.ggml.{name}_token_id")
        if type(token) is int and token in range(len(tokens)):
            end_tokens.add(token)
    if ids.keys() >= {"<|return|>", "<|call|>", "<|end|>"}:
        # gpt-oss ends an answer with the first or the second, and a thought with the third.
        end_tokens.remove(ids["<|end|>"])
    control_types = (TokenType.CONTROL, TokenType.UNKNOWN)
    control = {
        token: i
        for i, (token, kind_of_token) in enumerate(zip(tokens, types, strict=True))
        if kind_of_token in control_types or token in _CONTROL_TEXTS
    }
    user_defined = {
        token: i
        for i, (token, kind_of_token) in enumerate(zip(tokens, types, strict=True))
        if kind_of_token == TokenType.USER_DEFINED and token not in control
    }
    special_ids = control | user_defined
    pre = file.typed("tokenizer.ggml.pre", str, "") if kind == "gpt2" else ""
    facts = VocabularyFacts(
        kind=kind,
        pre=pre or "default",
        size=len(tokens),
        longest_token=max(
            len(token) if kind == "gpt2" and token not in special_ids else len(token.encode())
            for token in tokens
        ),
        control=control,
        user_defined=user_defined,
        strip_after=_strip_after(file, special_ids),
        byte_tokens=[ids[name] for name in BYTE_NAMES] if ids.keys() >= set(BYTE_NAMES) else [],
        silent=[i for i, kind_of_token in enumerate(types) if kind_of_token not in _AUDIBLE],
        end_tokens=sorted(end_tokens),
        bos=bos,
        eos=eos,
        add_bos=file.typed(
            "tokenizer.ggml.add_bos_token", bool, kind == "llama" or pre in _PRE_WITH_BOS
        ),
        add_eos=file.typed("tokenizer.ggml.add_eos_token", bool, False),
        space_prefix=file.typed("tokenizer.ggml.add_space_prefix", bool, kind == "llama"),
    )
    for name, add, token in (
        ("bos", facts.add_bos, facts.bos),
        ("eos", facts.add_eos, facts.eos),
    ):
        if add and token is None:
            raise file.unusable(f"its prompts need {name}_token_id, which is missing.")
    return facts


def _begin_and_end(file: GGUFFile, kind: str, types: list[int]) -> tuple[int | None, int | None]:
    """The ids of BOS and EOS, or None. Old files without them get the usual ids of the kind."""

    def token(name: str, usual: int) -> int | None:
        token: int | None = file.typed(f"tokenizer.ggml.{name}_token_id", int)
        if token is None:
            is_control = usual < len(types) and types[usual] == TokenType.CONTROL
            return usual if is_control else None
        if token not in range(len(types)):
            raise file.unusable(f"its {name}_token_id is not a token.")
        return token

    bos, eos = (1, 2) if kind == "llama" else (11, 11)
    return token("bos", bos), token("eos", eos)


def _strip_after(file: GGUFFile, special: dict[str, int]) -> list[int]:
    """Phi-3's tokenizer drops the white space after all special tokens but three."""
    name = file.get("general.name")
    if not isinstance(name, str) or not re.search("phi-?3", name.lower()):
        return []
    exceptions = ("<unk>", "<s>", "<|endoftext|>")
    return [i for token, i in special.items() if token not in exceptions]
