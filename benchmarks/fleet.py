"""Instances behind HAProxy, with the configuration of docs/scaling.md, beside one alone.

    python -m benchmarks.fleet [--rounds 5] [--model GGUF]

In each round, eight clients ask every fleet. Each instance has one thread, and one fleet is a
single instance with a thread for each core. More instances than cores cannot be faster: the table
shows that they answer, and what the balancer costs.
"""

import argparse
import http.client
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import requests

from app.machine import default_threads
from tests.balancer import balanced

from .speed.asking import Answer, chat, percentile_95, short_chat
from .speed.servers import Setup, ours
from .speed.table import Table

CLIENTS, QUESTIONS, REPLY, GETS = 8, 2, 32, 200
ALONE, ONE, CORES = "1 instance", "1 behind HAProxy", default_threads()
# The columns, with how many instances are behind HAProxy, and the threads of each.
FLEETS = {
    ONE: (1, 1),
    "2 behind HAProxy": (2, 1),
    "4 behind HAProxy": (4, 1),
    f"1 with {CORES} threads behind HAProxy": (1, CORES),
}


def ask(url: str, seed: str) -> list[Answer]:
    """The answers to eight clients, each with one question after the other."""

    def client(number: int) -> list[Answer]:
        answers = []
        for question in range(QUESTIONS):
            try:
                answers.append(chat(url, short_chat(f"{seed} {number} {question}"), REPLY))
            except (requests.RequestException, RuntimeError) as error:
                print(f"  {url}: {error}", file=sys.stderr)
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [answer for each in pool.map(client, range(CLIENTS)) for answer in each]


def note(table: Table, column: str, url: str, seed: str) -> None:
    """Adds what eight clients get from a fleet."""
    start = time.perf_counter()
    answers = ask(url, seed)
    seconds = time.perf_counter() - start
    first = [answer.first * 1000 for answer in answers]
    table.note("tokens/s in all", column, sum(answer.tokens for answer in answers) / seconds)
    table.note("first text, median, ms", column, statistics.median(first))
    table.note("first text, p95, ms", column, percentile_95(first))
    table.note("errors", column, CLIENTS * QUESTIONS - len(answers))


def note_gets(table: Table, alone: str, balancer: str) -> None:
    """Adds what a GET takes, in turn: on a connection that is kept, on a new one, and balanced."""
    kept = _connection(alone)
    ways: dict[tuple[str, str], Callable[[], http.client.HTTPConnection]] = {
        ("GET /health, on one connection, ms", ALONE): lambda: kept,
        ("GET /health, a connection each, ms", ALONE): lambda: _connection(alone),
        ("GET /health, a connection each, ms", ONE): lambda: _connection(balancer),
    }
    times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for _ in range(GETS):
        for way, connect in ways.items():
            start = time.perf_counter()
            connection = connect()
            connection.request("GET", "/health")
            connection.getresponse().read()
            if connection is not kept:
                connection.close()
            times[way].append((time.perf_counter() - start) * 1000)
    kept.close()
    for (label, column), figures in times.items():
        table.note(label, column, statistics.median(figures))


def _connection(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    assert address.hostname is not None
    return http.client.HTTPConnection(address.hostname, address.port)


def main(arguments: argparse.Namespace) -> None:
    """Measures, and prints the table."""
    data = Path(os.environ.get("GPT4ALL_DATA_DIR") or "instance")
    model = arguments.model or min((data / "models").glob("*.gguf"))
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(arguments.rounds):
            for column, (count, threads) in FLEETS.items():
                print(f"round {number + 1}: {column}", file=sys.stderr, flush=True)
                # Eight clients must find room in one instance too.
                setup = Setup(
                    model,
                    folder,
                    threads=threads,
                    context=2048,
                    slots=8,
                    peers=Path("unused"),
                    queue=CLIENTS,
                )
                shared = setup.data("shared")
                with ExitStack() as stack:
                    servers = [stack.enter_context(ours(setup, shared)) for _ in range(count)]
                    ports = [urlsplit(server.url).port or 0 for server in servers]
                    balancer = stack.enter_context(balanced(folder, ports))
                    if column == ONE:
                        note(table, ALONE, servers[0].url, f"alone {number}")
                        note_gets(table, servers[0].url, balancer)
                    note(table, column, balancer, f"{column} {number}")
    print(
        f"{model.stem}, cores: {CORES}, {CLIENTS} clients, medians of {arguments.rounds} rounds\n"
    )
    table.print({column: column for column in (ALONE, *FLEETS)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path, help="the GGUF; by default the first one")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end too
    main(parser.parse_args())
