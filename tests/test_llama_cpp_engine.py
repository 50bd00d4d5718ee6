"""The second engine, llama.cpp, which `make llama-cpp` installs."""

from collections.abc import Callable, Iterator
from ctypes import c_int32
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app.application import create_app
from app.engines.base import Flag
from app.engines.llama_cpp import library
from app.exceptions import Cancelled, ModelError
from app.inference.model import Model
from app.models.cache import ModelCache
from app.models.library import ModelFile

from .modern_gguf import MODERN
from .oracle.corpus import corpus
from .tiny_gguf import TOKENS, WRITERS, write_tiny_gguf, write_tiny_sentencepiece

pytestmark = pytest.mark.skipif(not library.installed(), reason="needs `make llama-cpp`")

PROMPT = [5 + i * 7 % 200 for i in range(300)]
OTHER = [5 + i * 11 % 200 for i in range(300)]
Write = Callable[..., Path]
Load = Callable[..., Model]


def never() -> None:
    pass


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """A function that writes a model and loads it with llama.cpp."""
    models: list[Model] = []

    def load(
        write: Write = write_tiny_gguf, slots: int = 1, cancelled: Flag | None = None, **how: Any
    ) -> Model:
        path = write(tmp_path / f"{len(models)}.gguf", context_length=1024, **how)
        prepared = ModelCache(tmp_path / "cache").prepare(path, "llama-cpp")
        file = ModelFile(path.stem, path)
        models.append(Model.load(file, prepared, 512, 1, slots, cancelled=cancelled))
        return models[-1]

    yield load
    for model in models:
        model.close()


def logits(model: Model, prompt: list[int], *, exact: bool = True) -> np.ndarray:
    model.session.prefill(prompt, exact=exact, check=never)
    return model.session.logits.copy()


@pytest.mark.parametrize("architecture", MODERN)
def test_todays_architectures_run(load: Load, architecture: str) -> None:
    found = logits(load(MODERN[architecture]), PROMPT[:50])
    assert found.shape == (len(TOKENS),)
    assert np.isfinite(found).all()
    assert found.std() > 0.01


@pytest.mark.parametrize("architecture", MODERN)
def test_they_run_without_a_copy(tmp_path: Path, architecture: str) -> None:
    path = MODERN[architecture](tmp_path / "a.gguf")
    prepared = ModelCache(tmp_path / "cache").prepare(path)
    assert (prepared.plan.engine, prepared.weights) == ("llama-cpp", path)


@pytest.mark.parametrize("architecture", MODERN)
def test_the_logits_do_not_depend_on_what_was_evaluated_before(
    load: Load, architecture: str
) -> None:
    model = load(MODERN[architecture])
    fresh = logits(model, PROMPT)
    logits(model, [*PROMPT[:200], *OTHER[:50]], exact=False)
    model.session.extend(OTHER[:3])
    np.testing.assert_array_equal(logits(model, PROMPT), fresh)


@pytest.mark.parametrize("architecture", MODERN)
def test_a_prompt_has_several_answers(load: Load, architecture: str) -> None:
    model = load(MODERN[architecture])
    wanted = logits(model, PROMPT)
    for _ in range(2):
        model.session.extend(OTHER[:5])
        model.session.rewind(len(PROMPT))
        np.testing.assert_allclose(logits(model, PROMPT), wanted, atol=1e-3)


def test_both_engines_agree(load: Load, load_tiny: Load) -> None:
    ours, theirs = (logits(model, PROMPT[:200]) for model in (load(), load_tiny()))
    np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_several_conversations_stay_warm(load: Load) -> None:
    sessions = load(slots=2).sessions

    def kept(prompt: list[int]) -> int:
        return sessions.choose(prompt).prefill(prompt, exact=True, check=never)

    assert [kept(prompt) for prompt in (PROMPT, OTHER, PROMPT, OTHER)] == [0, 0, 300, 300]


