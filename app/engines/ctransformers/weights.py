"""Which weights of a GGUF ctransformers can load, and how they are rearranged for it.

ctransformers 0.2.27 is llama.cpp of September 2023. It has the architectures `llama` and `falcon`
as they were then. Only whole rows of a tensor are moved, so quantised data stay as they are.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.gguf_reader import ReaderTensor

from ...models.gguf_file import GGUFFile
from .tensors import CONVERTIBLE, Tensor, rows_of

# ctransformers' ggml is from September 2023 and lacks IQ*, TQ* and MXFP4. BF16 is converted.
_WEIGHT_TYPES = frozenset(
    {
        Type.F32, Type.F16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0,
        Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K,
    }
)  # fmt: skip
_MOST_FACTORS = 1 << 16


@dataclass(frozen=True)
class Sizes:
    """The numbers that shape a model, and the architecture that ctransformers runs it as."""

    engine_architecture: str
    blocks: int
    context_length: int
    embedding: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int
    norm_epsilon: float
    rope_base: float
    rope_scale: float

    @property
    def head(self) -> int:
        """The dimensions of one attention head."""
        return self.embedding // self.heads

    @property
    def kv_rows(self) -> int:
        """The number of rows of the key matrix, and of the value matrix."""
        return self.kv_heads * self.head

    @property
    def token_bytes(self) -> int:
        """The bytes that a token takes in the KV cache: a key and a value in F16 for each block."""
        return 2 * 2 * self.blocks * self.kv_rows


def judge_weights(file: GGUFFile, vocabulary: int) -> tuple[Sizes, list[Tensor]]:
    """The sizes of the model and the tensors that ctransformers needs.

    ``vocabulary`` is the number of tokens. Raises `ModelError` with the reason if ctransformers
    cannot run the model.
    """
    architecture = file.get("general.architecture")
    sizes = _sizes(file, architecture, vocabulary)
    unused = dict(file.tensors)
    tensors = list(_LAYOUTS[architecture](_Taker(file, unused), sizes))
    for name, tensor in unused.items():
        if not (re.match("rope_(freqs|factors)", name) and _all_ones(file.path, tensor)):
            raise file.unusable(_why_not(name))
    return sizes, tensors


def _why_not(tensor: str) -> str:
    if tensor.startswith("rope_"):
        return (
            f"it scales its rotary frequencies ({tensor!r}, as Llama 3.1, 3.2 and long-context "
            "models do), which the engine cannot apply. Llama 3, Llama 2, Mistral, SmolLM2 "
            "and Phi-3 4k run here."
        )
    if "_exps" in tensor or "gate_inp" in tensor:
        return "it is a mixture of experts, which the engine cannot apply."
    return f"the engine cannot apply its tensor {tensor!r}."


def _sizes(file: GGUFFile, architecture: str, vocabulary: int) -> Sizes:
    """The numbers that the engine divides by, allocates or looks up without checking them."""

    def key(name: str) -> str:
        return f"{architecture}.{name}"

    def size(name: str, default: Any = None) -> int:
        value = file.get(key(name), default)
        if type(value) is not int or not 0 < value < 2**31:
            raise file.unusable(f"its metadata lack a valid {key(name)}.")
        return value

    def number(name: str, default: float | None = None) -> float:
        value = file.get(key(name), default)
        if type(value) is not float or not 0 < value < float("inf"):
            raise file.unusable(f"its metadata lack a valid {key(name)}.")
        return value

    heads, embedding = size("attention.head_count"), size("embedding_length")
    kv_heads = size("attention.head_count_kv", heads)
    if heads % kv_heads:
        raise file.unusable("its attention heads are not a multiple of its key-value heads.")
    if embedding % heads:
        raise file.unusable("its embedding length is not a multiple of its attention heads.")
    head = embedding // heads
    if head % 2:
        raise file.unusable("its attention heads have an odd number of dimensions.")
    for name in ("rope.dimension_count", "attention.key_length", "attention.value_length"):
        if file.get(key(name), head) != head:
            raise file.unusable(f"its {key(name)} is not {head}, which the engine needs.")
    for name in (
        "attention.scale", "embedding_scale", "residual_scale", "logit_scale",
        "rope.scaling.attn_factor",
    ):  # fmt: skip
        if file.get(key(name), 0.0) not in (0.0, 1.0):
            raise file.unusable(f"the engine cannot apply its {key(name)}.")
    context_length = size("context_length")
    original = key("rope.scaling.original_context_length")
    if architecture == "phi3" and type(file.get(original)) is int:
        context_length = min(context_length, size("rope.scaling.original_context_length"))
    epsilon = "layer_norm_epsilon" if architecture == "falcon" else "layer_norm_rms_epsilon"
    return Sizes(
        engine_architecture="falcon" if architecture == "falcon" else "llama",
        blocks=size("block_count"),
        context_length=context_length,
        embedding=embedding,
        feed_forward=size("feed_forward_length"),
        heads=heads,
        kv_heads=kv_heads,
        vocabulary=vocabulary,
        norm_epsilon=number(f"attention.{epsilon}"),
        rope_base=number("rope.freq_base", 10000.0),
        rope_scale=_rope_scale(file, key, number),
    )


def _rope_scale(
    file: GGUFFile, key: Callable[[str], str], number: Callable[[str, float], float]
) -> float:
    """The number by which positions are divided. The engine has only this linear scaling.

    As in llama.cpp (src/llama-model.cpp), scaling is linear if no type is given.
    """
    kind = file.get(key("rope.scaling.type"), "linear")
    # Phi-3 says "longrope" or nothing. What counts is whether it has the factors.
    if kind == "none" or (kind == "longrope" and key("") == "phi3."):
        return 1.0
    if kind != "linear":
        raise file.unusable(f"it needs {kind!r} RoPE scaling, which the engine cannot apply.")
    old_key = number("rope.scale_linear", 1.0)
    return number("rope.scaling.factor", old_key)


class _Taker:
    """Takes tensors out of a file's table, and checks their shape and type."""

    def __init__(self, file: GGUFFile, unused: dict[str, ReaderTensor]) -> None:
        self._file = file
        self._unused = unused

    def take(self, name: str, *shape: int) -> ReaderTensor:
        """The tensor with that name. ``shape`` is in numpy's order. Raises `ModelError`."""
        if (tensor := self._unused.pop(name, None)) is None:
            raise self._file.unusable(f"the tensor {name!r} is missing.")
        self._type(tensor)
        if tuple(map(int, tensor.shape[::-1])) != shape:
            raise self._file.unusable(f"its tensor {name!r} does not have the shape {shape}.")
        return tensor

    def has(self, name: str) -> bool:
        """Whether there is a tensor with that name that was not taken yet."""
        return name in self._unused

    def whole(self, name: str, *shape: int) -> Tensor:
        """A tensor that keeps its name and rows. Raises `ModelError`."""
        return self.part(name, self.take(name, *shape))

    def part(
        self, name: str, source: ReaderTensor, rows: slice | None = None, heads: int = 0
    ) -> Tensor:
        """``rows`` of a tensor, or all of them, under a new name. Raises `ModelError`."""
        kind = self._type(source)
        return Tensor(name, source, rows or slice(0, rows_of(source)), kind, heads)

    def _type(self, tensor: ReaderTensor) -> Type:
        kind = tensor.tensor_type
        if len(tensor.shape) == 1:
            if kind not in CONVERTIBLE:
                raise self._file.unusable(f"its tensor {tensor.name!r} is {kind.name}, not F32.")
            return Type.F32  # the only type that ctransformers' ggml accepts for vectors
        if kind is Type.BF16:
            return Type.F16
        if kind not in _WEIGHT_TYPES:
            raise self._file.unusable(
                f"its weights are {kind.name}, which the engine does not know. "
                "Use a Q4_K_M, Q5_K_M, Q8_0 or F16 version of the model."
            )
        return kind


