"""Tensors as ctransformers gets them: whole rows of a GGUF's tensors, maybe in another type."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.gguf_reader import ReaderTensor
from numpy.typing import NDArray

from ...exceptions import ModelError

# Types that can be converted into each other, as numpy's types. BF16 is the upper half of F32.
CONVERTIBLE = {Type.F32: "<f4", Type.F16: "<f2", Type.BF16: "<u2"}
_CHUNK_BYTES = 16 << 20


@dataclass(frozen=True)
class Tensor:
    """A tensor as ctransformers gets it: ``rows`` of ``source``, as ``type``.

    With ``heads``, the rows of each head change from NeoX' rotary order to the interleaved one.
    """

    name: str
    source: ReaderTensor
    rows: slice
    type: Type
    heads: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, or the length of a vector."""
        columns = int(self.source.shape[0])
        return (columns,) if len(self.source.shape) == 1 else (self._count, columns)

    @property
    def unchanged(self) -> bool:
        """Whether the file has exactly this tensor."""
        return (
            self.name == self.source.name
            and self.rows == slice(0, rows_of(self.source))
            and self.type is self.source.tensor_type
            and not self.heads
        )

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._count * self._row_size(self.type)

    def chunks(self, file: BinaryIO) -> Iterator[NDArray[np.uint8]]:
        """The bytes in pieces of a few megabytes, read from the open GGUF ``file``."""
        row_size = self._row_size(self.source.tensor_type)
        group = self._count // self.heads if self.heads else 1
        step = max(1, _CHUNK_BYTES // row_size // group) * group
        file.seek(self.source.data_offset + self.rows.start * row_size)
        for start in range(0, self._count, step):
            count = min(step, self._count - start)
            data: Any = np.frombuffer(file.read(count * row_size), np.uint8)
            if self.heads:
                data = data.reshape(-1, 2, group // 2, row_size).swapaxes(1, 2)
            yield np.ascontiguousarray(self._converted(data))

    def _converted(self, data: Any) -> Any:
        old = self.source.tensor_type
        if old is self.type:
            return data
        values = np.ascontiguousarray(data).view(CONVERTIBLE[old])
        if old is Type.BF16:
            values = (values.astype("<u4") << 16).view("<f4")
        with np.errstate(over="ignore"):
            converted = values.astype(CONVERTIBLE[self.type])
        if not np.isfinite(converted).all():
            raise ModelError(f"Its tensor {self.source.name!r} has a number too large for F16.")
        return converted.view(np.uint8)

    @property
    def _count(self) -> int:
        return int(self.rows.stop - self.rows.start)

    def _row_size(self, kind: Type) -> int:
        block, block_size = gguf.GGML_QUANT_SIZES[kind]
        return int(self.source.shape[0]) // block * block_size


def rows_of(tensor: ReaderTensor) -> int:
    """How many rows a tensor has. A vector has one."""
    return 1 if len(tensor.shape) == 1 else int(tensor.shape[1])
