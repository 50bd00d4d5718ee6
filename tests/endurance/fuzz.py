"""Damaged model files and damaged HTTP.

    python -m tests.endurance.fuzz [--files 100000] [--loads 300] [--requests 20000] [--seed 0]

1. Headers of GGUFs are changed at random and judged. Each must be accepted, or refused with a
   `ModelError`, within the limits below.
2. Some of those that are accepted are loaded by a real server and asked. A crash of the model
   process is one failed request, and the sound model next to them still answers as before.
3. HTTP requests are changed at random. Each gets a right status, or its connection is closed.

File number N of a seed is always the same: `--only N` writes it to the present folder.
"""

import argparse
import random
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as Timeout
from pathlib import Path

import requests
from pebble import ProcessExpired, ProcessPool

from app.exceptions import ModelError
from app.models.cache import ModelCache

from ..modern_gguf import MODERN
from ..server import Server
from ..tiny_gguf import WRITERS
from .report import Report, resident
from .running import MODEL, made_data

BATCH = 500  # files in one process
CPU_SECONDS, MEMORY_BYTES = 5, 256 << 20  # of one file
HANGS = 300  # seconds for a batch
TIMEOUT = 60  # seconds for an answer
NUMBERS = (0, 1, 2, 7, 8, 12, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
STATUSES = {200, 308, 400, 401, 403, 404, 405, 413, 415, 431, 501, 505}
LOADED = {"200", "400 model_not_usable", "500 model_crashed", "500 model_stalled"}


def originals(folder: Path) -> list[bytes]:
    """A sound GGUF of each kind."""
    writers = [*WRITERS.values(), *MODERN.values()]
    return [write(folder / f"{i}.gguf").read_bytes() for i, write in enumerate(writers)]


def header_of(data: bytes) -> int:
    """Where the header ends, at the latest: behind the names of the tensors."""
    return data.rindex(b".weight") + 64


def mutated(data: bytes, end: int, other: bytes, chance: random.Random) -> bytes:
    """``data`` with one to four changes before ``end``. Some come from ``other`` data."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(min(end, len(changed)) or 1)
        if chance.random() < 0.5:  # near a key, where the numbers count
            at = max(changed.find(b".", at), 0) + chance.randrange(40)
        size = chance.choice((1, 4, 8))
        match chance.randrange(8):
            case 0 | 1 | 2:
                number = chance.choice(NUMBERS) % 256**size
                changed[at : at + size] = number.to_bytes(size, "little")
            case 3 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 4:
                del changed[at : at + chance.choice((1, 8, 100))]
            case 5:
                changed[at:at] = changed[at : at + chance.choice((1, 8, 100))]
            case 6:
                changed[at : at + size] = other[at : at + size]
            case 7 if chance.random() < 0.2:
                del changed[at:]
            case _:
                changed[at : at + size] = chance.randbytes(size)
    return bytes(changed)


def file_of(number: int, seed: int, sound: Sequence[bytes]) -> bytes:
    """The damaged GGUF of that number."""
    chance = random.Random(f"{seed} {number}")
    data = chance.choice(sound)
    return mutated(data, header_of(data), chance.choice(sound), chance)


def judge(numbers: range, seed: int) -> list[tuple[int, str, float]]:
    """Judges files, in a process of its own. Returns what became of each, and the CPU seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sound, cache = originals(folder), ModelCache(folder / "cache")
        outcomes = []
        cache.judge(folder / "0.gguf")  # loads what judging needs
        for number in numbers:
            path = folder / f"damaged-{number}.gguf"
            path.write_bytes(file_of(number, seed, sound))
            start = time.process_time()
            outcome = _judged(cache, path)
            outcomes.append((number, outcome, time.process_time() - start))
            path.unlink()
        return outcomes


def _judged(cache: ModelCache, path: Path) -> str:
    before = _peak()
    try:
        cache.judge(path)
        outcome = "accepted"
    except ModelError:
        outcome = "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if (grown := _peak() - before) > MEMORY_BYTES:
        return f"too large: {grown >> 20} MiB"
    return outcome


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def judge_all(count: int, seed: int, report: Report) -> list[int]:
    """Judges that many files. Returns the numbers of those that were accepted."""
    batches = [range(i, min(i + BATCH, count)) for i in range(0, count, BATCH)]
    accepted = []
    with ProcessPool(max_workers=1, max_tasks=20) as pool:
        futures = [pool.schedule(judge, args=[b, seed], timeout=HANGS) for b in batches]
        for batch, future in zip(batches, futures, strict=True):
            try:
                outcomes = future.result()
            except (ProcessExpired, Timeout) as error:
                report.fault(f"judging one of the files {batch}: {error!r}")
                continue
            for number, outcome, seconds in outcomes:
                report.count("files judged", outcome.partition(":")[0], seconds)
                if outcome not in ("accepted", "refused") or seconds > CPU_SECONDS:
                    report.fault(f"file {number}: {outcome} after {seconds:.1f} s")
                elif outcome == "accepted":
                    accepted.append(number)
    return accepted


def load(numbers: Sequence[int], seed: int, server: Server, models: Path, report: Report) -> None:
    """Asks a real server for the models in damaged files."""
    with tempfile.TemporaryDirectory() as temporary:
        sound = originals(Path(temporary))
    first = _asked(server, Path(MODEL).stem)
    for number in numbers:
        path = models / f"damaged-{number}.gguf"
        path.write_bytes(file_of(number, seed, sound))
        start = time.monotonic()
        try:
            outcome, _ = _asked(server, path.stem)
            again = _asked(server, Path(MODEL).stem)
        except requests.RequestException as error:
            report.fault(f"file {number} is asked: {error!r}")
            continue
        finally:
            path.unlink()
        report.count("damaged models asked", outcome, time.monotonic() - start)
        if outcome not in LOADED:
            report.fault(f"file {number} is asked: {outcome}")
        if again != first:
            report.fault(f"after file {number} the sound model says {again}, not {first}")


def _asked(server: Server, model: str) -> tuple[str, str]:
    """The outcome of a request, and the text of the answer."""
    body = {"model": model, "prompt": "hello", "max_tokens": 4, "seed": 1}
    response = server.post("/v1/completions", body)
    answer = response.json()
    if response.ok:
        return "200", answer["choices"][0]["text"]
    return f"{response.status_code} {answer['error']['code']}", ""


def send(count: int, seed: int, server: Server, report: Report) -> None:
    """Sends damaged HTTP."""
    body = b'{"model": "m", "prompt": "hello", "max_tokens": 2, "seed": 1}'
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    sound = [
        b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body),
        b"%sTransfer-Encoding: chunked\r\n\r\n%s" % (head, chunked),
        b"%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body),
        b"GET /v1/models?x=%20 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
        b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ]
    for number in range(count):
        chance = random.Random(f"{seed} {number} HTTP")
        data = chance.choice(sound)
        data = mutated(data, len(data), chance.choice(sound), chance)
        start = time.monotonic()
        try:
            statuses = list(_statuses(server, data))
        except TimeoutError:
            report.fault(f"no answer to {data!r}")
            continue
        shown = " ".join(map(str, statuses)) or "closed"
        report.count("damaged HTTP", shown, time.monotonic() - start)
        if not STATUSES.issuperset(statuses):
            report.fault(f"{shown} for {data!r}")


