"""What only a real server can show: waiting, leaving, streaming at once."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .conftest import DEFAULT_MODEL
from .server import Server

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
ENDLESS = {"model": "m", "prompt": "1 2 3 4", "temperature": 0, "ignore_eos": True}
LONG_ANSWER = {**ENDLESS, "max_tokens": 1900}
LONG_PROMPT = {**ENDLESS, "prompt": "word " * 1900, "max_tokens": 1}


def state(server: Server) -> dict[str, Any]:
    return server.get("/health").json()


def wait_until(server: Server, **expected: Any) -> float:
    """Asks /health until it says what is expected; returns the seconds it took."""
    start = time.monotonic()
    while not expected.items() <= state(server).items():
        assert time.monotonic() < start + 30, (state(server), server.log)
        time.sleep(0.01)  # asking without a pause would take the engine's time
    return time.monotonic() - start


@pytest.fixture(autouse=True)
def idle(server: Server) -> Iterator[None]:
    yield
    wait_until(server, busy=False)


def new(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A body whose prompt is in no cache."""
    return {**body, "prompt": f"{time.monotonic()} {body['prompt']}", **fields}


def seconds_of_64_tokens(server: Server) -> float:
    """How long the engine needs here and now for a new prompt of about 64 tokens."""
    start = time.monotonic()
    server.post(COMPLETION, new(ENDLESS, prompt=f"{start} " + "word " * 50, max_tokens=1))
    return time.monotonic() - start


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", [LONG_PROMPT, LONG_ANSWER], ids=["prompt", "answer"])
def test_a_client_that_leaves_frees_the_model(
    server: Server, body: dict[str, Any], stream: bool
) -> None:
    unit = seconds_of_64_tokens(server)
    with server.send(COMPLETION, new(body, stream=stream)) as connection:
        wait_until(server, busy=True)
        if stream and body is LONG_ANSWER:
            assert connection.recv(100)
    # What was left to do were over a thousand tokens: twenty such units or more.
    assert wait_until(server, busy=False) < 8 * unit


def test_a_client_that_leaves_the_queue_gives_up_its_place(server: Server) -> None:
    with server.send(COMPLETION, new(LONG_ANSWER)):
        wait_until(server, busy=True)
        with server.send(COMPLETION, new(LONG_ANSWER)):
            wait_until(server, waiting=1)
        wait_until(server, busy=True, waiting=0)


def test_the_ninth_who_waits_is_turned_away_at_once(server: Server) -> None:
    connections = []
    try:
        for count in range(9):
            connections.append(server.send(COMPLETION, new(LONG_ANSWER)))
            wait_until(server, busy=True, waiting=count)
        response = server.post(COMPLETION, ENDLESS)
        assert state(server)["waiting"] == 8
    finally:
        for connection in reversed(connections):
            connection.close()
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
    assert response.json()["error"]["code"] == "queue_full"


def test_requests_are_answered_in_the_order_they_came(server: Server) -> None:
    order = []

    def ask(number: int) -> None:
        server.post(COMPLETION, {**ENDLESS, "max_tokens": 2})
        order.append(number)

    with ThreadPoolExecutor() as pool, server.send(COMPLETION, new(LONG_ANSWER)):
        wait_until(server, busy=True)
        for number in range(4):
            pool.submit(ask, number)
            wait_until(server, waiting=number + 1)
    assert order == [0, 1, 2, 3]


def test_what_needs_no_model_never_waits_for_it(server: Server) -> None:
    with server.send(COMPLETION, new(LONG_ANSWER)):
        wait_until(server, busy=True)
        for path in ("/v1/models", "/health", f"/v1/models/{DEFAULT_MODEL}", "/nothing") * 10:
            assert server.get(path).status_code in (200, 404)
        assert state(server)["busy"]


def test_two_streams_at_once_both_end(server: Server) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi!"}], "seed": 1}
    with ThreadPoolExecutor() as pool:
        streams = [pool.submit(server.events, CHAT, {**body, "max_tokens": 40}) for _ in range(3)]
    assert [stream.result()[-1] for stream in streams] == ["[DONE]"] * 3


def test_the_first_text_leaves_before_the_answer_is_done(server: Server) -> None:
    with server.post(COMPLETION, new(LONG_ANSWER, stream=True), stream=True) as response:
        assert response.headers["Cache-Control"] == "no-cache"
        next(response.iter_lines())
        assert state(server)["busy"]


def test_a_slow_reader_gets_everything(server: Server) -> None:
    body = {**ENDLESS, "max_tokens": 300, "stream": True}
    with server.send(COMPLETION, body) as connection:
        wait_until(server, busy=True)
        wait_until(server, busy=False)
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
    assert received.count(b"data: {") == 301
    assert b"data: [DONE]" in received


def test_an_interrupt_ends_the_answers_too(tiny_gguf: Path) -> None:
    with Server(tiny_gguf.parent.parent) as server:
        body = {**ENDLESS, "prompt": ["hello"] * 1000, "n": 8, "max_tokens": 200}
        with server.send(COMPLETION, body):
            wait_until(server, busy=True)
            server.interrupt()
    assert "still running" not in server.log
    assert "Traceback" not in server.log


def test_ten_clients_at_once_get_what_one_would(server: Server) -> None:
    def ask(number: int) -> str:
        body = {"model": "m", "prompt": f"{number} times two is", "seed": number}
        response = server.post(COMPLETION, body)
        return response.json()["choices"][0]["text"] if response.ok else str(response.status_code)

    alone = [ask(number) for number in range(9)]
    with ThreadPoolExecutor(9) as pool:
        assert list(pool.map(ask, range(9))) == alone


def test_a_body_that_is_cut_short_leaves_the_server_usable(server: Server) -> None:
    with server.send(COMPLETION, ENDLESS) as connection:
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
    assert state(server)["status"] == "ok"


def raw(server: Server, request: bytes, *, half_close: bool = True) -> bytes:
    """All that the server answers to a request, after which the client may close its side."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65536):
            received += data
    return received


def request_of(body: dict[str, Any], version: str = "1.1", headers: str = "") -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {COMPLETION} HTTP/{version}\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
    return head.encode() + data


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_closes_its_side_gets_its_answer(
    server: Server, version: str, stream: bool
) -> None:
    # An answer of some seconds: it is noticed that the client has said all.
    body = new(ENDLESS, max_tokens=100, stream=stream)
    headers = "" if version == "1.0" else "Host: localhost\r\n"
    received = raw(server, request_of(body, version, headers))
    assert received.startswith(b"HTTP/1.")
    assert received.partition(b"\r\n")[0].endswith(b" 200 OK")
    assert b'"length"' in received.replace(b": ", b":")
    assert received.count(b'data: {"id"') == (101 if stream else 0)


def test_http_1_0_without_a_host_is_answered(server: Server) -> None:
    received = raw(server, b"GET /v1/models HTTP/1.0\r\n\r\n", half_close=False)
    assert b" 200 OK\r\n" in received
    assert DEFAULT_MODEL.encode() in received


def test_several_requests_of_one_connection_are_answered_after_its_end(server: Server) -> None:
    one = request_of({**ENDLESS, "max_tokens": 30}, headers="Host: localhost\r\n")
    assert raw(server, one * 2).count(b" 200 OK\r\n") == 2
