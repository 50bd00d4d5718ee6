"""What the service takes of its own, beside the engine; and the engine alone.

The default model's evaluations take so long that this would drown in their noise. So it is
measured with a model of random weights that has the default model's vocabulary, which decides what
sampling and streaming cost, and a small network.
"""

import collections
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import gguf
import numpy as np

from app.engines import engine_room
from app.engines.base import Engine, LoadOptions
from app.inference.model import Model
from app.inference.run import run
from app.jobs import Job, Options
from app.model_process import ModelProcess, Timeouts
from app.models.cache import ModelCache, PreparedModel
from app.models.library import ModelFile
from app.protocol import Load
from tests.tiny_gguf import EMBEDDING, write_tiny_gguf

from .asking import completion, words
from .rows import Figures, Round
from .servers import Server, Setup, ours

_TOKENS, _REQUESTS, _PIECES = 200, 20, 1000


def write_small_model(path: Path, vocabulary_of: Path) -> None:
    """Writes random weights with the vocabulary of another GGUF."""
    fields = gguf.GGUFReader(vocabulary_of).fields
    kept = ("tokenizer.ggml.", "tokenizer.chat_template")
    metadata = {name: field.contents() for name, field in fields.items() if name.startswith(kept)}
    count = len(metadata["tokenizer.ggml.tokens"])
    random = np.random.default_rng(1)
    embeddings = random.normal(scale=0.3, size=(count, EMBEDDING)).astype(np.float32)
    write_tiny_gguf(
        path,
        context_length=2048,
        metadata=metadata,
        tensors={"token_embd.weight": embeddings},
    )


class Bare:
    """The engine alone in this process, with the default model or another one."""

    def __init__(self, path: Path, cache: Path, context: int, threads: int) -> None:
        self.file = ModelFile(path.stem, path)
        self.prepared: PreparedModel = ModelCache(cache).prepare(path)
        room = engine_room(self.prepared.plan.engine)
        self.engine: Engine = room.load(self.prepared, LoadOptions(context, threads)).open()

    def prompt(self, tokens: int) -> float:
        """The seconds of a prompt."""
        start = time.perf_counter()
        for position in range(0, tokens, self.engine.piece):
            count = min(self.engine.piece, tokens - position)
            self.engine.evaluate(list(range(100, 100 + count)), position)
        return time.perf_counter() - start

    def tokens(self, depth: int, count: int) -> float:
        """The seconds of tokens that are evaluated one by one behind others."""
        start = time.perf_counter()
        for position in range(depth, depth + count):
            self.engine.evaluate([position], position)
        return time.perf_counter() - start

    def first_text(self, now: Round) -> Figures:
        """The evaluation of a prompt, as in the row of that name."""
        size = now.sizes.long
        yield f"first text, {size} tokens, cold, ms", self.prompt(size) * 1000

    def depth(self, now: Round) -> Figures:
        """The evaluation of an answer's tokens, as in the row of that name."""
        count = now.sizes.answer
        for depth in now.sizes.depths:
            self.prompt(depth)
            yield f"answer behind {depth:,} tokens, tokens/s", count / self.tokens(depth, count)


class OwnCost:
    """A server with a small model, and the same model's engine and process without it."""

    def __init__(self, server: Server, model: Path, cache: Path, setup: Setup) -> None:
        self.server = server
        self._bare = Bare(model, cache, setup.context, setup.threads)
        self._model = Model.load(self._bare.file, self._bare.prepared, setup.context, setup.threads)
        self._process = ModelProcess(Timeouts())
        self._process.load(Load(self._bare.file, cache, setup.context, setup.threads))
        self._process.wait_until_loaded(lambda: None)

    def rows(self, now: Round) -> Figures:
        """Milliseconds of a token and of a request, and the part of the model's own process."""
        prompt = words(20, f"own {now.number}")
        count = now.sizes.answer if now.sizes.answer < 64 else _TOKENS
        bare = self._bare.tokens(20, count) / count
        with self.server.awake():
            served = 1 / completion(self.server.url, prompt, count).rate
            request = self._request(prompt)
        yield "own cost of a token, ms", (served - bare) * 1000
        yield "own cost of a request, ms", (request - bare) * 1000
        piece, process = self._boundary()
        yield "of that the model process, a token, ms", piece * 1000
        yield "of that the model process, a request, ms", process * 1000
        yield "`flask --app wsgi models list`, s", _command_seconds()

    def close(self) -> None:
        """Ends the process and frees the models."""
        self._process.close()
        self._model.close()
        self._bare.engine.close()

    def _request(self, prompt: str) -> float:
        """The seconds of a request for one token behind a prompt that is known.

        `requests` would add more of its own than is measured.
        """
        address = urlsplit(self.server.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port)
        body = json.dumps({"prompt": prompt, "max_tokens": 1})

        def ask() -> None:
            connection.request("POST", "/v1/completions", body)
            reply = connection.getresponse()
            if reply.status != 200:
                raise RuntimeError(reply.read().decode())
            reply.read()

        seconds = statistics.median(_timed(ask) for _ in range(_REQUESTS))
        connection.close()
        return seconds

    def _boundary(self) -> tuple[float, float]:
        """Seconds that the process adds to a piece of an answer, and to a request.

        The jobs repeat their prompt, without an evaluation: what is left is the way of the pieces.
        """

        def seconds(answers: int) -> float:
            echo = Job(["Hello"], options=Options(n=answers, max_tokens=0, echo=True))

            def inside() -> None:
                collections.deque(run(self._model, echo, lambda: None), maxlen=0)

            def outside() -> None:
                collections.deque(self._process.run(echo, lambda: None)[1], maxlen=0)

            return _timed(outside) - _timed(inside)

        one = statistics.median(seconds(1) for _ in range(_REQUESTS))
        return (seconds(_PIECES) - one) / (2 * _PIECES), one


@contextmanager
def own_cost(setup: Setup) -> Iterator[OwnCost]:
    """All that the figures of `OwnCost` need."""
    # With more, the small model's threads wait for each other longer than they work.
    setup = replace(setup, threads=1)
    data = setup.folder / "small"
    model = data / "models" / "small.gguf"
    model.parent.mkdir(parents=True)
    write_small_model(model, setup.model)
    with ours(setup, data) as server:
        cost = OwnCost(server, model, data / "cache", setup)
        server.stop()
        try:
            yield cost
        finally:
            cost.close()


def _timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _command_seconds() -> float:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "models", "list"]
    return _timed(lambda: subprocess.run(command, check=True, capture_output=True))
