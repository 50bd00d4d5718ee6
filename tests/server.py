"""The server as a user starts it, in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def soon(find: Callable[[], Any]) -> Any:
    """What ``find`` finds after a while."""
    end = time.monotonic() + 30
    while not (found := find()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


class Server:
    """A running `flask --app wsgi serve`, to be used in a ``with`` block."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = ""
        self._environment = {
            **{name: value for name, value in os.environ.items() if "GPT4ALL_" not in name},
            "GPT4ALL_DATA_DIR": str(data_dir),
            **{f"GPT4ALL_{name}": value for name, value in settings.items()},
        }

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "serve", f"--port={self.port}"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        self._serving = threading.Event()
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self._serving.wait(60)
        if "Serving on" not in self.log:
            self.__exit__()
            raise RuntimeError(self.log)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def interrupt(self) -> None:
        """Presses Ctrl-C and waits for the end."""
        self.signal(signal.SIGINT)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal and waits for the end."""
        self._process.send_signal(number)
        self.wait()

    def wait(self) -> None:
        """Waits for the end."""
        self._process.wait(60)

    @property
    def pid(self) -> int:
        """The server's own process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """With what the server has ended."""
        return self._process.returncode

    @property
    def children(self) -> list[int]:
        """The server's other processes. Only on Linux."""
        found = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(child) for path in found for child in path.read_text().split()]

    @property
    def model_pid(self) -> int:
        """The process of the model. Only on Linux."""
        return self.child("app.inference")

    def child(self, module: str) -> int:
        """The process that runs ``module``. Raises `ValueError` unless there is one. On Linux."""
        [pid] = (
            child
            for child in self.children
            if f"-m\0{module}\0".encode() in Path(f"/proc/{child}/cmdline").read_bytes()
        )
        return pid

    def get(self, path: str, **how: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **how)

    def post(self, path: str, body: Any, **how: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=60, **how)

    def events(self, path: str, body: dict[str, Any]) -> list[str]:
        """The data of all events of a stream."""
        with self.post(path, {**body, "stream": True}, stream=True) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            text = response.content.decode()
        assert text.endswith("\n\n")
        return [event.removeprefix("data: ") for event in text[:-2].split("\n\n")]

    def send(self, path: str, body: dict[str, Any]) -> socket.socket:
        """Sends a request and returns its connection, to be read or left."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(head.encode() + data)
        return connection

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log += line
            if "Serving on" in line:
                self._serving.set()
        self._serving.set()
