"""llama.cpp's own server, of the package that `make oracle` compares with."""

import subprocess
from pathlib import Path

import requests

from .server import ROOT, free_port

PYTHON = ROOT / ".venv-oracle" / "bin" / "python"
PROGRAM = ROOT / "benchmarks" / "speed" / "serve_llama_cpp.py"
CONTEXT_LENGTH, SLOTS = 512, 2


class LlamaCppServer:
    """A running server with one model, to be used in a ``with`` block."""

    def __init__(self, model: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.model = str(model)

    def __enter__(self) -> "LlamaCppServer":
        numbers = map(str, (self.port, 1, CONTEXT_LENGTH, SLOTS))
        command = [PYTHON, PROGRAM, self.model, *numbers]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "llama.cpp's server does not start"
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()

    def post(self, path: str, body: dict[str, object]) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=60)
