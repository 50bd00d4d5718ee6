"""The file NAME.json beside NAME.gguf: what each key does, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.engines import ctransformers
from app.engines.base import LoadedModel, LoadOptions
from app.exceptions import ModelError
from app.inference.model import Model
from app.jobs import Sampling
from app.models.cache import ModelCache, PreparedModel
from app.models.library import ModelFile, ModelSettings
from app.schemas import ModelSettingsFiles

from .tiny_gguf import write_tiny_gguf

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def settings(tiny_gguf: Path) -> Callable[..., Path]:
    """A function that writes the tiny model's settings."""

    def write(**values: Any) -> Path:
        path = tiny_gguf.with_suffix(".json")
        path.write_text(json.dumps(values), encoding="utf-8")
        return path

    return write


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def chat(client: FlaskClient, **fields: Any) -> Any:
    body = {"model": "tiny", "messages": MESSAGES, "temperature": 0, "max_tokens": 4} | fields
    body = {key: value for key, value in body.items() if value is not None}
    return client.post("/v1/chat/completions", json=body).get_json()


def test_without_a_file_the_defaults_are_gpt4alls(tmp_path: Path) -> None:
    settings = ModelSettingsFiles().read(tmp_path / "a.json")
    assert settings == ModelSettings()
    assert settings.sampling == {}
    assert asdict(Sampling()) == {
        "temperature": 0.7,
        "top_p": 0.4,
        "top_k": 40,
        "min_p": 0.0,
        "repeat_penalty": 1.18,
        "repeat_last_n": 64,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "logit_bias": (),
        "seed": None,
    }


def test_the_name_is_what_the_api_shows(client: FlaskClient, settings: Callable[..., Path]) -> None:
    settings(name="Tiny ✓")
    assert [m["id"] for m in client.get("/v1/models").get_json()["data"]] == ["Tiny ✓"]
    for name in ("Tiny ✓", "tiny", "tiny.gguf"):
        assert client.get(f"/v1/models/{name}").get_json()["id"] == "Tiny ✓"
    assert chat(client, model="tiny")["model"] == "Tiny ✓"