def _llama(take: _Taker, sizes: Sizes) -> Iterator[Tensor]:
    yield from _outside_the_blocks(take, sizes)
    for block in range(sizes.blocks):
        name = partial("blk.{}.{}.weight".format, block)
        yield take.whole(name("attn_norm"), sizes.embedding)
        yield take.whole(name("attn_q"), sizes.embedding, sizes.embedding)
        yield take.whole(name("attn_k"), sizes.kv_rows, sizes.embedding)
        yield take.whole(name("attn_v"), sizes.kv_rows, sizes.embedding)
        yield take.whole(name("attn_output"), sizes.embedding, sizes.embedding)
        yield take.whole(name("ffn_norm"), sizes.embedding)
        yield take.whole(name("ffn_gate"), sizes.feed_forward, sizes.embedding)
        yield take.whole(name("ffn_up"), sizes.feed_forward, sizes.embedding)
        yield take.whole(name("ffn_down"), sizes.embedding, sizes.feed_forward)


def _phi3(take: _Taker, sizes: Sizes) -> Iterator[Tensor]:
    """Phi-3 is a Llama with joined matrices and the other order of rotary pairs."""
    yield from _outside_the_blocks(take, sizes)
    q, k = sizes.embedding, sizes.embedding + sizes.kv_rows
    for block in range(sizes.blocks):
        name = partial("blk.{}.{}.weight".format, block)
        yield take.whole(name("attn_norm"), sizes.embedding)
        joined = take.take(name("attn_qkv"), k + sizes.kv_rows, sizes.embedding)
        yield take.part(name("attn_q"), joined, slice(0, q), sizes.heads)
        yield take.part(name("attn_k"), joined, slice(q, k), sizes.kv_heads)
        yield take.part(name("attn_v"), joined, slice(k, k + sizes.kv_rows))
        yield take.whole(name("attn_output"), sizes.embedding, sizes.embedding)
        yield take.whole(name("ffn_norm"), sizes.embedding)
        joined = take.take(name("ffn_up"), 2 * sizes.feed_forward, sizes.embedding)
        yield take.part(name("ffn_gate"), joined, slice(0, sizes.feed_forward))
        yield take.part(name("ffn_up"), joined, slice(sizes.feed_forward, 2 * sizes.feed_forward))
        yield take.whole(name("ffn_down"), sizes.embedding, sizes.feed_forward)


