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


class GGUFFile:
    """The metadata and the tensor table of a GGUF; tensor data stays on the disk."""

    def __init__(self, path: Path, reader: gguf.GGUFReader) -> None:
        self.path = path
        self.tensors = reader.tensors
        self._fields = reader.fields

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a metadata key as Python's own type, or ``default``."""
        field = self._fields.get(key)
        return default if field is None else field.contents()

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
        file = GGUFFile(path, gguf.GGUFReader(path))
        _judge(file)
    except ModelError as error:
        raise ModelError(f"{path.name} cannot be used: {error}") from error
    # GGUFReader has no error class of its own: what is out of bounds surfaces as any of these.
    except (ValueError, LookupError, OverflowError, RecursionError, TypeError) as error:
        raise ModelError(
            f"{path.name} cannot be used: it is damaged, truncated or no GGUF ({error})."
        ) from error
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    return file


def _judge(file: GGUFFile) -> None:
    architecture = file.get("general.architecture")
    if architecture != "llama":
        raise ModelError(f"its architecture is {architecture!r}; only 'llama' runs here.")
    scaling = file.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise ModelError(f"it needs {scaling!r} RoPE scaling, which the engine cannot apply.")
    names = {tensor.name for tensor in file.tensors}
    for tensor in file.tensors:
        if not _TENSOR.fullmatch(tensor.name):
            raise ModelError(f"the engine cannot apply its tensor {tensor.name!r}.")
        if tensor.tensor_type.name not in _WEIGHT_TYPES:
            raise ModelError(
                f"its weights are {tensor.tensor_type.name}, which the engine does not know. "
                "Use a Q4_K_M, Q5_K_M, Q8_0 or F16 version of the model."
            )
    for name in _required_tensors(file):
        if name not in names:
            raise ModelError(f"the tensor {name!r} is missing.")


def _required_tensors(file: GGUFFile) -> Iterator[str]:
    yield "token_embd.weight"
    yield "output_norm.weight"
    for block in range(int(file.get("llama.block_count", 0))):
        for tensor in _BLOCK_TENSORS:
            yield f"blk.{block}.{tensor}.weight"
