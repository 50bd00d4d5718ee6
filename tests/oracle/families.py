"""Tiny random models of every family, weight type and kind of vocabulary.

Their vocabularies are made from a real one, that of the default model: with its merges a
nasty text takes as many ways as with a large model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.vocab import bytes_to_unicode

EMBEDDING, HEADS, KV_HEADS, FEED_FORWARD, BLOCKS = 256, 4, 2, 512, 2
KV_ROWS = EMBEDDING // HEADS * KV_HEADS
CONTEXT_LENGTH = 512

WEIGHT_TYPES = (
    "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0",
    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
)  # fmt: skip

# Where the float16 scales are in the blocks of each K-quant (ggml-common.h): offsets in bytes.
_SCALES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}


@dataclass(frozen=True)
class Family:
    """What to write: ``architecture``, and the metadata and tensors that differ."""

    name: str
    architecture: str = "llama"
    pre: str = "smollm"
    sentencepiece: bool = False
    tied: bool = False
    weight_type: str = "F16"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


# All families in docs/models.md.
_PRES = (
        "llama-bpe", "smollm", "gpt-2", "deepseek-llm", "deepseek-coder", "deepseek-v3",
        "qwen2", "falcon", "default", "",
    )  # fmt: skip
_NO_PREFIX: dict[str, Any] = {"tokenizer.ggml.add_space_prefix": False}
_LINEAR_SCALING: dict[str, Any] = {
    "llama.rope.scaling.type": "linear",
    "llama.rope.scaling.factor": 4.0,
    "llama.rope.freq_base": 100000.0,
}
FAMILIES = [
    *(Family(f"llama, byte-level {pre or '(none)'}", pre=pre) for pre in _PRES),
    Family("llama, SentencePiece", sentencepiece=True),
    Family("llama, no space prefix", sentencepiece=True, metadata=_NO_PREFIX),
    Family(
        "llama, add_eos, no add_bos",
        sentencepiece=True,
        metadata={"tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.add_eos_token": True},
    ),
    Family("llama, tied embeddings", tied=True),
    Family(
        "llama, linear RoPE scaling",
        metadata=_LINEAR_SCALING,
    ),
    Family("Phi-3", "phi3", sentencepiece=True, metadata=_NO_PREFIX),
    Family("Phi-3, Q4_0", "phi3", sentencepiece=True, weight_type="Q4_0"),
    Family("Phi-3, Q4_K", "phi3", sentencepiece=True, weight_type="Q4_K"),
    Family("falcon", "falcon", pre="falcon"),
    *(Family(f"llama, {kind}", weight_type=kind) for kind in WEIGHT_TYPES),
]


@dataclass(frozen=True)
class RealVocabulary:
    """The tokens, merges and types of a byte-level BPE vocabulary, read from a GGUF."""

    tokens: list[str]
    merges: list[str]
    types: list[int]

    @classmethod
    def read(cls, path: Path, size: int = 12_000) -> "RealVocabulary":
        """The first ``size`` tokens of the GGUF at ``path``."""
        fields = gguf.GGUFReader(path).fields
        tokens, merges, types = (
            fields[f"tokenizer.ggml.{name}"].contents()
            for name in ("tokens", "merges", "token_type")
        )
        known = set(tokens[:size])
        merges = [m for m in merges if {*m.split(" "), m.replace(" ", "")} <= known]
        return cls(tokens[:size], merges, types[:size])

    def byte_level(self) -> dict[str, Any]:
        """As metadata of a byte-level vocabulary, with two more special tokens."""
        added = {"<tool>": gguf.TokenType.USER_DEFINED, "|>a": gguf.TokenType.CONTROL}
        return {
            "model": "gpt2",
            "tokens": [*self.tokens, *added],
            "merges": self.merges,
            "token_type": [*self.types, *map(int, added.values())],
            "bos_token_id": 1,
            "eos_token_id": 2,
        }

    def sentencepiece(self) -> dict[str, Any]:
        """As metadata of a SentencePiece vocabulary: later merges have lower scores."""
        bytes_of = {character: byte for byte, character in bytes_to_unicode().items()}
        pieces = dict.fromkeys(["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))])
        special = len(pieces)
        for token in self.tokens[17:]:
            data = bytes(bytes_of[character] for character in token)
            try:
                pieces[data.decode().replace(" ", "▁")] = None
            except UnicodeDecodeError:
                continue
        # sentencepiece cannot have a piece with that character.
        pieces.pop("\0", None)
        kinds = gguf.TokenType
        types = [kinds.UNKNOWN, *[kinds.CONTROL] * 2, *[kinds.BYTE] * 256]
        types += [kinds.NORMAL] * (len(pieces) - special)
        added = dict.fromkeys(("<|endoftext|>", "<|end|>", "<|user|>"), kinds.CONTROL)
        added["<tool>"] = kinds.USER_DEFINED
        tokens = [*pieces, *added]
        return {
            "model": "llama",
            "tokens": tokens,
            "scores": [0.0] * special
            + [float(-i) for i in range(len(pieces) - special + len(added))],
            "token_type": [int(kind) for kind in [*types, *added.values()]],
            "bos_token_id": 1,
            "eos_token_id": 2,
        }


def write_family(path: Path, family: Family, vocabulary: RealVocabulary, seed: int = 0) -> Path:
    """Writes a random model of ``family``. The same seed gives the same weights."""
    tokens = vocabulary.sentencepiece() if family.sentencepiece else vocabulary.byte_level()
    if not family.sentencepiece and family.pre:
        tokens["pre"] = family.pre
    writer = gguf.GGUFWriter(path, arch=family.architecture)
    epsilon = "layer_norm_epsilon" if family.architecture == "falcon" else "layer_norm_rms_epsilon"
    values = {
        "general.name": family.name,
        f"{family.architecture}.block_count": BLOCKS,
        f"{family.architecture}.context_length": CONTEXT_LENGTH,
        f"{family.architecture}.embedding_length": EMBEDDING,
        f"{family.architecture}.feed_forward_length": FEED_FORWARD,
        f"{family.architecture}.attention.head_count": HEADS,
        f"{family.architecture}.attention.head_count_kv": KV_HEADS,
        f"{family.architecture}.attention.{epsilon}": 1e-5,
        f"{family.architecture}.rope.dimension_count": EMBEDDING // HEADS,
        **{f"tokenizer.ggml.{key}": value for key, value in tokens.items()},
        **family.metadata,
    }
    for key, value in values.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32,
               str: writer.add_string, list: writer.add_array}[type(value)]  # fmt: skip
        add(key, value)
    random = np.random.default_rng(seed)
    for name, shape in _shapes(family, len(tokens["tokens"])):
        _add_tensor(writer, random, name, shape, Type[family.weight_type])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes(family: Family, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "token_embd.weight", (vocabulary, EMBEDDING)
    yield "output_norm.weight", (EMBEDDING,)
    if not family.tied:
        yield "output.weight", (vocabulary, EMBEDDING)
    falcon = family.architecture == "falcon"
    if falcon:
        yield "output_norm.bias", (EMBEDDING,)
    for block in range(BLOCKS):
        shapes = {"attn_norm.weight": (EMBEDDING,), "attn_output.weight": (EMBEDDING, EMBEDDING)}
        if falcon:
            shapes |= {"attn_norm.bias": (EMBEDDING,)}
        else:
            shapes |= {"ffn_norm.weight": (EMBEDDING,)}
        if family.architecture == "llama":
            shapes |= {
                "attn_q.weight": (EMBEDDING, EMBEDDING),
                "attn_k.weight": (KV_ROWS, EMBEDDING),
                "attn_v.weight": (KV_ROWS, EMBEDDING),
                "ffn_gate.weight": (FEED_FORWARD, EMBEDDING),
            }
        else:
            shapes |= {"attn_qkv.weight": (EMBEDDING + 2 * KV_ROWS, EMBEDDING)}
        joined = 2 if family.architecture == "phi3" else 1
        shapes |= {
            "ffn_up.weight": (joined * FEED_FORWARD, EMBEDDING),
            "ffn_down.weight": (EMBEDDING, FEED_FORWARD),
        }
        for name, shape in shapes.items():
            yield f"blk.{block}.{name}", shape


def _add_tensor(
    writer: gguf.GGUFWriter,
    random: np.random.Generator,
    name: str,
    shape: tuple[int, ...],
    kind: Type,
) -> None:
    if len(shape) == 1:
        center = 0.0 if name.endswith("bias") else 1.0
        writer.add_tensor(name, random.normal(center, 0.1, shape).astype(np.float32))
    elif kind.name in _SCALES:
        writer.add_tensor(name, _k_quants(random, shape, kind), raw_dtype=kind)
    else:
        weights = random.normal(0, 0.08, shape).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)


def _k_quants(random: np.random.Generator, shape: tuple[int, ...], kind: Type) -> Any:
    """Random blocks: gguf can read K-quants but not make them."""
    size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (shape[0], shape[1] // size, block_bytes), dtype=np.uint8)
    for offset in _SCALES[kind.name]:
        scale = random.uniform(0.0005, 0.002, blocks.shape[:2]).astype(np.float16)
        blocks[:, :, offset : offset + 2] = scale[..., None].view(np.uint8)
    weights = gguf.quants.dequantize(blocks.reshape(shape[0], -1), kind)
    # Random bits do not have the mean 0 and the spread of weights; the scales set both.
    factor = np.float16(0.08 / weights.std())
    for offset in _SCALES[kind.name]:
        scale = blocks[:, :, offset : offset + 2].copy().view(np.float16) * factor
        blocks[:, :, offset : offset + 2] = scale.astype(np.float16).view(np.uint8)
    return blocks.reshape(shape[0], -1)
