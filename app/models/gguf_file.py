"""Reads a GGUF's metadata and tensor table without leaving its bounds, whatever it claims.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.gguf_reader import ReaderField, ReaderTensor

from ..exceptions import ModelError

# Far more than any model has, but low enough to refuse files that claim more at once.
_MOST_KEYS, _MOST_TENSORS, _LONGEST_LIST = 10_000, 100_000, 4_000_000


class _Reader(gguf.GGUFReader):
    """gguf 0.19's reader, made safe and fast by overriding three of its private methods.

    Past the end of a file, the original reads nothing, as often as the file says. It also takes
    35 µs for each element of a list, and so seconds for a vocabulary.
    """

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
        values = super()._get(offset, dtype, count, override_order)
        if len(values) < count:
            raise ValueError("it ends before its data do")
        return values

    def _get_field_parts(
        self, orig_offs: int, raw_type: int
    ) -> tuple[int, list[Any], list[int], list[gguf.GGUFValueType]]:
        if raw_type != gguf.GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        kind = gguf.GGUFValueType(int(self._get(orig_offs, np.uint32)[0]))
        count = int(self._get(orig_offs + 4, np.uint64)[0])
        start = orig_offs + 12
        types = [gguf.GGUFValueType.ARRAY, kind]
        if kind is gguf.GGUFValueType.STRING:
            strings, end = self._strings(start, count)
            return end - orig_offs, strings, list(range(count)), types
        if (dtype := self.gguf_scalar_to_np.get(kind)) is None:
            raise ValueError("it has lists of lists")
        values = self._get(start, dtype, count)
        return 12 + values.nbytes, [values], [0], types

    def _strings(self, start: int, count: int) -> tuple[list[Any], int]:
        """A list of strings as arrays of bytes, and where it ends."""
        if count > _LONGEST_LIST:
            raise ValueError(f"it has a list of {count} strings")
        data = np.asarray(self.data)
        view: memoryview = data.data
        read_length = struct.Struct(">Q" if self.endianess == gguf.GGUFEndian.BIG else "<Q").unpack
        strings = []
        for _ in range(count):
            if start + 8 > len(data):
                raise ValueError("it ends before its data do")
            (length,) = read_length(view[start : start + 8])
            start += 8 + length
            if start > len(data):
                raise ValueError("it ends before its data do")
            strings.append(data[start - length : start])
        return strings, start

    def _build_fields(self, offs: int, count: int) -> int:
        if count > _MOST_KEYS:
            raise ValueError(f"it claims to have {count} keys")
        return super()._build_fields(offs, count)

    def _build_tensor_info(self, offs: int, count: int) -> tuple[int, list[ReaderField]]:
        if count > _MOST_TENSORS:
            raise ValueError(f"it claims to have {count} tensors")
        return super()._build_tensor_info(offs, count)


class GGUFFile:
    """The metadata and the tensor table of a GGUF. Tensor data stay on the disk.

    ``tensors`` are gguf's, by name: ``shape`` (the length of a row first), ``tensor_type``,
    ``n_bytes``, ``data_offset`` in bytes.
    """

    def __init__(self, path: Path, reader: gguf.GGUFReader) -> None:
        self.path = path
        self.tensors: dict[str, ReaderTensor] = {tensor.name: tensor for tensor in reader.tensors}
        self._fields = reader.fields

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a metadata key as one of Python's own types, or ``default``.

        Raises `ModelError` if a text in it is not UTF-8.
        """
        field = self._fields.get(key)
        try:
            return default if field is None else field.contents()
        except UnicodeDecodeError as error:
            raise self.unusable(f"{key} is not UTF-8.") from error

    def typed(self, key: str, kind: type, default: Any = None) -> Any:
        """Like `get`, for a scalar. Raises `ModelError` if the value is not of ``kind``."""
        value = self.get(key, default)
        if value is not default and type(value) is not kind:
            raise self.unusable(f"it has no valid {key}.")
        return value

    def list_of(self, key: str, kind: type) -> list[Any]:
        """The list at ``key``. Raises `ModelError` unless it is a list of ``kind``."""
        values = self.get(key)
        if not isinstance(values, list) or not all(type(value) is kind for value in values):
            raise self.unusable(f"it has no valid {key}.")
        return values

    def kinds(self) -> Iterator[tuple[str, list[gguf.GGUFValueType]]]:
        """Each metadata key with its GGUF type and, for lists, the type of the elements."""
        for key, field in self._fields.items():
            yield key, field.types

    def unusable(self, reason: str) -> ModelError:
        """An error that says why this file cannot be used."""
        return ModelError(f"{self.path.name} cannot be used: {reason}")


def read_gguf(path: Path) -> GGUFFile:
    """Reads a GGUF's metadata and tensor table.

    Raises `ModelError` with the reason if the file is damaged or is not a GGUF.
    """
    try:
        reader = _Reader(path)
    # The reader has no error class of its own. Damage shows as any of these.
    except (ValueError, LookupError, OverflowError, RecursionError, TypeError) as error:
        raise ModelError(
            f"{path.name} cannot be used: it is damaged, truncated or not a GGUF ({error})."
        ) from error
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    file = GGUFFile(path, reader)
    if reader.endianess == gguf.GGUFEndian.BIG:
        raise file.unusable("it is a big-endian GGUF; download the usual, little-endian one.")
    if (parts := file.typed("split.count", int, 0)) > 1:
        raise file.unusable(
            f"it is one of {parts} parts of a model; join them with "
            "llama.cpp's `llama-gguf-split --merge`."
        )
    return file