def test_a_change_takes_effect_with_the_next_request(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    chat(client)
    settings(name="Other")
    assert chat(client)["model"] == "Other"


def test_the_system_message_goes_first(client: FlaskClient, settings: Callable[..., Path]) -> None:
    before = chat(client)["usage"]["prompt_tokens"]
    settings(system_message="hello")
    # <|im_start|> s y s t e m \n hello <|im_end|> \n
    assert chat(client)["usage"]["prompt_tokens"] == before + 11


def test_a_system_message_of_the_request_goes_before_the_settings(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    messages = [{"role": "system", "content": "lo"}, *MESSAGES]
    before = chat(client, messages=messages)["usage"]["prompt_tokens"]
    settings(system_message="hello")
    assert chat(client, messages=messages)["usage"]["prompt_tokens"] == before


def test_the_chat_template_goes_before_the_ggufs(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    settings(chat_template="{{ messages[0].content }}")
    assert chat(client)["usage"]["prompt_tokens"] == 1


def test_a_model_without_a_template_says_how_to_give_one(
    client: FlaskClient, tiny_gguf: Path, settings: Callable[..., Path]
) -> None:
    write_tiny_gguf(tiny_gguf, metadata={"tokenizer.chat_template": None})
    error = chat(client)["error"]
    assert error["param"] == "messages"
    assert 'with the key "chat_template" in tiny.json beside it' in error["message"]
    settings(chat_template="{{ messages[0].content }}")
    assert chat(client)["usage"]["prompt_tokens"] == 1


def test_the_context_length_is_the_models_own(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    settings(context_length=32)
    error = chat(client, messages=[{"role": "user", "content": "x" * 40}])["error"]
    assert "The context length is 32 tokens" in error["message"]


def test_the_max_length_limits_a_chat_without_a_limit(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    settings(max_length=3)
    # The tiny model's answer does not end within the first three tokens.
    assert chat(client, max_tokens=None)["usage"]["completion_tokens"] == 3
    assert chat(client, max_tokens=5)["usage"]["completion_tokens"] == 5


def test_sampling_settings_are_the_defaults_of_requests(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    greedy = chat(client, temperature=0, repeat_penalty=1)["choices"]
    settings(temperature=0, repeat_penalty=1)
    assert chat(client, temperature=None)["choices"] == greedy
    settings(temperature=2, top_p=1, top_k=0, min_p=0, repeat_penalty=3, repeat_last_n=1)
    assert chat(client, temperature=0, repeat_penalty=1)["choices"] == greedy


def test_the_ggufs_own_sampling_goes_after_the_settings(
    client: FlaskClient, tiny_gguf: Path, settings: Callable[..., Path]
) -> None:
    greedy = chat(client, temperature=0, repeat_penalty=1)["choices"]
    metadata = {"general.sampling.temp": 0.0, "general.sampling.penalty_repeat": 1.0}
    write_tiny_gguf(tiny_gguf, metadata=metadata)
    assert chat(client, temperature=None)["choices"] == greedy
    settings(temperature=2, top_p=1, top_k=0, repeat_penalty=3)
    assert chat(client, temperature=None, seed=1)["choices"] != greedy


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan"), "0"])
def test_sampling_that_makes_no_sense_is_left_out(
    client: FlaskClient, tiny_gguf: Path, value: object
) -> None:
    expected = chat(client, temperature=None, seed=1)["choices"]
    write_tiny_gguf(tiny_gguf, metadata={"general.sampling.temp": value})
    assert chat(client, temperature=None, seed=1)["choices"] == expected


def test_threads_and_gpu_layers_reach_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    load = ctransformers.load

    def record(model: PreparedModel, options: LoadOptions) -> LoadedModel:
        given.update(threads=options.threads, gpu_layers=options.gpu_layers)
        # The machines that run the tests have no GPU.
        return load(model, replace(options, gpu_layers=0))

    monkeypatch.setattr(ctransformers, "load", record)
    path = write_tiny_gguf(tmp_path / "a.gguf")
    file = ModelFile("a", path, settings=ModelSettings(threads=1, gpu_layers=7))
    Model.load(file, ModelCache(tmp_path / "cache").prepare(path), 64, threads=2).close()
    assert given == {"threads": 1, "gpu_layers": 7}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tempature": 1}, "tempature is not a setting of a model."),
        ({"name": 5}, "name must be a string, not 5."),
        ({"name": " "}, "name must be 1 to 200 printable characters."),
        ({"name": "a\nb"}, "name must be 1 to 200 printable characters."),
        ({"temperature": "1"}, 'temperature must be a number, not "1".'),
        ({"temperature": 3}, "temperature must be between 0 and 2, not 3."),
        ({"top_k": 1.5}, "top_k must be an integer, not 1.5."),
        ({"repeat_last_n": -1}, "repeat_last_n must be between 0 and 100000, not -1."),
        ({"context_length": 8}, "context_length must be at least 32, not 8."),
        ({"max_length": 0}, "max_length must be at least 1, not 0."),
        ({"threads": 10**6}, "threads must be between 1 and "),
        ({"gpu_layers": -1}, "gpu_layers must be between 0 and 1000, not -1."),
        ({"chat_template": "{% if %}"}, "chat_template is not a Jinja template: Expected"),
        ({"system_message": None}, "system_message"),
    ],
)
def test_a_mistake_is_named(
    settings: Callable[..., Path], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSettingsFiles().read(settings(**values))
    assert str(caught.value).startswith(f"tiny.json: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[]", "must contain a JSON object"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("\xff", "cannot be read as JSON"),
    ],
)
def test_a_file_that_is_not_a_json_object_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=rf"a\.json {message}"):
        ModelSettingsFiles().read(tmp_path / "a.json")


def test_a_model_with_wrong_settings_cannot_be_used(
    client: FlaskClient, settings: Callable[..., Path]
) -> None:
    settings(tempature=1)
    assert client.get("/v1/models").get_json()["data"] == []
    assert client.get("/v1/models/tiny").status_code == 404
    assert chat(client)["error"] == {
        "message": "tiny.json: tempature is not a setting of a model.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_usable",
    }


def test_of_two_models_with_the_same_name_one_is_used(
    client: FlaskClient, tiny_gguf: Path, settings: Callable[..., Path]
) -> None:
    write_tiny_gguf(tiny_gguf.with_name("second.gguf"))
    settings(name="second")
    assert [m["id"] for m in client.get("/v1/models").get_json()["data"]] == ["second"]
    assert "has the same name, 'second'" in chat(client, model="tiny.gguf")["error"]["message"]
