"""How the server's cost grows with what it is given.

    python -m benchmarks.speed.growth [--rounds 3] [--rows NAME ...]

The exponent says how the cost grows between the two largest sizes: 1 is as fast as the input, 2 is
its square. The table holds the medians of the rounds.
"""

import argparse
import math
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.machine import default_threads
from tests.tiny_gguf import write_tiny_gguf

from .asking import chat, completion, models, short_chat, together, words
from .searching import collections_row, snippets_row
from .servers import Server, Setup, ours
from .table import shown

# An exponent above this is more than the noise of one that is 1.
_FASTER = 1.1
_REPLY = 16


@dataclass(frozen=True)
class Row:
    """Sizes, and what a size costs in a round: milliseconds."""

    label: str
    sizes: Sequence[int]
    cost: Callable[[int, int], float]


class Served:
    """Rows that ask a server with the default model."""

    def __init__(self, server: Server) -> None:
        self._url = server.url

    def prompt(self, size: int, number: int) -> float:
        """The first text behind a prompt of ``size`` tokens that is new."""
        return completion(self._url, words(size, f"growth {size} {number}"), 1).first * 1000

    def turns(self, size: int, number: int) -> float:
        """The first texts of a chat of ``size`` turns, added up."""
        messages = short_chat(f"growth {size} {number}")
        total = 0.0
        for turn in range(size):
            answer = chat(self._url, messages, _REPLY)
            total += answer.first * 1000
            question = f"And what about {words(4, f'{turn} {number}')}?"
            messages += [
                {"role": "assistant", "content": answer.text},
                {"role": "user", "content": question},
            ]
        return total

    def clients(self, size: int, number: int) -> float:
        """Until ``size`` clients that ask at once have their answers."""
        chats = [short_chat(f"growth {size} {client} {number}") for client in range(size)]
        start = time.perf_counter()
        together(self._url, chats, _REPLY)
        return (time.perf_counter() - start) * 1000


class Files:
    """The row that asks a server with more and more files of models."""

    def __init__(self, server: Server, folder: Path, *, first: bool) -> None:
        self._url, self._folder, self._first = server.url, folder, first

    def cost(self, size: int, number: int) -> float:
        """GET /v1/models with ``size`` files: the first time that they are there, or later."""
        content = write_tiny_gguf(self._folder.parent / "tiny.gguf", seed=number).read_bytes()
        for path in self._folder.glob("*.gguf"):
            path.unlink()
        for place in range(size):
            (self._folder / f"{size}-{number}-{place}.gguf").write_bytes(content)
        times = []
        for _ in range(6):
            start = time.perf_counter()
            models(self._url).raise_for_status()
            times.append(time.perf_counter() - start)
        return (times[0] if self._first else statistics.median(times[1:])) * 1000


def rows(setup: Setup, stack: ExitStack, names: Sequence[str], quick: bool) -> Iterator[Row]:
    """The rows of those ``names``, with what they need, which lasts as long as the ``stack``."""

    def sizes(*all_of_them: int) -> Sequence[int]:
        return all_of_them[:2] if quick else all_of_them

    served = None
    for name in names:
        if name in ("prompt", "turns", "clients") and served is None:
            served = Served(stack.enter_context(ours(setup, setup.data("ours"))))
        if name == "prompt" and served:
            yield Row("prompt, tokens", sizes(64, 128, 256, 512, 1024, 2000), served.prompt)
        elif name == "turns" and served:
            yield Row("a chat's turns, all of them", sizes(1, 2, 5, 10, 20), served.turns)
        elif name == "clients" and served:
            yield Row("clients at once", sizes(1, 2, 4, 8, 16), served.clients)
        elif name == "models":
            data = setup.folder / "files"
            (data / "models").mkdir(parents=True)
            write_tiny_gguf(data / "models" / "first.gguf")
            server = stack.enter_context(ours(setup, data))
            for label, first in (("new files of models", True), ("files of models", False)):
                files = Files(server, data / "models", first=first)
                yield Row(f"GET /v1/models, {label}", sizes(1, 10, 50, 200), files.cost)
        elif name == "collections":
            counts = sizes(1, 5, 20, 50)
            cost = collections_row(setup.folder / "collections", counts)
            yield Row("a question, collections", counts, cost)
        elif name == "snippets":
            counts = sizes(200, 400) if quick else sizes(2_000, 20_000, 200_000)
            cost = snippets_row(setup.folder / "snippets", counts)
            yield Row("a question, snippets", counts, cost)


NAMES = ("prompt", "turns", "clients", "models", "collections", "snippets")


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Of the power of the size that the cost follows between the last two sizes."""
    return math.log(costs[-1] / costs[-2]) / math.log(sizes[-1] / sizes[-2])


def main(arguments: argparse.Namespace) -> None:
    """Measures, and prints the table."""
    data = Path(os.environ.get("GPT4ALL_DATA_DIR") or "instance")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        setup = Setup(
            arguments.model or min((data / "models").glob("*.gguf")),
            Path(folder),
            threads=arguments.threads,
            context=2048,
            slots=1,
            peers=Path("unused"),
        )
        found = list(rows(setup, stack, arguments.rows, arguments.quick))
        costs: dict[tuple[str, int], list[float]] = {}
        for number in range(arguments.rounds):
            for row in found:
                print(f"round {number + 1}: {row.label}", file=sys.stderr, flush=True)
                for size in row.sizes:
                    costs.setdefault((row.label, size), []).append(row.cost(size, number))
    print(f"{setup.model.stem}, threads: {setup.threads}, medians of {arguments.rounds} rounds\n")
    print("| what grows | size: ms | exponent | |\n|---|---|---|---|")
    for row in found:
        medians = [statistics.median(costs[row.label, size]) for size in row.sizes]
        cells = (f"{s:,}: {shown(cost)}" for s, cost in zip(row.sizes, medians, strict=True))
        power = exponent(row.sizes, medians)
        remark = "grows faster than its input" if power > _FASTER else ""
        print(f"| {row.label} | {', '.join(cells)} | {power:.2f} | {remark} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes, for a smoke")
    parser.add_argument("--model", type=Path, help="the GGUF; by default the first one")
    parser.add_argument("--threads", type=int, default=default_threads())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end too
    main(parser.parse_args())
