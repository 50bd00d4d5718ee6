from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.application import create_app

from .tiny_gguf import write_tiny_gguf

TINY = {
    "id": "tiny",
    "object": "model",
    "created": 0,
    "owned_by": "humanity",
    "root": "tiny",
    "parent": None,
    "permissions": [
        {
            "id": "placeholder",
            "object": "model_permission",
            "created": 0,
            "allow_create_engine": False,
            "allow_sampling": False,
            "allow_logprobs": False,
            "allow_search_indices": False,
            "allow_view": True,
            "allow_fine_tuning": False,
            "organization": "*",
            "group": None,
            "is_blocking": False,
        }
    ],
    "context_length": 256,
    "engine": "ctransformers",
}


def test_the_list_has_every_model(client: FlaskClient) -> None:
    assert client.get("/v1/models").json == {"object": "list", "data": [TINY]}


def test_a_model_put_into_the_folder_is_listed_at_once(
    own_client: FlaskClient, tiny_gguf: Path
) -> None:
    write_tiny_gguf(tiny_gguf.parent / "another.GGUF")
    assert [model["id"] for model in own_client.get("/v1/models").json["data"]] == [
        "another",
        "tiny",
    ]


@pytest.mark.parametrize("name", ["tiny", "tiny.gguf"])
def test_a_model_is_found_by_its_names(client: FlaskClient, name: str) -> None:
    assert client.get(f"/v1/models/{name}").json == TINY


# A token of the tiny model takes 128 bytes of the KV cache.
@pytest.mark.parametrize(
    ("memory", "set_to", "expected"),
    [
        (1 << 40, "", 8192),
        (4 * 128 * 5000, "", 5000),
        (0, "", 2048),
        (1 << 40, "100", 100),
        (0, "9000", 9000),
        (1 << 40, "20000", 10_000),
    ],
)
def test_the_context_fits_into_a_quarter_of_the_memory_unless_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, set_to: str, expected: int
) -> None:
    monkeypatch.setattr("app.service.available_memory", lambda: memory)
    (tmp_path / "models").mkdir()
    write_tiny_gguf(tmp_path / "models" / "a.gguf", context_length=10_000)
    client = create_app({"DATA_DIR": str(tmp_path), "CONTEXT_LENGTH": set_to}).test_client()
    assert client.get("/v1/models/a").json["context_length"] == expected


@pytest.mark.parametrize(
    "url", ["/v1/models/some/My Model v1.0", "/v1/models/some%2FMy%20Model%20v1.0"]
)
def test_names_may_contain_slashes_and_spaces(
    own_client: FlaskClient, tiny_gguf: Path, url: str
) -> None:
    (tiny_gguf.parent / "some").mkdir()
    write_tiny_gguf(tiny_gguf.parent / "some" / "My Model v1.0.gguf")
    assert own_client.get(url).json["id"] == "some/My Model v1.0"


@pytest.mark.parametrize("name", ["nope", "a//b", "../tiny", "Tiny"])
def test_an_unknown_model_is_a_404(client: FlaskClient, name: str) -> None:
    response = client.get(f"/v1/models/{name}")
    assert response.status_code == 404
    assert response.json["error"]["code"] == "model_not_found"
    assert name in response.json["error"]["message"]


@pytest.mark.parametrize(("path", "shown"), [("/v1/models", ""), ("/v1/models/x", "/*")])
def test_posting_is_refused_in_gpt4alls_words(client: FlaskClient, path: str, shown: str) -> None:
    response = client.post(path)
    assert response.status_code == 405
    assert response.json["error"] == {
        "message": f"Not allowed to POST on /v1/models{shown}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
