"""A copy of a model in F16, which makes greedy texts comparable between engines."""

from contextlib import closing
from pathlib import Path

import gguf
import numpy as np


def write_f16_copy(source: Path, target: Path) -> Path:
    """Writes ``source`` to ``target`` with its quantised weights as F16."""
    reader = gguf.GGUFReader(source)
    with closing(gguf.GGUFWriter(target, arch="llama")) as writer:
        for key, field in reader.fields.items():
            if not key.startswith("GGUF.") and key != "general.architecture":
                item_type = field.types[1] if len(field.types) > 1 else None
                writer.add_key_value(key, field.contents(), field.types[0], item_type)
        for tensor in reader.tensors:
            weights = tensor.data
            if tensor.tensor_type != gguf.GGMLQuantizationType.F32:
                weights = gguf.quants.dequantize(weights, tensor.tensor_type).astype(np.float16)
            writer.add_tensor(tensor.name, weights)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return target
