"""Two models and one place in memory."""

import os
import select
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import DEFAULT_MODEL
from .server import Server
from .tiny_gguf import write_tiny_gguf

COMPLETION = "/v1/completions"


@pytest.fixture(scope="module")
def server(default_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the default model and a tiny one."""
    data = tmp_path_factory.mktemp("two-models")
    (data / "models").mkdir()
    shutil.copy2(default_gguf, data / "models")
    write_tiny_gguf(data / "models" / "tiny.gguf")
    (data / "models" / "broken.gguf").write_bytes(b"GGUF")
    with Server(data) as running:
        yield running


def ask(server: Server, model: str) -> dict[str, object]:
    body = {"model": model, "prompt": "hello", "max_tokens": 2}
    return server.post(COMPLETION, body).json()  # type: ignore[no-any-return]


def test_the_model_that_was_asked_answers(server: Server) -> None:
    for model in (DEFAULT_MODEL, "tiny", DEFAULT_MODEL):
        assert ask(server, model)["model"] == model
        assert server.get("/health").json()["model"] == model


def test_a_file_that_cannot_be_used_leaves_the_loaded_model(server: Server) -> None:
    ask(server, "tiny")
    response = server.post(COMPLETION, {"model": "broken", "prompt": "hello"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "model_not_usable"
    assert server.get("/health").json()["model"] == "tiny"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_unloaded_model_leaves_with_its_process(server: Server) -> None:
    ask(server, DEFAULT_MODEL)
    left = os.pidfd_open(server.model_pid)
    ask(server, "tiny")
    assert select.select([left], [], [], 0)[0]  # it has ended
    os.close(left)
    assert server.model_pid
