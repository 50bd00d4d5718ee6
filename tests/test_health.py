from pathlib import Path

from flask.testing import FlaskClient

from .server import Server


def test_health_tells_which_model_is_in_memory(own_client: FlaskClient) -> None:
    idle = {"status": "ok", "busy": False, "waiting": 0, "watcher": "off"}
    assert own_client.get("/health").json == {**idle, "model": None}
    own_client.post("/v1/completions", json={"model": "tiny", "prompt": "a"})
    assert own_client.get("/health").json == {**idle, "model": "tiny"}


def test_health_tells_whether_folders_are_watched(tiny_gguf: Path) -> None:
    with Server(tiny_gguf.parent.parent) as server:
        assert server.get("/health").json()["watcher"] == "running"
