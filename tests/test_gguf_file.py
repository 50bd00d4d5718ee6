import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from app.inference.errors import ModelError
from app.inference.gguf_file import read_gguf

from .tiny_gguf import EMBEDDING, TOKENS, write_tiny_gguf


def test_metadata_are_read_as_pythons_own_types(tmp_path: Path) -> None:
    file = read_gguf(write_tiny_gguf(tmp_path / "a.gguf"))
    assert file.get("llama.block_count") == 2
    assert file.get("tokenizer.ggml.tokens") == TOKENS
    assert file.get("tokenizer.ggml.add_bos_token") is False
    assert file.get("nothing") is None


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "'yarn' RoPE scaling"),
        ({"llama.block_count": None}, "no valid llama.block_count"),
        ({"llama.block_count": 0}, "no valid llama.block_count"),
        ({"llama.block_count": 3}, "'blk.2.attn_norm.weight' is missing"),
        ({"llama.context_length": "long"}, "no valid llama.context_length"),
        ({"llama.attention.head_count": 0}, "no valid llama.attention.head_count"),
        ({"llama.attention.head_count": 5}, "no valid llama.attention.head_count_kv"),
        ({"llama.attention.head_count_kv": 0}, "no valid llama.attention.head_count_kv"),
        ({"llama.embedding_length": 33}, "no multiple of its attention heads"),
        ({"tokenizer.ggml.tokens": None}, "no valid tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.merges": [1, 2]}, "no valid tokenizer.ggml.merges"),
        ({"tokenizer.ggml.merges": "a b"}, "no valid tokenizer.ggml.merges"),
        ({"tokenizer.ggml.token_type": 1}, "no valid tokenizer.ggml.token_type"),
        ({"tokenizer.ggml.pre": ["smollm"]}, "no valid tokenizer.ggml.pre"),
        ({"tokenizer.ggml.add_bos_token": 1}, "no valid tokenizer.ggml.add_bos_token"),
        ({"tokenizer.ggml.bos_token_id": len(TOKENS)}, "its bos_token_id is no token"),
        ({"tokenizer.ggml.tokens": TOKENS[:-1]}, "one embedding for each token"),
        ({"tokenizer.ggml.eos_token_id": len(TOKENS)}, "its eos_token_id is no token"),
        ({"tokenizer.chat_template": 5}, "no valid tokenizer.chat_template"),
    ],
)
def test_numbers_that_would_crash_the_engine_are_refused(
    tmp_path: Path, metadata: dict[str, Any], reason: str
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", metadata=metadata)
    with pytest.raises(ModelError, match=f"a.gguf cannot be used: .*{reason}"):
        read_gguf(path)


@pytest.mark.parametrize("name", ["output_norm.weight", "blk.1.ffn_up.weight"])
def test_a_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors={name: None})
    with pytest.raises(ModelError, match=name):
        read_gguf(path)


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.0.attn_q.bias"])
def test_a_tensor_that_the_engine_cannot_apply_is_named(tmp_path: Path, name: str) -> None:
    extra = {name: np.zeros(EMBEDDING, dtype=np.float32)}
    with pytest.raises(ModelError, match=name):
        read_gguf(write_tiny_gguf(tmp_path / "a.gguf", tensors=extra))


def test_a_weight_type_that_the_engine_does_not_know_is_named(tmp_path: Path) -> None:
    weights = gguf.quants.quantize(
        np.zeros((len(TOKENS), 256), np.float32), gguf.GGMLQuantizationType.TQ1_0
    )
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", arch="llama")
    write_tiny_gguf(tmp_path / "plain.gguf")
    plain = gguf.GGUFReader(tmp_path / "plain.gguf")
    for key, field in plain.fields.items():
        if key.startswith(("llama.", "tokenizer.")):
            kind = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], kind)
    writer.add_tensor("token_embd.weight", weights, raw_dtype=gguf.GGMLQuantizationType.TQ1_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=r"its weights are TQ1_0.*Use a Q4_K_M"):
        read_gguf(tmp_path / "a.gguf")


def test_norms_must_be_f32(tmp_path: Path) -> None:
    norm = {"blk.0.ffn_norm.weight": np.ones(EMBEDDING, dtype=np.float16)}
    with pytest.raises(ModelError, match=r"'blk\.0\.ffn_norm\.weight' is not F32"):
        read_gguf(write_tiny_gguf(tmp_path / "a.gguf", tensors=norm))


def test_another_architecture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="its architecture is 'qwen2'"):
        read_gguf(write_tiny_gguf(tmp_path / "a.gguf", architecture="qwen2"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="damaged, truncated or no GGUF"):
        read_gguf(path)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>404 Not Found</html>",
        b"GGUF\x03\x00\x00\x00" + b"\xff" * 16,
        b"GGUF\x03\x00\x00\x00" + bytes(8) + b"\x00" * 7 + b"\x20",
        b"GGUF\x03\x00\x00\x00" + bytes(8) + b"\x01" + bytes(7) + b"\xff" * 8,
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 0, 1 << 40),
    ],
    ids=["foreign", "counts of 2^64", "keys of 2^61", "a key of 2^64 bytes", "array of 2^40"],
)
def test_hostile_headers_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(ModelError, match="damaged, truncated or no GGUF"):
        read_gguf(tmp_path / "a.gguf")


def test_a_file_that_is_gone_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.gguf cannot be read: No such file"):
        read_gguf(tmp_path / "a.gguf")


def test_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    path.write_bytes(path.read_bytes().replace(b"assistant", b"assist\xffnt"))
    with pytest.raises(ModelError, match=r"tokenizer\.chat_template is no UTF-8"):
        read_gguf(path)
