"""Reading a GGUF with bounds checks, and judging whether it can run here.

ctransformers 0.2.27 crashes the process on a truncated file, a hostile header or a tensor
that it does not know, so nothing reaches it that has not passed `read_gguf`. The format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf

from .errors import ModelError

# ctransformers' ggml is of September 2023: no BF16, IQ*, MXFP4.
_WEIGHT_TYPES = frozenset(
    {"F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}
)
_TENSOR = re.compile(
    r"(token_embd|output_norm|output|blk\.\d+\.(attn_(norm|q|k|v|output)|ffn_(norm|gate|up|down)))"
    r"\.weight"
)
_BLOCK_TENSORS = (
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output",
    "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip


class _BoundedReader(gguf.GGUFReader):
    """gguf 0.19's reader reads past the end of a file as nothing, as often as the file says."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
        values = super()._get(offset, dtype, count, override_order)
        if len(values) < count:
            raise ValueError("it ends before its data do")
        return values


class GGUFFile:
    """The metadata and the tensor table of a GGUF; tensor data stays on the disk."""

    def __init__(self, path: Path, reader: gguf.GGUFReader) -> None:
        self.path = path
        self.tensors = reader.tensors
        self._fields = reader.fields

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a metadata key as Python's own type, or ``default``.

        Raises `ModelError` when a text in it is no UTF-8.
        """
        field = self._fields.get(key)
        try:
            return default if field is None else field.contents()
        except UnicodeDecodeError as error:
            raise self.unusable(f"{key} is no UTF-8.") from error

    def unusable(self, reason: str) -> ModelError:
        """The error that says why this file cannot be used."""
        return ModelError(f"{self.path.name} cannot be used: {reason}")

    def scalars(self, prefix: str) -> Iterator[tuple[str, Any, gguf.GGUFValueType]]:
        """Key, value and GGUF type of the metadata whose key begins with ``prefix``."""
        for key, field in self._fields.items():
            if key.startswith(prefix) and field.types[0] != gguf.GGUFValueType.ARRAY:
                yield key, field.contents(), field.types[0]


def read_gguf(path: Path) -> GGUFFile:
    """Reads and judges a GGUF.

    Raises `ModelError` with the reason when the file is damaged, is something else, or
    holds a model that ctransformers cannot express.
    """
    try:
        file = GGUFFile(path, _BoundedReader(path))
    # The reader has no error class of its own: what is out of bounds surfaces as any of these.
    except (ValueError, LookupError, OverflowError, RecursionError, TypeError) as error:
        raise ModelError(
            f"{path.name} cannot be used: it is damaged, truncated or no GGUF ({error})."
        ) from error
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    _judge(file)
    return file


def _judge(file: GGUFFile) -> None:
    architecture = file.get("general.architecture")
    if architecture != "llama":
        raise file.unusable(f"its architecture is {architecture!r}; only 'llama' runs here.")
    scaling = file.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise file.unusable(f"it needs {scaling!r} RoPE scaling, which the engine cannot apply.")
    _judge_sizes(file)
    _judge_vocabulary(file)
    names = {tensor.name for tensor in file.tensors}
    for tensor in file.tensors:
        if not _TENSOR.fullmatch(tensor.name):
            raise file.unusable(f"the engine cannot apply its tensor {tensor.name!r}.")
        if tensor.tensor_type.name not in _WEIGHT_TYPES:
            raise file.unusable(
                f"its weights are {tensor.tensor_type.name}, which the engine does not know. "
                "Use a Q4_K_M, Q5_K_M, Q8_0 or F16 version of the model."
            )
        if tensor.name.endswith("_norm.weight") and tensor.tensor_type.name != "F32":
            raise file.unusable(f"its tensor {tensor.name!r} is not F32, as the engine needs it.")
    for name in _required_tensors(file):
        if name not in names:
            raise file.unusable(f"the tensor {name!r} is missing.")


def _judge_sizes(file: GGUFFile) -> None:
    """What the engine divides by, allocates or looks up without a check of its own."""
    sizes = {}
    for name in ("block_count", "context_length", "embedding_length", "attention.head_count"):
        size = file.get(f"llama.{name}")
        if type(size) is not int or size < 1:
            raise file.unusable(f"its metadata have no valid llama.{name}.")
        sizes[name] = size
    heads = sizes["attention.head_count"]
    kv_heads = file.get("llama.attention.head_count_kv", heads)
    if type(kv_heads) is not int or kv_heads < 1 or heads % kv_heads:
        raise file.unusable("it has no valid llama.attention.head_count_kv.")
    if sizes["embedding_length"] % heads:
        raise file.unusable("its embedding length is no multiple of its attention heads.")


def _judge_vocabulary(file: GGUFFile) -> None:
    """What the tokenizer and the chat template are made of."""
    lists = [("tokens", str), ("token_type", int)]
    if file.get("tokenizer.ggml.model") == "gpt2":  # the others have scores instead
        lists.append(("merges", str))
    for name, kind in lists:
        values = file.get(f"tokenizer.ggml.{name}")
        if not isinstance(values, list) or not all(type(value) is kind for value in values):
            raise file.unusable(f"it has no valid tokenizer.ggml.{name}.")
    tokens = file.get("tokenizer.ggml.tokens")
    rows = [tensor.shape[-1] for tensor in file.tensors if tensor.name == "token_embd.weight"]
    if rows != [len(tokens)]:
        raise file.unusable("it has not one embedding for each token of its vocabulary.")
    for name in ("bos", "eos"):
        token = file.get(f"tokenizer.ggml.{name}_token_id", 0)
        if type(token) is not int or token not in range(len(tokens)):
            raise file.unusable(f"its {name}_token_id is no token.")
    for name, default in (("chat_template", ""), ("ggml.add_bos_token", False), ("ggml.pre", "")):
        if type(file.get(f"tokenizer.{name}", default)) is not type(default):
            raise file.unusable(f"it has no valid tokenizer.{name}.")


def _required_tensors(file: GGUFFile) -> Iterator[str]:
    yield "token_embd.weight"
    yield "output_norm.weight"
    for block in range(file.get("llama.block_count")):
        for tensor in _BLOCK_TENSORS:
            yield f"blk.{block}.{tensor}.weight"
