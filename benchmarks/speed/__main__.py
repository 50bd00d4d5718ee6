"""How fast this server is beside others, on the same machine in the same minutes.

    python -m benchmarks.speed --peers PYTHON [--rounds 5] [--rows NAME ...]

Every round asks every server for every row before the next round. All servers run all the time,
but only the one that is asked is awake. The table holds the medians of the rounds.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import requests

from app.engines.llama_cpp import library
from app.machine import default_threads
from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh

from .asking import Message, chat
from .own_cost import Bare, own_cost
from .rows import QUICK, ROWS, Figures, Round, Sizes, client_leaves
from .servers import (
    OURS,
    OURS_ON_LLAMA_CPP,
    PACKAGES,
    ROOT,
    Server,
    ServerFailed,
    Setup,
    Start,
    installed,
    made,
    ours,
    peer,
)
from .table import Table

ENGINE = "its engine alone"
MORE_ROWS = ("localdocs", "client-leaves", "own-cost")  # only here
_QUESTIONS = (
    "How does a file get a name, a system message and a chat template of its own?",
    "What does LocalDocs do with a PDF that has no text?",
    "What happens when the disk is full?",
    "Which fields of OpenAI's API does the server know?",
)


class Documents:
    """A collection of this project's pages, which only the row for it switches on."""

    def __init__(self, data: Path) -> None:
        self._collections = Collections(data / "localdocs")
        self._collections.create("Pages", ROOT / "docs")
        refresh(self._collections, "Pages", Limits())
        self._collections.activate("Pages", active=False)

    def rows(self, server: Server, now: Round) -> Figures:
        """The first texts of a chat, for each turn of which sources are looked for."""
        self._collections.activate("Pages", active=True)
        messages, times = list[Message](), []
        for question in _QUESTIONS[: now.sizes.turns]:
            messages.append({"role": "user", "content": f"{now.number}: {question}"})
            answer = chat(server.url, messages, now.sizes.reply)
            times.append(answer.first * 1000)
            messages.append({"role": "assistant", "content": answer.text})
        self._collections.activate("Pages", active=False)
        yield "first text of a LocalDocs question, ms", times[0]
        label = f"first text of turns 2 to {len(times)} with LocalDocs, ms"
        yield label, statistics.median(times[1:])


class Bench:
    """The servers that run, and what each of them is asked in a round."""

    def __init__(self, setup: Setup, rows: Sequence[str], sizes: Sizes) -> None:
        self.setup, self.rows, self.sizes = setup, rows, sizes
        self.table = Table()
        self.columns: dict[str, str] = {}  # what the table calls each server
        self._servers: list[tuple[Server, Start]] = []
        self._more: list[tuple[str, str, Callable[[Round], Figures]]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Starts all servers, says which cannot be had, and ends them."""
        with ExitStack() as stack:
            data = self.setup.data("ours")
            server = self._add(stack, OURS, partial(ours, self.setup, data))
            start = partial(made, self.setup, self.setup.data("made"))
            self._servers[-1] = server, start
            if "start" in self.rows:
                with start():  # once, so that the model is prepared
                    pass
            if "localdocs" in self.rows:
                documents = Documents(data)
                more = partial(self._awake, server, documents.rows)
                self._more.append(("localdocs", OURS, more))
            if "client-leaves" in self.rows:
                more = partial(self._awake, server, client_leaves)
                self._more.append(("client-leaves", OURS, more))
            if "own-cost" in self.rows:
                cost = stack.enter_context(own_cost(self.setup))
                self._more.append(("own-cost", OURS, cost.rows))
            self._add_peers(stack)
            if library.installed():
                data = self.setup.data("second")
                name = OURS_ON_LLAMA_CPP
                self._add(stack, name, partial(ours, self.setup, data, name, "llama-cpp"))
            if {"first-text", "depth"} & set(self.rows):
                path, cache = self.setup.copy("engine"), self.setup.folder / "engine" / "cache"
                bare = Bare(path, cache, self.setup.context, self.setup.threads)
                stack.callback(bare.engine.close)
                self.columns[ENGINE] = ENGINE
                for name, rows in (("first-text", bare.first_text), ("depth", bare.depth)):
                    if name in self.rows:
                        self._more.append((name, ENGINE, rows))
            yield

    def round(self, number: int) -> None:
        """Asks every server for every row."""
        for name in self.rows:
            if name not in ROWS:
                continue
            for server, start in self._servers:
                now = Round(number, self.sizes, start)
                with server.awake():
                    self._note(server.name, f"{name} of {server.name}", ROWS[name](server, now))
        for name, column, more in self._more:
            now = Round(number, self.sizes, self._servers[0][1])
            self._note(column, f"{name} of {column}", more(now))

    def _add_peers(self, stack: ExitStack) -> None:
        there = installed(self.setup.peers)
        for name, package in PACKAGES.items():
            if package not in there:
                print(f"{name} is left out: {package} is not in {self.setup.peers}.")
                continue
            try:
                self._add(stack, name, partial(peer, name, self.setup), there[package])
            except ServerFailed as error:
                print(f"{name} is left out: {error}")

    def _add(self, stack: ExitStack, name: str, start: Start, version: str = "") -> Server:
        server = stack.enter_context(start())
        server.stop()
        self._servers.append((server, start))
        self.columns[name] = f"{name} {version}".strip()
        return server

    def _awake(
        self, server: Server, rows: Callable[[Server, Round], Figures], now: Round
    ) -> Figures:
        with server.awake():
            yield from rows(server, now)

    def _note(self, column: str, what: str, figures: Figures) -> None:
        print(f"  {what}", file=sys.stderr, flush=True)
        try:
            for label, figure in figures:
                self.table.note(label, column, figure)
        except (requests.RequestException, RuntimeError) as error:
            # A peer cannot do it, which llama-cpp-python says with a 500, or it fails.
            if column == OURS:
                raise
            print(f"  {what}: {error}", file=sys.stderr)


def main(arguments: argparse.Namespace) -> None:
    """Measures, and prints the table."""
    data = Path(os.environ.get("GPT4ALL_DATA_DIR") or "instance")
    model = arguments.model or min((data / "models").glob("*.gguf"))
    rows = arguments.rows or [*ROWS, *MORE_ROWS]
    sizes = QUICK if arguments.quick else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(
            model,
            Path(folder),
            threads=arguments.threads,
            context=arguments.context,
            slots=arguments.slots,
            peers=arguments.peers.absolute(),
        )
        bench, whole = Bench(setup, rows, sizes), 0
        try:
            with bench.running():
                for whole in range(arguments.rounds):
                    print(f"round {whole + 1}", file=sys.stderr, flush=True)
                    bench.round(whole)
            whole = arguments.rounds
        except KeyboardInterrupt:
            print("Interrupted: the last round is not whole.", file=sys.stderr)
    print(
        f"{model.stem}, threads: {setup.threads}, context: {setup.context:,} tokens, "
        f"KV caches: {setup.slots}, medians of {whole} rounds\n"
    )
    bench.table.print(bench.columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", nargs="+", choices=[*ROWS, *MORE_ROWS])
    parser.add_argument("--quick", action="store_true", help="tiny numbers, for a smoke")
    parser.add_argument("--model", type=Path, help="the GGUF; by default the first one")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--slots", type=int, default=8, help="KV caches")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end too
    main(parser.parse_args())
