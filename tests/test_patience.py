"""Limits for how long a request may wait and work."""

import json
from pathlib import Path

import pytest

from .server import Server
from .test_server import COMPLETION, ENDLESS, wait_until
from .tiny_gguf import write_tiny_gguf

LONG = {**ENDLESS, "max_tokens": 90_000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    write_tiny_gguf(tmp_path / "models" / "tiny.gguf", context_length=100_000)
    return tmp_path


def test_who_waits_too_long_is_asked_to_come_again(folder: Path) -> None:
    with Server(folder, QUEUE_TIMEOUT="1", CONTEXT_LENGTH="100000") as server:
        wait_until(server, model="tiny", busy=False)
        with server.send(COMPLETION, LONG):
            wait_until(server, busy=True)
            response = server.post(COMPLETION, LONG)
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "queue_timeout"
            assert "1 seconds (GPT4ALL_QUEUE_TIMEOUT)" in response.json()["error"]["message"]
            assert response.headers["Retry-After"] == "2"
            assert server.get("/health").json()["busy"]  # who has the model has all the time


def test_an_answer_that_takes_too_long_is_an_error(folder: Path) -> None:
    with Server(folder, REQUEST_TIMEOUT="1", CONTEXT_LENGTH="100000") as server:
        wait_until(server, model="tiny", busy=False)
        response = server.post(COMPLETION, LONG)
        assert response.status_code == 504
        assert response.json()["error"]["code"] == "request_timeout"
        assert "1 seconds (GPT4ALL_REQUEST_TIMEOUT)" in response.json()["error"]["message"]
        assert response.headers["x-should-retry"] == "false"
        *_, before, last = server.events(COMPLETION, LONG)
        assert json.loads(before)["choices"][0]["text"]
        error = json.loads(last.removeprefix("event: error\ndata: "))["error"]
        assert error["code"] == "request_timeout"
        assert server.post(COMPLETION, {**LONG, "max_tokens": 1}).ok
