import struct
from pathlib import Path

import gguf
import pytest

from app.exceptions import ModelError
from app.models.gguf_file import read_gguf

from .tiny_gguf import TOKENS, write_tiny_gguf


def test_metadata_are_read_as_pythons_own_types(tmp_path: Path) -> None:
    file = read_gguf(write_tiny_gguf(tmp_path / "a.gguf"))
    assert file.get("llama.block_count") == 2
    assert file.get("tokenizer.ggml.tokens") == TOKENS
    assert file.get("tokenizer.ggml.add_bos_token") is False
    assert file.get("nothing") is None


def test_lists_of_numbers_and_of_strings_are_read(tmp_path: Path) -> None:
    metadata = {
        "a.strings": ["", "é", "x" * 1000],
        "a.floats": [0.5, -1.0],
        "a.flags": [True, False],
    }
    file = read_gguf(write_tiny_gguf(tmp_path / "a.gguf", metadata=metadata))
    assert {key: file.get(key) for key in metadata} == metadata


def test_a_big_endian_file_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_array("a.strings", ["b", "c"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match="it is a big-endian GGUF"):
        read_gguf(tmp_path / "a.gguf")


def test_a_value_that_is_not_a_number_is_named(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", metadata={"split.count": "three"})
    with pytest.raises(ModelError, match=r"it has no valid split\.count"):
        read_gguf(path)


def test_a_part_of_a_model_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", metadata={"split.count": 3})
    with pytest.raises(ModelError, match=r"one of 3 parts.*llama-gguf-split --merge"):
        read_gguf(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="damaged, truncated or not a GGUF"):
        read_gguf(path)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>404 Not Found</html>",
        b"GGUF\x03\x00\x00\x00" + b"\xff" * 16,
        b"GGUF\x03\x00\x00\x00" + bytes(8) + b"\x00" * 7 + b"\x20",
        b"GGUF\x03\x00\x00\x00" + bytes(8) + b"\x01" + bytes(7) + b"\xff" * 8,
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 0, 1 << 40),
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"a", 9, 8, 1 << 40),
        b"GGUF" + struct.pack("<IQQQ1sIIQQ", 3, 0, 1, 1, b"a", 9, 8, 1, 1 << 63),
        b"GGUF" + struct.pack("<IQQQ1sIIQI", 3, 0, 1, 1, b"a", 9, 9, 1, 9),
        b"GGUF" + struct.pack("<IQQ", 3, 10**6, 0) + bytes(10**6),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 10**6) + bytes(10**6),
    ],
    ids=[
        "foreign",
        "counts of 2^64",
        "keys of 2^61",
        "a key of 2^64 bytes",
        "numbers of 2^40",
        "strings of 2^40",
        "a string of 2^63 bytes",
        "a list of lists",
        "a million tensors",
        "a million keys",
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(ModelError, match="damaged, truncated or not a GGUF"):
        read_gguf(tmp_path / "a.gguf")


def test_a_missing_file_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.gguf cannot be read: No such file"):
        read_gguf(tmp_path / "a.gguf")
