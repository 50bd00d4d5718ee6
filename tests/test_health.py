from pathlib import Path

from flask.testing import FlaskClient

from app.application import create_app

from .server import Server


def test_health_tells_which_model_is_in_memory(own_client: FlaskClient) -> None:
    idle = {"status": "ok", "busy": False, "waiting": 0, "watcher": "off"}
    assert own_client.get("/health").json == {**idle, "model": None}
    own_client.post("/v1/completions", json={"model": "tiny", "prompt": "a"})
    assert own_client.get("/health").json == {**idle, "model": "tiny"}


def test_health_tells_whether_folders_are_watched(tiny_gguf: Path) -> None:
    with Server(tiny_gguf.parent.parent) as server:
        assert server.get("/health").json()["watcher"] == "running"


def test_it_is_ready_if_the_default_model_can_be_used(own_client: FlaskClient) -> None:
    response = own_client.get("/health/ready")
    assert (response.status_code, response.json) == (200, {"status": "ok", "model": "tiny"})


def test_without_a_usable_model_it_is_not_ready(tiny_gguf: Path) -> None:
    client = create_app({"DATA_DIR": str(tiny_gguf.parent.parent)}).test_client()
    tiny_gguf.with_suffix(".json").write_text("{")
    damaged = client.get("/health/ready")
    tiny_gguf.unlink()
    missing = client.get("/health/ready")
    assert (damaged.status_code, damaged.json["error"]["code"]) == (503, "no_model")
    assert (missing.status_code, missing.json["error"]["code"]) == (503, "no_model")
    assert client.get("/health").status_code == 200


def test_a_default_model_that_cannot_be_used_is_not_ready(tiny_gguf: Path) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "MODEL": "tiny"}
    client = create_app(settings).test_client()
    tiny_gguf.with_suffix(".json").write_text("{")
    response = client.get("/health/ready")
    assert (response.status_code, response.json["error"]["code"]) == (503, "model_not_usable")
    assert "tiny.json" in response.json["error"]["message"]


def test_health_needs_no_key(tiny_gguf: Path) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "API_KEY": "secret"}
    client = create_app(settings).test_client()
    statuses = {
        path: client.get(path).status_code for path in ("/health", "/health/ready", "/metrics")
    }
    assert statuses == {"/health": 200, "/health/ready": 200, "/metrics": 401}
