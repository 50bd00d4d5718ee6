"""Models of today's architectures with random weights, which only llama.cpp runs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .tiny_gguf import (
    BLOCKS,
    EMBEDDING,
    FEED_FORWARD,
    HEADS,
    KV_HEADS,
    TOKENS,
    write_tiny_gguf,
)

HEAD = EMBEDDING // HEADS
KV = HEAD * KV_HEADS
Tensors = dict[str, np.ndarray | None]


def _in_each_block(shapes: dict[str, tuple[int, ...]], blocks: int = BLOCKS) -> Tensors:
    """Random tensors of those names and shapes. A norm's are near 1."""
    random = np.random.default_rng(3)
    tensors: Tensors = {}
    for block in range(blocks):
        for name, shape in shapes.items():
            middle = 1.0 if "norm" in name else 0.0
            values = random.normal(middle, 0.3, shape).astype(np.float32)
            tensors[f"blk.{block}.{name}"] = values
    return tensors


def _without(*names: str) -> Tensors:
    return {f"blk.{block}.{name}": None for block in range(BLOCKS) for name in names}


_BIASES = {"attn_q.bias": (EMBEDDING,), "attn_k.bias": (KV,), "attn_v.bias": (KV,)}
_HEAD_NORMS = {"attn_q_norm.weight": (HEAD,), "attn_k_norm.weight": (HEAD,)}
_POST_NORMS = {
    "post_attention_norm.weight": (EMBEDDING,),
    "post_ffw_norm.weight": (EMBEDDING,),
}
_JOINED = {
    "attn_qkv.weight": (EMBEDDING + 2 * KV, EMBEDDING),
    "ffn_up.weight": (2 * FEED_FORWARD, EMBEDDING),
}
_FACTORS = np.linspace(1, 8, HEAD // 2, dtype=np.float32)


def _lfm2() -> Tensors:
    """A hybrid: the first block is a short convolution, the second one has attention."""
    random = np.random.default_rng(4)
    convolution = {
        "blk.0.shortconv.conv.weight": (EMBEDDING, 3),
        "blk.0.shortconv.in_proj.weight": (3 * EMBEDDING, EMBEDDING),
        "blk.0.shortconv.out_proj.weight": (EMBEDDING, EMBEDDING),
    }
    tensors: Tensors = {
        name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in convolution.items()
    }
    norms = _in_each_block(_HEAD_NORMS)
    return {
        **tensors,
        **{f"blk.0.attn_{name}.weight": None for name in ("q", "k", "v", "output")},
        **{name: norm for name, norm in norms.items() if name.startswith("blk.1.")},
        "token_embd_norm.weight": np.ones(EMBEDDING, np.float32),
        "output_norm.weight": None,
    }


def _architecture(name: str, tensors: Tensors, **metadata: Any) -> Callable[..., Path]:
    keys = {f"{name}.{key}".replace("__", "."): value for key, value in metadata.items()}
    return partial(write_tiny_gguf, architecture=name, tensors=tensors, metadata=keys)


MODERN: dict[str, Callable[..., Path]] = {
    "llama with rotary factors": _architecture("llama", {"rope_freqs.weight": _FACTORS}),
    "qwen2": _architecture("qwen2", _in_each_block(_BIASES)),
    "qwen3": _architecture("qwen3", _in_each_block(_HEAD_NORMS)),
    "gemma2": _architecture("gemma2", _in_each_block(_POST_NORMS), attention__sliding_window=64),
    "gemma3": _architecture(
        "gemma3", _in_each_block(_HEAD_NORMS | _POST_NORMS), attention__sliding_window=64
    ),
    "phi3 with long factors": _architecture(
        "phi3",
        _in_each_block(_JOINED)
        | _without("attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight")
        | {"rope_factors_long.weight": _FACTORS, "rope_factors_short.weight": _FACTORS},
        rope__scaling__original_context_length=128,
    ),
    "smollm3": _architecture("smollm3", {}),
    "granite": _architecture(
        "granite",
        {},
        logit_scale=8.0,
        embedding_scale=12.0,
        residual_scale=0.22,
        attention__scale=0.1,
    ),
    "lfm2 (hybrid)": _architecture(
        "lfm2",
        _lfm2(),
        attention__head_count_kv=[0, KV_HEADS],
        shortconv__l_cache=3,
        vocab_size=len(TOKENS),
    ),
}
"""A writer of each, with the arguments of `write_tiny_gguf`."""
