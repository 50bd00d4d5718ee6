"""How fast the server is, compared with the bare engine on the same machine at the same time.

    python -m benchmarks.speed [--rounds 5]

Prints medians over the rounds. The engine alone evaluates the same numbers of tokens without the
server, tokenizer, sampling or streaming. The ratio shows what these cost. The server is started
with its own command and has the default model.
"""

import argparse
import collections
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from app.engines import engine_room
from app.engines.base import Engine
from app.inference.model import Model
from app.inference.run import run
from app.jobs import Job, Options
from app.machine import default_threads
from app.model_process import ModelProcess, Timeouts
from app.models.cache import ModelCache
from app.models.library import ModelFile
from app.protocol import Load

DATA = Path(os.environ.get("GPT4ALL_DATA_DIR") or "instance")
PROMPT, ANSWER = 512, 128
QUESTION = "Who was the first person on the moon?"


@contextmanager
def served() -> Iterator[tuple[str, float, float]]:
    """Runs `make run`: its address, and the seconds to the first GET and to the first answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    start = time.monotonic()
    make = subprocess.Popen(
        ["make", "run", f"PORT={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            try:
                requests.get(f"{url}/health", timeout=10).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.005)
        first_get = time.monotonic() - start
        ask(url, prompt="Hello", max_tokens=1)
        yield url, first_get, time.monotonic() - start
    finally:
        os.killpg(make.pid, signal.SIGINT)
        make.wait()


def ask(url: str, **body: Any) -> dict[str, Any]:
    """A completion."""
    response = requests.post(f"{url}/v1/completions", json={"model": "m", **body}, timeout=600)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


def prompt_rate(url: str) -> float:
    """Tokens per second for a prompt that is in no cache."""
    prompt = f"{time.monotonic()} " + "word " * PROMPT
    start = time.monotonic()
    tokens = ask(url, prompt=prompt, max_tokens=1)["usage"]["prompt_tokens"]
    return float(tokens / (time.monotonic() - start))


def stream(url: str, **body: Any) -> tuple[float, float]:
    """The seconds to the first text of a chat, and the tokens per second after it."""
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, **body}
    start, first = time.monotonic(), 0.0
    with requests.post(f"{url}/v1/chat/completions", json=body, stream=True, timeout=600) as reply:
        for line in reply.iter_lines():
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if not first and chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                first = time.monotonic()
    tokens = chunk["usage"]["completion_tokens"]
    return first - start, (tokens - 1) / (time.monotonic() - first)


def chat_of(question: str) -> list[dict[str, str]]:
    """A conversation with one message."""
    return [{"role": "user", "content": question}]


def read_latencies(url: str) -> list[float]:
    """The seconds that each GET takes while an answer is generated."""
    body = {"prompt": "1 2 3 4", "max_tokens": 400, "temperature": 0, "repeat_penalty": 1}
    answer = threading.Thread(target=ask, args=(url,), kwargs=body)
    answer.start()
    times = []
    while answer.is_alive():
        start = time.monotonic()
        requests.get(f"{url}/v1/models", timeout=10).raise_for_status()
        times.append(time.monotonic() - start)
        time.sleep(0.01)
    return times


def seconds_to_free(url: str) -> float:
    """The seconds until the model is free after a client leaves in the middle of a prompt."""
    body = json.dumps({"model": "m", "prompt": f"{time.monotonic()} " + "word " * 1900}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.5)
    start = time.monotonic()
    while requests.get(f"{url}/health", timeout=10).json()["busy"]:
        time.sleep(0.005)
    return time.monotonic() - start


def bare_rates(engine: Engine) -> tuple[float, float]:
    """Tokens per second of the engine alone: for a prompt, and one by one after a short one."""
    start = time.monotonic()
    for position in range(0, PROMPT, engine.piece):
        engine.evaluate(list(range(100, 100 + engine.piece)), position)
    prompt = PROMPT / (time.monotonic() - start)
    start = time.monotonic()
    for position in range(50, 50 + ANSWER):
        engine.evaluate([position], position)
    return prompt, ANSWER / (time.monotonic() - start)


def boundary_costs(model: Model, process: ModelProcess) -> tuple[float, float]:
    """Seconds that the process adds to a piece of an answer, and to a request.

    The jobs repeat their prompt, without an evaluation: what is left is the way of the pieces.
    """

    def seconds(answers: int) -> float:
        echo = Job(["Hello"], options=Options(n=answers, max_tokens=0, echo=True))
        start = time.perf_counter()
        collections.deque(run(model, echo, lambda: None), maxlen=0)
        between = time.perf_counter()
        collections.deque(process.run(echo, lambda: None)[1], maxlen=0)
        return (time.perf_counter() - between) - (between - start)

    pieces = 1000
    one = statistics.median(seconds(1) for _ in range(20))
    return (seconds(pieces) - one) / (2 * pieces), one


def command_seconds() -> float:
    """Seconds that `flask --app wsgi models list` takes."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "models", "list"]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - start


def measure(rounds: int) -> None:
    """Prints the table."""
    path = min((DATA / "models").glob("*.gguf")).absolute()
    file, cache = ModelFile(path.stem, path), (DATA / "cache").absolute()
    threads = default_threads()
    prepared = ModelCache(cache).prepare(path)
    model = Model.load(file, prepared, 2048, threads)
    engine = engine_room(prepared.plan.engine).load(prepared.weights, 2048, threads)
    process = ModelProcess(Timeouts())
    process.load(Load(file, cache, 2048, threads))
    process.wait_until_loaded(lambda: None)
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    for i in range(rounds):
        piece, request = boundary_costs(model, process)
        note("process boundary, ms a piece", piece * 1000)
        note("process boundary, ms a request", request * 1000)
        note("`flask --app wsgi models list`, s", command_seconds())
        with served() as (url, first_get, first_answer):
            note("`make run` to the first GET, s", first_get)
            note("`make run` to the first answer, s", first_answer)
            prompt, decode = bare_rates(engine)
            served_prompt = prompt_rate(url)
            cold, _ = stream(url, messages=chat_of(f"{i}: {QUESTION}"), max_tokens=2)
            warm, _ = stream(url, messages=chat_of(f"{i}: {QUESTION}"), max_tokens=2)
            _, served_decode = stream(
                url, messages=chat_of("Count to a thousand."), max_tokens=ANSWER, seed=1
            )
            note("prompt, tokens/s", served_prompt)
            note("prompt, share of the bare engine", served_prompt / prompt)
            note("answer, tokens/s", served_decode)
            note("answer, share of the bare engine", served_decode / decode)
            note("first text of a short chat, ms", cold * 1000)
            note("first text, asked again, ms", warm * 1000)
            note("GET while generating, p95 ms", percentile_95(read_latencies(url)) * 1000)
            note("model free after a client left, ms", seconds_to_free(url) * 1000)
    process.close()
    print(f"{path.stem}, {threads} threads, medians of {rounds} rounds\n")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.3g} |")


def percentile_95(times: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    measure(parser.parse_args().rounds)
