"""Processes are killed at random moments, and nothing that was committed may be lost.

    python -m tests.endurance.kills [--count 100] [--seed 0] [--model GGUF]

After each kill the server answers (it is started again if it was the victim) and answers a seeded
request as before, all documents that were once found are found, no lock and no process is left, and
every model in the folder is whole.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import requests
from filelock import FileLock

from app.models.disk import sha256
from benchmarks.speed.processes import tree
from localdocs.collections import Collections
from localdocs.errors import CollectionBusy

from ..server import ROOT, Server
from .report import Report
from .running import MODEL, kill, made_data

SECONDS = 60  # for all that must happen some time after a kill
KEPT, PASSING = "Kept", "Passing"  # collections: watched all the time, made by commands
ADDED = "added.gguf"
RIGHT = {"200", "500 model_crashed", "503 server_stopping", "no connection"}


class Scene:
    """A server, its documents and its models, among which something is killed."""

    def __init__(self, folder: Path, model: Path | None, report: Report) -> None:
        self.data, self.report = made_data(folder, model), report
        self.models, self.folder = self.data / "models", folder / "documents"
        self.collections = Collections(self.data / "localdocs")
        self.committed: list[str] = []  # words that were found once
        self.source = folder / ADDED
        self.source.write_bytes((self.models / MODEL).read_bytes())
        self._sum = sha256(self.source)
        self._first: str | None = None
        self._stack = ExitStack()
        self.folder.mkdir()
        self.collections.create(KEPT, self.folder)

    def __enter__(self) -> "Scene":
        self.start()
        self.check()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stack.close()

    def start(self) -> None:
        """Starts the server, after the end of the last one."""
        self.stop()
        self.server = self._stack.enter_context(Server(self.data, THREADS="1"))

    def command(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Starts one of the server's commands."""
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
            cwd=ROOT,
            env={**os.environ, "GPT4ALL_DATA_DIR": str(self.data)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def write(self, word: str) -> None:
        """Writes a new document with that word, and changes another one."""
        (self.folder / f"{word}.txt").write_text(f"The word is {word}.")
        (self.folder / "changing.txt").write_text(f"{word} has come last. " * 100)

    def check(self) -> None:
        """Notes what does not hold."""
        check = self._expect
        check("what is committed is there", self._committed_is_there)
        check("the server answers", self._answers)
        check("the watcher is there", lambda: bool(self.server.child("localdocs")))
        check("no collection is locked", self._unlocked)
        check("the cache is not locked", self._cache_unlocked)
        check("every model is whole", self.models_are_whole)

    def commit(self, word: str) -> None:
        """Waits until the document with that word is found, which it must be from now on."""
        self._expect("a new document is found", lambda: self._found(word) or self._read_again(word))
        self.committed.append(word)

    def finish(self, *commands: tuple[str | Path, ...]) -> None:
        """Carries out commands, which must succeed."""
        for arguments in commands:
            process = self.command(*arguments)
            _, error = process.communicate(timeout=SECONDS)
            if process.returncode:
                self.report.fault(f"{arguments} fails: {error.decode()}")

    def exists(self, collection: str) -> bool:
        return collection in [c.name for c in self.collections.all()]

    def gone(self, pids: list[int]) -> None:
        """Waits for the end of processes."""
        self._expect("no process is left", lambda: not any(map(_runs, pids)))

    def _expect(self, what: str, holds: Callable[[], bool]) -> None:
        """Waits until it holds, and notes a fault if it does not within the time."""
        start, reason = time.monotonic(), "not so"
        while time.monotonic() - start < SECONDS:
            try:
                if holds():
                    self.report.count(what, "yes", time.monotonic() - start)
                    return
            except (OSError, ValueError, requests.RequestException) as error:
                reason = repr(error)
            except Exception as error:  # a fault, even if it passes
                self.report.count(what, "failed", time.monotonic() - start)
                self.report.fault(f"{what}: {error!r}")
                return
            time.sleep(0.05)
        self.report.count(what, "no", SECONDS)
        self.report.fault(f"{what}: {reason}. Log: {self.server.log[-500:]}")

    def _committed_is_there(self) -> bool:
        # At once, not after the next refresh has brought it back.
        lost = [word for word in self.committed if not self._found(word)]
        if lost:
            self.report.fault(f"lost: {lost}")
        return True

    def _found(self, word: str) -> bool:
        collections = Collections(self.collections.folder)  # without what it may remember
        sources = collections.search([collections.find(KEPT)], word, 1000)
        return f"{word}.txt" in [source.hit.file.name for source in sources]

    def _read_again(self, word: str) -> bool:
        """Writes a document again whose reader was killed, which counts as the document's fault."""
        contents = self.collections.contents(KEPT)
        state = None if contents is None else contents.files.get(f"{word}.txt")
        if state is not None and state.problem is not None:
            self.report.count("a document whose reader was killed", state.problem[:20])
            self.write(word)
        return False

    def _answers(self) -> bool:
        body = {"model": Path(MODEL).stem, "prompt": "1 2 3", "max_tokens": 8, "seed": 1}
        response = self.server.post("/v1/completions", body)
        if not response.ok:
            return False
        text = response.json()["choices"][0]["text"]
        if self._first is None:
            self._first = text
        elif self._first != text:
            self.report.fault(f"another answer: {text!r} instead of {self._first!r}")
        return True

    def _unlocked(self) -> bool:
        for name in (KEPT, PASSING):
            if self.exists(name):
                with suppress(CollectionBusy), self.collections.locked(name, wait=False):
                    continue
                return False
        return True

    def _cache_unlocked(self) -> bool:
        with FileLock(self.data / "cache" / ".lock", timeout=0):
            return True

    def models_are_whole(self) -> bool:
        for path in self.models.glob("*.gguf"):
            if sha256(path) != self._sum:
                self.report.fault(f"{path.name} is not whole")
        return True


def _runs(pid: int) -> bool:
    """Whether a process is there; one that has ended but is not reaped is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return not state.rpartition(")")[2].startswith(" Z")


class Traffic(threading.Thread):
    """A client that asks all the time, whoever is killed meanwhile."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene
        self._over = threading.Event()

    def run(self) -> None:
        messages = [{"role": "user", "content": "word"}]
        body = {"model": Path(MODEL).stem, "messages": messages, "max_tokens": 20}
        while not self._over.wait(0.02):
            try:
                response = self._scene.server.post("/v1/chat/completions", body)
            except requests.RequestException:
                outcome = "no connection"  # the server was killed
            else:
                outcome = str(response.status_code)
                if not response.ok:
                    outcome += f" {response.json()['error']['code']}"
            self._scene.report.count("requests meanwhile", outcome)
            if outcome not in RIGHT:
                self._scene.report.fault(f"a request meanwhile: {outcome}")

    def end(self) -> None:
        self._over.set()
        self.join()


_MISSED = 3  # seconds; a reader that was too quick to be killed comes again after a change

Victim = Callable[[Scene, random.Random], None]


def kill_server(scene: Scene, chance: random.Random) -> None:
    time.sleep(chance.uniform(0, 1.5))
    pids = tree(scene.server.pid)
    scene.server.signal(signal.SIGKILL)
    scene.gone(pids)
    scene.start()


def kill_child(module: str, scene: Scene, chance: random.Random) -> None:
    time.sleep(chance.uniform(0, 1.5))
    pids: list[int] = []

    def find() -> int:
        pids.extend(tree(scene.server.child(module)))
        return pids[0]

    kill(find)
    scene.gone(pids)


def kill_reader(scene: Scene, chance: random.Random) -> None:
    def find() -> int:
        for pid in tree(scene.server.child("localdocs")):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                time.sleep(chance.uniform(0, 0.3))
                return pid
        raise ValueError("no reader is there")

    begun = changed = time.monotonic()
    while not kill(find):
        now = time.monotonic()
        if now - begun > SECONDS:
            scene.report.fault("no reader has come")
            return
        if now - changed > _MISSED:
            (scene.folder / "changing.txt").write_text(f"{now} has come last. " * 100)
            changed = now


def preparing(victim: Victim, scene: Scene, chance: random.Random) -> None:
    """Kills while the server, started without its cache, prepares and loads the model."""
    scene.stop()
    shutil.rmtree(scene.data / "cache")
    scene.start()
    victim(scene, chance)


def kill_command(process: subprocess.Popen[bytes], scene: Scene, chance: random.Random) -> None:
    time.sleep(chance.uniform(0, 2))
    pids = tree(process.pid)
    process.kill()
    process.communicate()
    scene.gone(pids)


def kill_refresh(scene: Scene, chance: random.Random) -> None:
    kill_command(scene.command("localdocs", "refresh", KEPT), scene, chance)


def kill_create(scene: Scene, chance: random.Random) -> None:
    create = ("localdocs", "create", PASSING, scene.folder)
    kill_command(scene.command(*create), scene, chance)
    again = ("localdocs", "refresh", PASSING) if scene.exists(PASSING) else create
    scene.finish(again, ("localdocs", "remove", PASSING))


def kill_remove(scene: Scene, chance: random.Random) -> None:
    create, remove = (
        ("localdocs", "create", PASSING, scene.folder),
        ("localdocs", "remove", PASSING),
    )
    scene.finish(create)
    kill_command(scene.command(*remove), scene, chance)
    scene.finish(*(() if scene.exists(PASSING) else (create,)), remove)


def kill_add(scene: Scene, chance: random.Random) -> None:
    add = ("models", "add", scene.source)
    kill_command(scene.command(*add), scene, chance)
    scene.models_are_whole()
    scene.finish(*(() if (scene.models / ADDED).exists() else (add,)))
    scene.models_are_whole()
    scene.finish(("models", "remove", "--yes", Path(ADDED).stem))


VICTIMS: dict[str, Victim] = {
    "server": kill_server,
    "server that prepares": partial(preparing, kill_server),
    "model": partial(kill_child, "app.inference"),
    "model that prepares": partial(preparing, partial(kill_child, "app.inference")),
    "watcher": partial(kill_child, "localdocs"),
    "reader": kill_reader,
    "localdocs refresh": kill_refresh,
    "localdocs create": kill_create,
    "localdocs remove": kill_remove,
    "models add": kill_add,
}


def main(arguments: argparse.Namespace) -> int:
    """Kills that often. Returns the exit status."""
    report, chance = Report(), random.Random(arguments.seed)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Scene(Path(temporary), arguments.model, report) as scene,
    ):
        traffic = Traffic(scene)
        traffic.start()
        for number in range(arguments.count):
            if number % len(VICTIMS) == 0:
                order = chance.sample([*VICTIMS], len(VICTIMS))
            name = order[number % len(VICTIMS)]
            word = f"w{number}x{chance.randrange(10**6)}"
            print(f"{number + 1}: {name}", flush=True)
            scene.write(word)
            start = time.monotonic()
            VICTIMS[name](scene, chance)
            scene.check()
            scene.commit(word)
            report.count(f"kill of: {name}", "survived", time.monotonic() - start)
        traffic.end()
    return report.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="a GGUF")
    sys.exit(main(parser.parse_args()))
