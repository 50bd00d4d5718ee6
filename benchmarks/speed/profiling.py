"""Where the server and the model process spend their time while an answer is streamed.

    python -m benchmarks.speed.profiling [--py-spy .venv-peers/bin/py-spy] [--tokens 1500]

py-spy looks at both processes from outside while they work. Reading another process's memory may
take root's rights; py-spy says so. It counts some threads that wait for a pipe or a queue as at
work (`_read` and `_next` of the server).
"""

import argparse
import collections
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from app.machine import default_threads

from .asking import chat, short_chat
from .processes import tree
from .servers import Setup, ours

_RATE = 250  # samples a second
_SHOWN = 20


def heaviest(lines: Iterable[str]) -> list[tuple[str, float, float]]:
    """Functions with the shares of the time in themselves, and with all that they call.

    ``lines`` are py-spy's: the functions of a stack with semicolons between them, and how often it
    was seen.
    """
    alone: collections.Counter[str] = collections.Counter()
    whole: collections.Counter[str] = collections.Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if not stack:
            continue  # py-spy came too late to see it
        frames = stack.split(";")
        alone[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    total = alone.total()
    return [(name, seen / total, whole[name] / total) for name, seen in alone.most_common(_SHOWN)]


def main(arguments: argparse.Namespace) -> None:
    """Streams an answer and prints both profiles."""
    data = Path(os.environ.get("GPT4ALL_DATA_DIR") or "instance")
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(
            min((data / "models").glob("*.gguf")),
            Path(folder),
            threads=arguments.threads,
            context=2048,
            slots=1,
            peers=Path("unused"),
            queue=8,
        )
        with ours(setup, setup.data("ours")) as server:
            watched = {"server": server.pid, "model process": _model_process(server.pid)}
            files = {name: Path(folder) / f"{name}.txt" for name in watched}
            watchers = [
                subprocess.Popen(
                    _command(arguments.py_spy, pid, files[name]),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                for name, pid in watched.items()
            ]
            time.sleep(1)  # until they look
            start = time.monotonic()
            answer = chat(server.url, short_chat("profile"), arguments.tokens)
            print(f"{answer.tokens} tokens in {time.monotonic() - start:.1f} s")
        for watcher in watchers:
            said, _ = watcher.communicate()
            if watcher.returncode:
                raise SystemExit(said.decode())
        for name, path in files.items():
            print(f"\n| {name} | itself | with what it calls |\n|---|---|---|")
            with path.open(encoding="utf-8") as lines:
                for function, alone, whole in heaviest(lines):
                    print(f"| {function} | {alone:.1%} | {whole:.1%} |")


def _model_process(server: int) -> int:
    [pid] = (
        pid for pid in tree(server) if b"app.inference" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return pid


def _command(py_spy: Path, pid: int, output: Path) -> list[str]:
    """py-spy until the process ends."""
    options = ["--rate", str(_RATE), "--format", "raw", "--function", "--output", str(output)]
    # A process that is halted for each look answers at a fraction of its speed.
    options.append("--nonblocking")
    return [str(py_spy), "record", "--pid", str(pid), *options]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--py-spy", type=Path, default=Path(".venv-peers/bin/py-spy"))
    parser.add_argument("--tokens", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=default_threads())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end too
    main(parser.parse_args())
