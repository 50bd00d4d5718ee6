"""Llamas with a few thousand random weights, in the form that today's converters write."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.vocab import bytes_to_unicode

from app.models.cache import ModelCache
from app.models.disk import ends, sha256

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER_DEFINED = ["<tool>"]
MERGES = ["h e", "he l", "l o", "hel lo", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld"]
TOKENS = [
    *CONTROL,
    *USER_DEFINED,
    *bytes_to_unicode().values(),
    *(merge.replace(" ", "") for merge in MERGES),
]
# Their scores decrease.
SENTENCEPIECES = [
    *"▁helowrd<>/s|en",
    *("he", "hel", "lo", "hello", "▁hello", "▁w", "or", "ld", "▁wor", "▁world", "</", "s>", "</s"),
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

EMBEDDING, HEADS, KV_HEADS, FEED_FORWARD, BLOCKS = 32, 4, 2, 64, 2


def write_tiny_gguf(
    path: Path,
    *,
    seed: int = 0,
    context_length: int = 256,
    metadata: dict[str, Any] | None = None,
    tensors: dict[str, np.ndarray | None] | None = None,
    architecture: str = "llama",
) -> Path:
    """Writes the model. ``metadata`` and ``tensors`` replace its own. None leaves one out."""
    writer = gguf.GGUFWriter(path, arch=architecture)
    values = {
        f"{architecture}.block_count": BLOCKS,
        f"{architecture}.context_length": context_length,
        f"{architecture}.embedding_length": EMBEDDING,
        f"{architecture}.feed_forward_length": FEED_FORWARD,
        f"{architecture}.attention.head_count": HEADS,
        f"{architecture}.attention.head_count_kv": KV_HEADS,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{architecture}.rope.dimension_count": EMBEDDING // HEADS,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.token_type": [
            *[int(gguf.TokenType.CONTROL)] * len(CONTROL),
            *[int(gguf.TokenType.USER_DEFINED)] * len(USER_DEFINED),
            *[int(gguf.TokenType.NORMAL)] * (len(TOKENS) - len(CONTROL) - len(USER_DEFINED)),
        ],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    for key, value in (values | (metadata or {})).items():
        if value is not None:
            _add(writer, key, value)
    for name, tensor in (_random_tensors(seed) | (tensors or {})).items():
        if tensor is not None:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny_sentencepiece(path: Path, *, wide_context_length: bool = False, **how: Any) -> Path:
    """Writes a model with a SentencePiece vocabulary, in the form of 2023's converters.

    With ``wide_context_length``, one number has a type that they did not write.
    """
    kinds = gguf.TokenType
    pieces = dict.fromkeys(SENTENCEPIECES, kinds.NORMAL)
    tokens = {
        "<unk>": kinds.UNKNOWN,
        "<s>": kinds.CONTROL,
        "</s>": kinds.CONTROL,
        **{f"<0x{byte:02X}>": kinds.BYTE for byte in range(256)},
        **pieces,
        "<|end|>": kinds.CONTROL,
        "<tool>": kinds.USER_DEFINED,
    }
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": None,
        "tokenizer.ggml.merges": None,
        "tokenizer.ggml.add_bos_token": None,
        "tokenizer.ggml.tokens": list(tokens),
        "tokenizer.ggml.scores": [-float(i) for i in range(len(tokens))],
        "tokenizer.ggml.token_type": [int(kind) for kind in tokens.values()],
        **how.pop("metadata", {}),
    }
    if wide_context_length:
        metadata["llama.context_length"] = np.uint64(how.pop("context_length", 256))
    random = np.random.default_rng(7)
    tensors = {
        name: random.normal(scale=0.3, size=(len(tokens), EMBEDDING)).astype(np.float32)
        for name in ("token_embd.weight", "output.weight")
    }
    return write_tiny_gguf(path, metadata=metadata, tensors=tensors, **how)


def write_large_vocabulary(path: Path) -> Path:
    """A model whose tokenizer, once prepared, is larger than the ends that are always checked."""
    more = [f"<|more-{i:040}|>" for i in range(40_000)]
    tokens = [*TOKENS, *more]
    types = [1] * len(TOKENS) + [int(gguf.TokenType.USER_DEFINED)] * len(more)
    embeddings = np.zeros((len(tokens), EMBEDDING), np.float32)
    return write_tiny_gguf(
        path,
        metadata={"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types},
        tensors={"token_embd.weight": embeddings},
    )


def damage_in_the_middle(path: Path) -> None:
    """Damages a file where only a checksum of all of it tells."""
    middle = path.stat().st_size // 2
    assert middle > 1 << 20
    with path.open("rb+") as file:
        file.seek(middle)
        file.write(b"\0" * 100)


def make_deadly(path: Path, cache: ModelCache) -> None:
    """Prepares a model that kills its process, because the engine cannot read its vocabulary."""
    weights = cache.prepare(path).weights
    scores = {"tokenizer.ggml.scores": [0.0] * len(TOKENS)}
    output = {"output.weight": np.ones((len(TOKENS), EMBEDDING), np.float32)}
    write_tiny_gguf(weights, metadata=scores, tensors=output)
    forge_checksums(weights)


def forge_checksums(weights: Path) -> None:
    """Makes damaged weights in the cache look as if they had been prepared."""
    files = (weights, weights.with_name("tokenizer"))
    checksums = {
        "ends": {file.name: ends(file) for file in files},
        "whole": {file.name: sha256(file) for file in files},
    }
    weights.with_name("checksums.json").write_text(json.dumps(checksums))


WRITERS: dict[str, Callable[..., Path]] = {
    "byte-level": write_tiny_gguf,
    "byte-level with BOS": partial(
        write_tiny_gguf, metadata={"tokenizer.ggml.add_bos_token": True}
    ),
    "SentencePiece": write_tiny_sentencepiece,
}
"""A model for each kind of vocabulary: one adds nothing to a text, BOS, or BOS and a space."""


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case np.uint64():
            writer.add_uint64(key, int(value))
        case list():
            writer.add_array(key, value)


def _random_tensors(seed: int) -> dict[str, np.ndarray | None]:
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(scale=0.3, size=shape).astype(np.float32)

    def norm() -> np.ndarray:
        return np.ones(EMBEDDING, dtype=np.float32)

    kv = EMBEDDING // HEADS * KV_HEADS
    tensors: dict[str, np.ndarray | None] = {
        "token_embd.weight": weights(len(TOKENS), EMBEDDING),
        "output_norm.weight": norm(),
    }
    for block in range(BLOCKS):
        tensors |= {
            f"blk.{block}.attn_norm.weight": norm(),
            f"blk.{block}.attn_q.weight": weights(EMBEDDING, EMBEDDING),
            f"blk.{block}.attn_k.weight": weights(kv, EMBEDDING),
            f"blk.{block}.attn_v.weight": weights(kv, EMBEDDING),
            f"blk.{block}.attn_output.weight": weights(EMBEDDING, EMBEDDING),
            f"blk.{block}.ffn_norm.weight": norm(),
            f"blk.{block}.ffn_gate.weight": weights(FEED_FORWARD, EMBEDDING),
            f"blk.{block}.ffn_up.weight": weights(FEED_FORWARD, EMBEDDING),
            f"blk.{block}.ffn_down.weight": weights(EMBEDDING, FEED_FORWARD),
        }
    return tensors
