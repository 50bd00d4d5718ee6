"""Writes a GGUF that ctransformers can load, from one that it cannot.

ctransformers 0.2.27 does not know tied embeddings, joined matrices or BF16, and crashes on today's
byte-level vocabularies. The new file has the tensors of `weights`, the few metadata that
ctransformers reads, and placeholders for tokens, because its own tokenizer is never used.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import gguf
import numpy as np
from gguf import GGUFValueType as Kind

from ...models.facts import VocabularyFacts
from ...models.gguf_file import GGUFFile
from .tensors import Tensor
from .weights import Sizes

# The keys that ctransformers reads, besides the architecture's own, with the only type it accepts.
_KINDS = {
    "general.architecture": [Kind.STRING],
    "general.name": [Kind.STRING],
    "general.alignment": [Kind.UINT32],
    "general.file_type": [Kind.UINT32],
    "tokenizer.ggml.model": [Kind.STRING],
    "tokenizer.ggml.tokens": [Kind.ARRAY, Kind.STRING],
    "tokenizer.ggml.scores": [Kind.ARRAY, Kind.FLOAT32],
    "tokenizer.ggml.token_type": [Kind.ARRAY, Kind.INT32],
    "tokenizer.ggml.bos_token_id": [Kind.UINT32],
    "tokenizer.ggml.eos_token_id": [Kind.UINT32],
    "tokenizer.ggml.unknown_token_id": [Kind.UINT32],
    "tokenizer.ggml.seperator_token_id": [Kind.UINT32],
    "tokenizer.ggml.padding_token_id": [Kind.UINT32],
}


def loads_as_it_is(
    file: GGUFFile, sizes: Sizes, tensors: Sequence[Tensor], vocabulary: VocabularyFacts
) -> bool:
    """Whether ctransformers can load the file itself. It can if the file is like those of 2023."""
    kinds, wanted = dict(file.kinds()), _engine_keys(sizes)
    expected = _KINDS | {key: [kind] for key, (_, kind) in wanted.items()}
    return (
        vocabulary.kind == "llama"
        and file.get("general.architecture") == sizes.engine_architecture
        and len(file.tensors) == len(tensors)
        and all(tensor.unchanged for tensor in tensors)
        and all(kinds.get(key, kind) == kind for key, kind in expected.items())
        and all(key in kinds for key in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"))
        and all(file.get(key, value) == value for key, (value, _) in wanted.items())
        # ctransformers has no default for these keys.
        and all(key in kinds for key in wanted.keys() - _optional_keys(sizes))
    )


def write_adapted(
    sizes: Sizes,
    tensors: Sequence[Tensor],
    source: Path,
    target: Path,
    progress: Callable[[int], None],
) -> None:
    """Writes ``target``, and reads ``source`` in pieces of a few megabytes.

    ``progress`` gets the number of bytes of each piece. Raises `OSError`, and `ModelError` if a
    weight cannot be converted.
    """
    with closing(gguf.GGUFWriter(target, arch=sizes.engine_architecture)) as writer:
        for key, (value, kind) in _engine_keys(sizes).items():
            writer.add_key_value(key, value, kind)
        _add_placeholder_vocabulary(writer, sizes.vocabulary)
        for tensor in tensors:
            writer.add_tensor_info(
                tensor.name, tensor.shape, np.dtype(np.float32), tensor.size, tensor.type
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    with source.open("rb") as old, target.open("ab") as new:
        for tensor in tensors:
            _pad(new, writer.data_alignment)
            for chunk in tensor.chunks(old):
                new.write(chunk.data)
                progress(chunk.nbytes)
        _pad(new, writer.data_alignment)


def _engine_keys(sizes: Sizes) -> dict[str, tuple[float, Kind]]:
    """The sizes, with the names and types that ctransformers reads."""
    epsilon = (
        "layer_norm_epsilon" if sizes.engine_architecture == "falcon" else "layer_norm_rms_epsilon"
    )
    keys: dict[str, tuple[float, Kind]] = {
        "context_length": (sizes.context_length, Kind.UINT32),
        "embedding_length": (sizes.embedding, Kind.UINT32),
        "block_count": (sizes.blocks, Kind.UINT32),
        "feed_forward_length": (sizes.feed_forward, Kind.UINT32),
        "attention.head_count": (sizes.heads, Kind.UINT32),
        "attention.head_count_kv": (sizes.kv_heads, Kind.UINT32),
        "rope.dimension_count": (sizes.head, Kind.UINT32),
        "rope.freq_base": (sizes.rope_base, Kind.FLOAT32),
        "rope.scale_linear": (sizes.rope_scale, Kind.FLOAT32),
        f"attention.{epsilon}": (sizes.norm_epsilon, Kind.FLOAT32),
    }
    return {f"{sizes.engine_architecture}.{key}": value for key, value in keys.items()}


def _optional_keys(sizes: Sizes) -> set[str]:
    """The keys for which ctransformers has the same default as the reader of the file."""
    optional = {"attention.head_count_kv", "rope.dimension_count", "rope.freq_base"}
    if sizes.rope_scale == 1:
        optional.add("rope.scale_linear")
    return {f"{sizes.engine_architecture}.{key}" for key in optional}


def _add_placeholder_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Adds a vocabulary that ctransformers accepts, with bytes, as it looks up the newline."""
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<0x{i:02X}>" if i < 256 else f"<{i}>" for i in range(size)])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)


def _pad(file: BinaryIO, alignment: int) -> None:
    file.write(bytes(-file.tell() % alignment))
