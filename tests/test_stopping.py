"""How the server ends: what works gets a while, and nothing new begins."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .server import Server
from .test_server import COMPLETION, ENDLESS, wait_until
from .tiny_gguf import write_tiny_gguf

SHORT, LONG = {**ENDLESS, "max_tokens": 2000}, {**ENDLESS, "max_tokens": 90_000}
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    write_tiny_gguf(tmp_path / "models" / "tiny.gguf", context_length=100_000)
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Any]:
    with ThreadPoolExecutor() as pool:

        def serve(grace: int) -> tuple[Server, ThreadPoolExecutor]:
            return Server(folder, GRACE=str(grace), CONTEXT_LENGTH="100000"), pool

        yield serve


def stop(server: Server, number: signal.Signals) -> None:
    """Sends a signal, and waits until the server has noticed."""
    os.kill(server.pid, number)
    wait_until(server, status="stopping")


@pytest.mark.parametrize("number", SIGNALS)
def test_an_idle_server_ends_at_once(serve: Any, number: signal.Signals) -> None:
    server, _ = serve(1000)
    with server:
        server.post(COMPLETION, {**SHORT, "max_tokens": 1})
        children = server.children
        server.signal(number)
    assert server.status == 0
    assert "Traceback" not in server.log
    assert children
    for child in children:
        wait_for_end(child)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_who_has_connected_before_the_end_gets_an_answer(serve: Any) -> None:
    server, _ = serve(1000)
    with server:
        wait_until(server, model="tiny", busy=False)
        os.kill(server.pid, signal.SIGSTOP)
        with server.send(COMPLETION, SHORT) as connection:
            os.kill(server.pid, signal.SIGTERM)
            os.kill(server.pid, signal.SIGCONT)
            assert connection.recv(100).startswith(b"HTTP/1.1 503 ")
        server.wait()
    assert server.status == 0


def wait_for_end(pid: int) -> None:
    """Waits for a process that is not a child. Only on Linux."""
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_answer_under_way_is_completed_and_others_are_refused(
    serve: Any, number: signal.Signals
) -> None:
    server, pool = serve(1000)
    with server:
        wait_until(server, model="tiny", busy=False)
        running = pool.submit(server.events, COMPLETION, SHORT)
        wait_until(server, busy=True, waiting=0)
        waiting = pool.submit(server.post, COMPLETION, SHORT)
        wait_until(server, waiting=1)
        stop(server, number)
        late = server.post(COMPLETION, SHORT)
        ready = server.get("/health/ready")
        assert running.result()[-1] == "[DONE]"
        for response in waiting.result(), late, ready:
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "server_stopping"
            assert response.headers["Retry-After"] == "2"
        server.wait()
    assert server.status == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("again", [False, True])
def test_an_answer_that_takes_too_long_ends_with_an_error(serve: Any, again: bool) -> None:
    server, pool = serve(1000 if again else 1)
    with server:
        wait_until(server, model="tiny", busy=False)
        with server.post(COMPLETION, {**LONG, "stream": True}, stream=True) as response:
            lines = response.iter_lines()
            assert next(lines).startswith(b"data: {")
            running = pool.submit(list, lines)
            if again:
                stop(server, signal.SIGTERM)
            server.signal(signal.SIGTERM)
            *_, name, data, end = running.result()
    assert (name, end) == (b"event: error", b"")
    assert json.loads(data.removeprefix(b"data: "))["error"]["code"] == "server_stopping"
    assert server.status == 0
    assert "Traceback" not in server.log


def test_a_plain_answer_that_takes_too_long_is_an_error(serve: Any) -> None:
    server, pool = serve(0)
    with server:
        wait_until(server, model="tiny", busy=False)
        running = pool.submit(server.post, COMPLETION, LONG)
        wait_until(server, busy=True)
        server.signal(signal.SIGINT)
        response = running.result()
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "server_stopping"
