"""The servers that are compared: how each of them is started, kept still and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from .asking import completion, models
from .processes import send, tree

ROOT = Path(__file__).parents[2]
OURS, OURS_ON_LLAMA_CPP, LLAMA_CPP, LLAMA_CPP_PYTHON, GPT4ALL = (
    "this server",
    "this server on llama-cpp",
    "llama.cpp",
    "llama-cpp-python",
    "gpt4all",
)
# The packages that peers come from, by what a table calls them.
PACKAGES = {LLAMA_CPP: "xllamacpp", LLAMA_CPP_PYTHON: "llama-cpp-python", GPT4ALL: "gpt4all"}
_START_LIMIT, _END_LIMIT = 120, 10  # seconds


class ServerFailed(Exception):
    """A server did not start; the text says what it said last."""


@dataclass(frozen=True)
class Server:
    """A running server, and the seconds that it took to its first GET and its first answer."""

    name: str
    url: str
    pid: int
    first_get: float
    first_answer: float

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Lets it run inside the ``with`` block; `stop` has stopped it before."""
        send(tree(self.pid), signal.SIGCONT)
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Stops all its processes where they are: an idle engine may still take a CPU."""
        send(tree(self.pid), signal.SIGSTOP)


Start = Callable[[], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Setup:
    """What is the same for all: the GGUF, threads, tokens of context, and slots (KV caches).

    Each server gets a copy of the GGUF in ``folder``: the memory of one that several map would be
    counted in parts. ``peers`` is the Python of the environment that has the peers.
    """

    model: Path
    folder: Path
    threads: int
    context: int
    slots: int
    peers: Path
    queue: int = 32

    def copy(self, name: str) -> Path:
        """The copy of the GGUF in the folder ``name``, which is made if it is not there."""
        path = self.folder / name / self.model.name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.model.read_bytes())
        return path

    def data(self, name: str) -> Path:
        """A data folder of our server with a copy of the GGUF."""
        return self.copy(f"{name}/models").parent.parent


def installed(python: Path) -> dict[str, str]:
    """The versions of those of `PACKAGES` that an environment has."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {d.metadata['Name']: d.version for d in m.distributions()}\n"
        "print(json.dumps(found))"
    )
    if not python.exists():
        return {}
    output = subprocess.run([python, "-c", code], check=True, capture_output=True).stdout
    found = {name.replace("_", "-"): version for name, version in json.loads(output).items()}
    return {name: found[name] for name in PACKAGES.values() if name in found}


def ours(
    setup: Setup, data: Path, name: str = OURS, engine: str = "ctransformers"
) -> AbstractContextManager[Server]:
    """Our server with the data folder ``data``, and all models on one engine."""

    def command(port: int) -> Sequence[str]:
        return [sys.executable, "-m", "flask", "--app", "wsgi", "serve", f"--port={port}"]

    settings = {"QUEUE_LIMIT": str(setup.queue), "ENGINE": engine}
    return _started(name, command, data, _environment(setup, data, **settings))


def made(setup: Setup, data: Path) -> AbstractContextManager[Server]:
    """Our server as `make run` starts it, with the data folder ``data``."""

    def command(port: int) -> Sequence[str]:
        return ["make", "run", f"PORT={port}"]

    return _started(OURS, command, data, _environment(setup, data))


def peer(name: str, setup: Setup) -> AbstractContextManager[Server]:
    """One of `PACKAGES`, with its own copy of the model."""
    here, python = Path(__file__).parent, str(setup.peers)
    model = setup.copy(name)
    if name == GPT4ALL:
        model = _with_known_words(model)
    threads, context, slots = str(setup.threads), str(setup.context), str(setup.slots)

    def command(port: int) -> Sequence[str]:
        match name:
            case "llama-cpp-python":
                given = {
                    "model": str(model),
                    "n_threads": threads,
                    "n_threads_batch": threads,
                    "n_ctx": context,
                    "port": str(port),
                    # Otherwise a second request cuts the first one's answer off.
                    "interrupt_requests": "false",
                }
                options = [word for key, value in given.items() for word in (f"--{key}", value)]
                return [python, "-m", "llama_cpp.server", *options]
            case "gpt4all":
                script = here / "serve_gpt4all.py"
                return [python, str(script), str(model), str(port), threads, context]
            case _:
                script = here / "serve_llama_cpp.py"
                return [python, str(script), str(model), str(port), threads, context, slots]

    return _started(name, command, model.parent, dict(os.environ))


def _environment(setup: Setup, data: Path, **settings: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        # The make that runs this must not tell the one that it starts what to do.
        if not name.startswith(("GPT4ALL_", "MAKE", "MFLAGS"))
    }
    chosen = {
        "DATA_DIR": str(data),
        "CACHE_SLOTS": str(setup.slots),
        "THREADS": str(setup.threads),
        "CONTEXT_LENGTH": str(setup.context),
        **settings,
    }
    return kept | {f"GPT4ALL_{name}": value for name, value in chosen.items()}


def _with_known_words(model: Path) -> Path:
    """A copy that names a pre-tokenizer which gpt4all's llama.cpp of 2024 knows."""
    known = model.with_name("known.gguf")
    if not known.exists():
        command = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--force"]
        options = ["--pre-tokenizer", "gpt-2", str(model), str(known)]
        subprocess.run([*command, *options], check=True, capture_output=True)
    return known


@contextmanager
def _started(
    name: str,
    command: Callable[[int], Sequence[str]],
    folder: Path,
    environment: Mapping[str, str],
) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, path = f"http://127.0.0.1:{port}", folder / "log"
    with path.open("wb") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            command(port), cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(process, path, lambda: models(url).raise_for_status())
            first_get = time.perf_counter() - start
            _wait(process, path, lambda: completion(url, "Hello", 1))
            yield Server(name, url, process.pid, first_get, time.perf_counter() - start)
        finally:
            _end(process)


def _wait(process: "subprocess.Popen[bytes]", log: Path, ask: Callable[[], object]) -> None:
    """Asks until there is an answer."""
    end = time.monotonic() + _START_LIMIT
    while True:
        try:
            ask()
            return
        except requests.ConnectionError:
            problem = "does not listen"
        except requests.HTTPError as error:  # llama.cpp's, while it loads
            problem = str(error)
        if process.poll() is not None or time.monotonic() > end:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise ServerFailed("".join(last) or problem)
        time.sleep(0.005)


def _end(process: "subprocess.Popen[bytes]") -> None:
    pids = tree(process.pid)
    send(pids, signal.SIGCONT)
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_END_LIMIT)
    except subprocess.TimeoutExpired:
        send(pids, signal.SIGKILL)
        process.wait()
