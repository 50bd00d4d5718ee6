"""Which weights and sizes of a GGUF can run, and what they become."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from app.exceptions import ModelError
from app.models.cache import ModelCache
from app.models.facts import Judgement

from .tiny_gguf import BLOCKS, EMBEDDING, FEED_FORWARD, HEADS, KV_HEADS, TOKENS, write_tiny_gguf

KV_ROWS = EMBEDDING // HEADS * KV_HEADS

pytestmark = pytest.mark.usefixtures("without_llama_cpp")


def judge(path: Path) -> Judgement:
    return ModelCache(path.parent / "cache").judge(path)


def adapted(path: Path) -> gguf.GGUFReader:
    """What the engine gets instead of the GGUF at ``path``."""
    return gguf.GGUFReader(ModelCache(path.parent / "cache").prepare(path).weights)


def tensors_of(reader: gguf.GGUFReader) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in reader.tensors}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "'yarn' RoPE scaling"),
        ({"llama.attention.scale": 0.5}, "cannot apply its llama.attention.scale"),
        ({"llama.logit_scale": 2.0}, "cannot apply its llama.logit_scale"),
        ({"llama.block_count": None}, "lack a valid llama.block_count"),
        ({"llama.block_count": 0}, "lack a valid llama.block_count"),
        ({"llama.block_count": 3}, "'blk.2.attn_norm.weight' is missing"),
        ({"llama.context_length": "long"}, "lack a valid llama.context_length"),
        ({"llama.attention.head_count": 0}, "lack a valid llama.attention.head_count"),
        ({"llama.attention.head_count": 5}, "attention heads are not a multiple of its key-value"),
        ({"llama.attention.head_count_kv": 0}, "lack a valid llama.attention.head_count_kv"),
        ({"llama.embedding_length": 33}, "not a multiple of its attention heads"),
        ({"tokenizer.ggml.tokens": None}, "no valid tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.merges": [1, 2]}, "no valid tokenizer.ggml.merges"),
        ({"tokenizer.ggml.merges": "a b"}, "no valid tokenizer.ggml.merges"),
        ({"tokenizer.ggml.token_type": 1}, "no valid tokenizer.ggml.token_type"),
        ({"tokenizer.ggml.pre": ["smollm"]}, "no valid tokenizer.ggml.pre"),
        ({"tokenizer.ggml.add_bos_token": 1}, "no valid tokenizer.ggml.add_bos_token"),
        ({"tokenizer.ggml.bos_token_id": len(TOKENS)}, "its bos_token_id is not a token"),
        ({"tokenizer.ggml.tokens": [*TOKENS, "xy"]}, "fewer token types than tokens"),
        (
            {"tokenizer.ggml.tokens": [*TOKENS, "xy"], "tokenizer.ggml.token_type": None},
            "'token_embd.weight' does not have the shape",
        ),
        ({"tokenizer.ggml.eos_token_id": len(TOKENS)}, "its eos_token_id is not a token"),
        ({"tokenizer.chat_template": 5}, "no valid tokenizer.chat_template"),
    ],
)
def test_numbers_that_would_crash_the_engine_are_refused(
    tmp_path: Path, metadata: dict[str, Any], reason: str
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", metadata=metadata)
    with pytest.raises(ModelError, match=f"a.gguf cannot be used: .*{reason}"):
        judge(path)


@pytest.mark.parametrize("name", ["output_norm.weight", "blk.1.ffn_up.weight"])
def test_a_missing_tensor_is_named(tmp_path: Path, name: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors={name: None})
    with pytest.raises(ModelError, match=name):
        judge(path)


@pytest.mark.parametrize("name", ["rope_factors_long.weight", "blk.0.attn_q.bias"])
def test_a_tensor_that_the_engine_cannot_apply_is_named(tmp_path: Path, name: str) -> None:
    extra = {name: np.zeros(EMBEDDING, dtype=np.float32)}
    with pytest.raises(ModelError, match=name):
        judge(write_tiny_gguf(tmp_path / "a.gguf", tensors=extra))


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
        judge(tmp_path / "a.gguf")


def test_the_architecture_is_named_before_other_problems(tmp_path: Path) -> None:
    metadata = {"tokenizer.ggml.model": None, "tokenizer.ggml.tokens": None}
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="clip", metadata=metadata)
    with pytest.raises(ModelError, match="its architecture is 'clip'"):
        judge(path)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="its architecture is 'qwen2'"):
        judge(write_tiny_gguf(tmp_path / "a.gguf", architecture="qwen2"))


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    path.write_bytes(path.read_bytes().replace(b"assistant", b"assist\xffnt"))
    with pytest.raises(ModelError, match=r"tokenizer\.chat_template is not UTF-8"):
        judge(path)


def test_a_mixture_of_experts_is_refused_as_such(tmp_path: Path) -> None:
    gate = {"blk.0.ffn_gate_inp.weight": np.ones((8, EMBEDDING), np.float32)}
    with pytest.raises(ModelError, match="it is a mixture of experts"):
        judge(write_tiny_gguf(tmp_path / "a.gguf", tensors=gate))


def test_rotary_factors_are_refused_with_what_runs_instead(tmp_path: Path) -> None:
    factors = {"rope_freqs.weight": np.array([1, 1, 1, 8], np.float32)}
    with pytest.raises(ModelError, match=r"scales its rotary frequencies.*Llama 3, Llama 2"):
        judge(write_tiny_gguf(tmp_path / "a.gguf", tensors=factors))


def test_rotary_factors_of_one_are_left_out(tmp_path: Path) -> None:
    factors = {"rope_freqs.weight": np.ones(4, np.float32)}
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors=factors)
    assert "rope_freqs.weight" not in tensors_of(adapted(path))


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ({}, 1),
        ({"scaling.type": "none", "scaling.factor": 4.0}, 1),
        ({"scaling.type": "linear", "scaling.factor": 4.0}, 4),
        ({"scaling.factor": 4.0}, 4),
        ({"scale_linear": 4.0}, 4),
    ],
    ids=["none", "switched off", "linear", "linear by default", "2023's key"],
)
def test_linear_rope_scaling_reaches_the_engine(
    tmp_path: Path, scaling: dict[str, Any], expected: float
) -> None:
    metadata = {f"llama.rope.{key}": value for key, value in scaling.items()}
    path = write_tiny_gguf(tmp_path / "a.gguf", metadata=metadata)
    assert adapted(path).fields["llama.rope.scale_linear"].contents() == expected


@pytest.mark.parametrize("key", ["rope.dimension_count", "attention.key_length"])
def test_heads_of_another_size_are_refused(tmp_path: Path, key: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", metadata={f"llama.{key}": 4})
    with pytest.raises(ModelError, match=f"its llama.{key} is not 8"):
        judge(path)


def test_norms_become_f32(tmp_path: Path) -> None:
    norm = np.linspace(0.5, 2, EMBEDDING).astype(np.float16)
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors={"output_norm.weight": norm})
    found = tensors_of(adapted(path))["output_norm.weight"]
    assert found.tensor_type == gguf.GGMLQuantizationType.F32
    np.testing.assert_array_equal(found.data, norm.astype(np.float32))


def write_with_bf16(path: Path, weights: np.ndarray) -> Path:
    """A tiny model whose ``blk.0.ffn_down.weight`` is BF16."""
    plain = gguf.GGUFReader(write_tiny_gguf(path.with_suffix(".plain")))
    writer = gguf.GGUFWriter(path, arch="llama")
    for key, field in plain.fields.items():
        if key.startswith(("llama.", "tokenizer.")):
            kind = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], kind)
    bf16 = gguf.GGMLQuantizationType.BF16
    for tensor in plain.tensors:
        if tensor.name == "blk.0.ffn_down.weight":
            writer.add_tensor(tensor.name, gguf.quants.quantize(weights, bf16), raw_dtype=bf16)
        else:
            writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_bf16_becomes_f16_of_the_same_values(tmp_path: Path) -> None:
    weights = np.linspace(-3, 3, EMBEDDING * FEED_FORWARD, dtype=np.float32)
    weights = weights.reshape(EMBEDDING, FEED_FORWARD)
    path = write_with_bf16(tmp_path / "a.gguf", weights)
    found = tensors_of(adapted(path))["blk.0.ffn_down.weight"]
    bf16 = gguf.GGMLQuantizationType.BF16
    expected = gguf.quants.dequantize(gguf.quants.quantize(weights, bf16), bf16)
    np.testing.assert_array_equal(found.data, expected.astype(np.float16))


def test_a_bf16_too_large_for_f16_is_refused(tmp_path: Path) -> None:
    weights = np.full((EMBEDDING, FEED_FORWARD), 1e6, np.float32)
    path = write_with_bf16(tmp_path / "a.gguf", weights)
    with pytest.raises(ModelError, match=r"'blk\.0\.ffn_down\.weight' has a number too large"):
        adapted(path)


def phi3_tensors() -> dict[str, np.ndarray | None]:
    """The tensors of a Phi-3 in place of those of a Llama."""
    random = np.random.default_rng(0)
    tensors: dict[str, np.ndarray | None] = {}
    for block in range(BLOCKS):
        for name in ("attn_q", "attn_k", "attn_v", "ffn_gate"):
            tensors[f"blk.{block}.{name}.weight"] = None
        for name, rows in (("attn_qkv", EMBEDDING + 2 * KV_ROWS), ("ffn_up", 2 * FEED_FORWARD)):
            weights = random.normal(size=(rows, EMBEDDING)).astype(np.float32)
            tensors[f"blk.{block}.{name}.weight"] = weights
    return tensors


def test_phi3s_joined_matrices_are_taken_apart(tmp_path: Path) -> None:
    tensors = phi3_tensors()
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors=tensors, architecture="phi3")
    reader = adapted(path)
    found = {name: tensor.data for name, tensor in tensors_of(reader).items()}
    qkv, up = (tensors[f"blk.1.{name}.weight"] for name in ("attn_qkv", "ffn_up"))
    assert qkv is not None
    assert up is not None

    def interleaved(rows: np.ndarray, heads: int) -> np.ndarray:
        pairs = rows.reshape(heads, 2, EMBEDDING // HEADS // 2, EMBEDDING).swapaxes(1, 2)
        return pairs.reshape(-1, EMBEDDING)

    q, k, v = np.split(qkv, [EMBEDDING, EMBEDDING + KV_ROWS])
    np.testing.assert_array_equal(found["blk.1.attn_q.weight"], interleaved(q, HEADS))
    np.testing.assert_array_equal(found["blk.1.attn_k.weight"], interleaved(k, KV_HEADS))
    np.testing.assert_array_equal(found["blk.1.attn_v.weight"], v)
    np.testing.assert_array_equal(found["blk.1.ffn_gate.weight"], up[:FEED_FORWARD])
    np.testing.assert_array_equal(found["blk.1.ffn_up.weight"], up[FEED_FORWARD:])
    assert reader.fields["general.architecture"].contents() == "llama"


def test_phi3_has_its_original_context(tmp_path: Path) -> None:
    metadata = {"phi3.rope.scaling.original_context_length": 128}
    path = write_tiny_gguf(
        tmp_path / "a.gguf", tensors=phi3_tensors(), architecture="phi3", metadata=metadata
    )
    assert judge(path).plan().context_length == 128