def _falcon(take: _Taker, sizes: Sizes) -> Iterator[Tensor]:
    yield from _outside_the_blocks(take, sizes)
    yield take.whole("output_norm.bias", sizes.embedding)
    for block in range(sizes.blocks):
        name = partial("blk.{}.{}".format, block)
        norms = (
            ("attn_norm", "attn_norm_2") if take.has(name("attn_norm_2.weight")) else ("attn_norm",)
        )
        for norm in norms:
            yield take.whole(name(f"{norm}.weight"), sizes.embedding)
            yield take.whole(name(f"{norm}.bias"), sizes.embedding)
        yield take.whole(
            name("attn_qkv.weight"), sizes.embedding + 2 * sizes.kv_rows, sizes.embedding
        )
        yield take.whole(name("attn_output.weight"), sizes.embedding, sizes.embedding)
        yield take.whole(name("ffn_up.weight"), sizes.feed_forward, sizes.embedding)
        yield take.whole(name("ffn_down.weight"), sizes.embedding, sizes.feed_forward)


def _outside_the_blocks(take: _Taker, sizes: Sizes) -> Iterator[Tensor]:
    embedding = take.take("token_embd.weight", sizes.vocabulary, sizes.embedding)
    yield take.part("token_embd.weight", embedding)
    yield take.whole("output_norm.weight", sizes.embedding)
    if take.has("output.weight"):
        yield take.whole("output.weight", sizes.vocabulary, sizes.embedding)
    else:  # tied embeddings, which ctransformers lacks
        yield take.part("output.weight", embedding)


_LAYOUTS = {"llama": _llama, "phi3": _phi3, "falcon": _falcon}
ARCHITECTURES = tuple(_LAYOUTS)


def _all_ones(path: Path, tensor: ReaderTensor) -> bool:
    """Whether a vector of factors changes nothing."""
    if tensor.tensor_type is not Type.F32 or tensor.n_elements > _MOST_FACTORS:
        return False
    with path.open("rb") as file:
        file.seek(tensor.data_offset)
        return bool((np.frombuffer(file.read(tensor.n_bytes), "<f4") == 1).all())