def test_an_evaluation_can_be_interrupted(load: Load) -> None:
    cancelled = Flag()
    model = load(cancelled=cancelled)
    wanted = logits(model, PROMPT)
    model.session.rewind(10)
    cancelled.set()
    with pytest.raises(Cancelled):
        model.session.extend(OTHER)
    cancelled.clear()
    assert len(model.session) == 10
    np.testing.assert_array_equal(logits(model, PROMPT), wanted)


def test_the_logits_after_each_token_are_those_of_single_evaluations(load: Load) -> None:
    session = load().session
    session.rewind(0)
    together = [logits.copy() for logits in session.extend_each(PROMPT, never)]
    assert len(session) == len(PROMPT)
    session.rewind(0)
    for token, wanted in zip(PROMPT, together, strict=True):
        session.extend([token])
        np.testing.assert_allclose(session.logits, wanted, atol=0.05)


_NO_PREFIX = {"tokenizer.ggml.add_space_prefix": False}


@pytest.mark.parametrize(
    ("write", "metadata"),
    [*((write, {}) for write in WRITERS.values()), (write_tiny_sentencepiece, _NO_PREFIX)],
    ids=[*WRITERS, "SentencePiece without a prefix"],
)
def test_token_ids_are_llama_cpps_own(load: Load, write: Write, metadata: dict[str, Any]) -> None:
    how = {"metadata": metadata} if metadata else {}
    model = load(write, **how)
    theirs = _tokenizer(model.file.path)
    twice = [model.tokenizer.facts.bos] * 2
    differing = []
    for text in corpus():
        expected = theirs(text)
        if expected[:2] == twice:
            del expected[0]  # llama.cpp warns of it
        if model.tokenizer.encode(text) != expected:
            differing.append(text[:50])
    assert not differing


def _tokenizer(path: Path) -> Callable[[str], list[int]]:
    """llama.cpp's whole tokenizer, without anything of this project."""
    import llama_cpp

    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    vocabulary = llama_cpp.llama_model_get_vocab(
        llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    )

    def encode(text: str) -> list[int]:
        data = text.encode()
        ids = (c_int32 * (len(data) + 3))()
        count = llama_cpp.llama_tokenize(vocabulary, data, len(data), ids, len(ids), True, True)
        return ids[:count]

    return encode


def test_written_control_tokens_stay_text(load: Load) -> None:
    model = load(write_tiny_sentencepiece)
    ids = model.tokenizer.encode(model.tokenizer.protect("a</s>b"), protected=True)
    assert not set(ids[1:]) & set(model.tokenizer.facts.control.values())
    assert model.tokenizer.text(ids) == "<s>a</s>b"


def test_fragments_get_no_space(load: Load) -> None:
    tokenizer = load(write_tiny_sentencepiece).tokenizer
    assert tokenizer.token_bytes(tokenizer.encode_fragment("hello")[0])[:1] == b"h"


def test_what_llama_cpp_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="gemma3")  # it lacks norms
    prepared = ModelCache(tmp_path / "cache").prepare(path)
    with pytest.raises(
        ModelError, match=r"a\.gguf cannot be used: llama\.cpp .*post_attention_norm"
    ):
        Model.load(ModelFile("a", path), prepared, 64, 1)


def test_an_architecture_that_no_engine_knows_is_refused(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="tomorrow")
    with pytest.raises(ModelError, match=r"its architecture is 'tomorrow'.*update llama-cpp-py"):
        ModelCache(tmp_path / "cache").judge(path)


def test_models_that_make_no_text_are_refused(tmp_path: Path) -> None:
    metadata = {"bert.attention.causal": False}
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="bert", metadata=metadata)
    with pytest.raises(ModelError, match=r"a\.gguf cannot be used: it makes embeddings"):
        ModelCache(tmp_path / "cache").judge(path)