def _statuses(server: Server, data: bytes) -> Iterator[int]:
    """The statuses of the answers to ``data``, until the server closes the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass  # it was closed before all was sent
    for line in received.split(b"\r\n"):
        if line.startswith(b"HTTP/1.") and not line.startswith(b"HTTP/1.1 100"):
            yield int(line.split()[1])


def main(arguments: argparse.Namespace) -> int:
    """Runs all three. Returns the exit status."""
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.only is not None:
            data = file_of(arguments.only, arguments.seed, originals(Path(temporary)))
            Path(f"damaged-{arguments.only}.gguf").write_bytes(data)
            return 0
        accepted = judge_all(arguments.files, arguments.seed, report)
        random.Random(arguments.seed).shuffle(accepted)
        data = made_data(Path(temporary), None)
        with Server(data, THREADS="1", STRICT_MODEL="1") as server:
            load(accepted[: arguments.loads], arguments.seed, server, data / "models", report)
            before = resident(server.pid)
            send(arguments.requests, arguments.seed, server, report)
            after = resident(server.pid)
            print(
                f"The server has {before >> 20} MiB before the damaged HTTP, {after >> 20} after."
            )
            if "Traceback" in server.log:
                report.fault(f"the log has a traceback: {server.log[-2000:]}")
    return report.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--loads", type=int, default=300)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="a file's number")
    sys.exit(main(parser.parse_args()))
