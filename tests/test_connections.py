"""Clients that take more than their share of connections, time and disk."""

import resource
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import waitress

from app import connections
from app.application import create_app
from app.connections import Channel

from .server import Server

HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module", autouse=True)
def _open_files() -> Iterator[None]:
    """Lets the tests, and the server that they start, have enough open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a model."""
    with Server(tmp_path_factory.mktemp("data")) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD + b"Content-Length: 99\r\n\r\n{"])
def test_connections_that_say_nothing_keep_nobody_out(quiet: Server, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(connect(quiet)).sendall(sent)
        for _ in range(3):
            assert quiet.get("/v1/models").ok


def test_one_that_has_waited_longest_makes_room(quiet: Server) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(connect(quiet))
        last = [stack.enter_context(connect(quiet)) for _ in range(850)][-1]
        assert quiet.get("/health").ok
        assert first.recv(1) == b""
        last.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert b" 200 OK" in last.recv(100)


@contextmanager
def serving(folder: Path, channel: type[Channel]) -> Iterator[tuple[str, int]]:
    """The address of a server in this process, whose connections are of that class."""
    server = waitress.create_server(
        create_app({"DATA_DIR": str(folder)}), port=0, channel_request_lookahead=1
    )
    server.channel_class = channel
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield "127.0.0.1", int(server.effective_port)
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        thread.join(30)


def test_a_request_that_does_not_come_to_its_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connections, "_ARRIVAL", 0.5)
    with (
        serving(tmp_path, Channel) as address,
        socket.create_connection(address, timeout=60) as slow,
    ):
        for byte in HEAD * 100:
            try:
                slow.sendall(bytes([byte]))
                threading.Event().wait(0.01)
            except OSError:
                break
        else:
            pytest.fail("it was read for ever")


def test_a_client_that_closes_its_side_while_the_answer_ends_is_left(tmp_path: Path) -> None:
    class Late(Channel):
        """Notices the client's end, and then the answer ends first."""

        def _at_end(self) -> bool:
            at_end = super()._at_end()
            while at_end and self.requests:
                threading.Event().wait(0.001)
            return at_end

    with (
        serving(tmp_path, Late) as address,
        socket.create_connection(address, timeout=10) as client,
    ):
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        received = b""
        while piece := client.recv(9999):
            received += piece
    assert b" 200 OK" in received


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_not_stored(quiet: Server, chunked: bool) -> None:
    body = Large(quiet)
    data = iter(lambda: body.read(2**20), b"") if chunked else body
    response = requests.post(f"{quiet.url}/v1/completions", data=data, timeout=60)
    assert response.status_code == 413
    assert "GPT4ALL_MAX_BODY_BYTES" in response.json()["error"]["message"]
    assert quiet.get("/health").ok


class Large:
    """A file of 64 MiB. While it is read, it looks that the server does not store it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._left = 64 << 20

    def __len__(self) -> int:
        return self._left

    def read(self, size: int) -> bytes:
        assert on_disk(self._server) < 2**21
        read = b" " * min(size, self._left)
        self._left -= len(read)
        return read


def on_disk(server: Server) -> int:
    """The bytes of the server's temporary files. Only on Linux."""
    size = 0
    for link in Path(f"/proc/{server.pid}/fd").iterdir():
        try:
            if str(link.readlink()).startswith(tempfile.gettempdir()):
                size += link.stat().st_size
        except FileNotFoundError:
            pass
    return size


def test_headers_have_a_limit(quiet: Server) -> None:
    with connect(quiet) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 20_000)
        assert connection.recv(100).startswith(b"HTTP/1.0 431")