def test_a_broken_installation_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))  # nothing is there
    client = served(tmp_path, MODERN["qwen3"])
    response = client.post("/v1/completions", json={"model": "a", "prompt": "x"})
    assert response.status_code == 400
    assert "a.gguf cannot be used: llama.cpp cannot be loaded" in response.json["error"]["message"]


def served(tmp_path: Path, write: Write, **settings: str) -> FlaskClient:
    (tmp_path / "models").mkdir()
    write(tmp_path / "models" / "a.gguf")
    return create_app({"DATA_DIR": str(tmp_path), **settings}).test_client()


def ask(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello"}]
    body = {"model": "a", "messages": messages, "max_tokens": 8, "temperature": 0, **fields}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.json
    return response.json


@pytest.mark.parametrize("architecture", MODERN)
def test_they_answer(tmp_path: Path, architecture: str) -> None:
    client = served(tmp_path, MODERN[architecture])
    assert client.get("/v1/models").json["data"][0]["id"] == "a"
    first, second = ask(client), ask(client)
    assert first["choices"] == second["choices"]


HOSTILE: dict[str, dict[str, Any]] = {
    "no heads": {"qwen2.attention.head_count": 0},
    "more heads than an embedding has numbers": {"qwen2.attention.head_count": 64},
    "more key-value heads than heads": {"qwen2.attention.head_count_kv": 64},
    "a million blocks": {"qwen2.block_count": 1_000_000},
    "embeddings of another size": {"qwen2.embedding_length": 2**31 - 1},
    "an odd rotary dimension": {"qwen2.rope.dimension_count": 7},
    "a context of 4 billion": {"qwen2.context_length": 2**32 - 1},
    "a text for a number": {"qwen2.feed_forward_length": "many"},
    "merges of nothing": {"tokenizer.ggml.merges": ["a", " ", ""]},
    "an unknown pre-tokenizer": {"tokenizer.ggml.pre": "tomorrow"},
    "an unknown tokenizer": {"tokenizer.ggml.model": "tomorrow"},
    "types of no tokens": {"tokenizer.ggml.token_type": [99] * len(TOKENS)},
}


@pytest.mark.parametrize("metadata", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_a_failed_request(tmp_path: Path, metadata: dict[str, Any]) -> None:
    client = served(tmp_path, write_tiny_gguf)
    write_tiny_gguf(tmp_path / "models" / "b.gguf", architecture="qwen2", metadata=metadata)
    body = {"model": "b", "prompt": "hello", "max_tokens": 2}
    response = client.post("/v1/completions", json=body)
    if response.status_code != 200:
        assert response.status_code in (400, 500)
        assert response.json["error"]["message"].startswith(("b.gguf cannot be", "The process of"))
    assert ask(client)["choices"]


def test_a_file_that_ends_early_is_refused(tmp_path: Path) -> None:
    client = served(tmp_path, MODERN["qwen3"])
    path = tmp_path / "models" / "a.gguf"
    path.write_bytes(path.read_bytes()[:-1000])
    response = client.post("/v1/completions", json={"model": "a", "prompt": "x"})
    assert (response.status_code, client.get("/v1/models").json["data"]) == (400, [])


@pytest.mark.parametrize("engine", ["ctransformers", "llama-cpp"])
def test_json_conforms_with_both_engines(tmp_path: Path, engine: str) -> None:
    client = served(tmp_path, write_tiny_gguf, ENGINE=engine)
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = ask(client, response_format=wanted, max_tokens=64)
    assert answer["choices"][0]["message"]["content"].replace(" ", "")[:4] == '{"a"'


@pytest.mark.parametrize("engine", ["ctransformers", "llama-cpp"])
def test_the_default_model_answers_with_both_engines(
    tmp_path: Path, default_gguf: Path, engine: str
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.gguf").symlink_to(default_gguf)
    client = create_app({"DATA_DIR": str(tmp_path), "ENGINE": engine}).test_client()
    body = {"model": "a", "prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
    answer = client.post("/v1/completions", json=body).json
    assert "Paris" in answer["choices"][0]["text"]
