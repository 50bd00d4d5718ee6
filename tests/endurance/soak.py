"""Many clients at once for a long time, while the documents change and the model is killed.

    python -m tests.endurance.soak [--seconds 1800] [--clients 16] [--kill-every 60] [--model GGUF]

Every answer must have a status that is right for its request, and arrive. Answers with a seed must
be equal, structured ones must fit, and memory must not grow. The status is 1 if any of it fails.
Without a model, a random one of a few thousand weights answers, which takes milliseconds.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import requests

from localdocs.collections import Collections

from ..server import Server
from .report import Memory, Report
from .running import kill, made_data

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
TIMEOUT = 60  # seconds without a byte of the answer: it hangs
ANSWERED, CRASHED, TOO_MANY = "200", "500 model_crashed", "503 queue_full"
OUTCOMES = {ANSWERED, CRASHED, TOO_MANY, f"{ANSWERED}, {CRASHED}"}

SECRET = "The secret of the coffee machine is number 7741."
WORDS = (
    *("apples", "bridges", "candles", "doors", "engines"),
    *("forests", "gardens", "harbours", "islands", "jewels"),
)
SCHEMA = {
    "type": "object",
    "properties": {
        "fruit": {"enum": ["apple", "pear", None]},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "ripe": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["fruit", "count", "ripe"],
    "additionalProperties": False,
}
INVALID: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "temperature": 9}, "400"),
    (CHAT, {"messages": "x"}, "400"),
    (CHAT, {"messages": [{"role": "user", "content": "x"}], "n": 10**9}, "400"),
    (CHAT, {"messages": [{"role": "user", "content": ["x"] * 50_000}]}, "400"),
    (COMPLETION, {"prompt": [[[]]]}, "400"),
    (COMPLETION, {"prompt": "x", "logit_bias": {"99999999": 1}}, "400"),
    (COMPLETION, {"prompt": "x" * (1 << 20)}, "413"),
    ("/v1/nothing", {}, "404"),
]


class Client(threading.Thread):
    """Sends requests of all kinds, one after the other, until the time is over."""

    def __init__(
        self,
        number: int,
        server: Server,
        report: Report,
        seeded: dict[int, str],
        over: threading.Event,
    ) -> None:
        super().__init__()
        self._random = random.Random(number)
        self._server = server
        self._report = report
        self._seeded = seeded  # the first answers, which all clients share
        self._over = over

    def run(self) -> None:
        kinds: list[tuple[str, Callable[[], str], set[str]]] = [
            ("plain", self._plain, OUTCOMES),
            ("streamed", self._streamed, OUTCOMES),
            ("abandoned", self._abandoned, {"left"}),
            ("invalid", self._invalid, {"right"}),
            ("too long", self._too_long, {"400 context_length_exceeded", CRASHED, TOO_MANY}),
            ("too many", self._too_many, {"right"}),
            ("structured", self._structured, OUTCOMES),
            ("seeded", self._repeated, OUTCOMES),
            ("documents", self._documents, OUTCOMES),
            ("models", self._models, {ANSWERED}),
        ]
        while not self._over.is_set():
            kind, ask, right = self._random.choice(kinds)
            start = time.monotonic()
            try:
                outcome = ask()
            except (requests.RequestException, OSError) as error:
                outcome = f"hang or no answer: {type(error).__name__}"
            except Exception as error:  # an answer that is not what it should be
                outcome = f"wrong: {error!r:.300}"
            self._report.count(kind, outcome.partition(":")[0], time.monotonic() - start)
            if outcome not in right:
                self._report.fault(f"{kind}: {outcome}")
            if outcome == TOO_MANY:
                time.sleep(self._random.uniform(0, 2))

    def _ask(self, path: str, body: dict[str, Any]) -> tuple[str, Any]:
        """The outcome, and the answer as JSON."""
        response = requests.post(self._server.url + path, json=body, timeout=TIMEOUT)
        answer = response.json()
        if response.ok:
            return ANSWERED, answer
        if response.status_code == 503:
            assert int(response.headers["Retry-After"]) > 0
        return f"{response.status_code} {answer['error']['code'] or ''}".strip(), answer

    def _plain(self) -> str:
        outcome, answer = self._ask(CHAT, self._chat(self._question()))
        if outcome == ANSWERED:
            assert answer["choices"][0]["finish_reason"] in ("stop", "length"), answer
        return outcome

    def _streamed(self) -> str:
        return self._stream(CHAT, self._chat(self._question()))[0]

    def _abandoned(self) -> str:
        body = self._chat(self._question()) | {"max_tokens": 300, "stream": True}
        with self._server.send(CHAT, body) as connection:
            if self._random.random() < 0.7:
                connection.recv(self._random.choice((1, 100, 1000)))
        return "left"

    def _invalid(self) -> str:
        path, body, right = self._random.choice(INVALID)
        outcome, answer = self._ask(path, body)
        assert outcome.startswith(right), (outcome, answer)
        return "right"

    def _too_long(self) -> str:
        return self._ask(CHAT, self._chat(self._words(15_000)))[0]

    def _too_many(self) -> str:
        """More requests at once than may wait, from one client."""
        body = self._completion(self._words(3))
        connections = [self._server.send(COMPLETION, body) for _ in range(12)]
        for connection in connections:
            with connection:
                head = connection.recv(15).decode()
            assert head[9:12] in ("200", "503", "500"), head
        return "right"

    def _structured(self) -> str:
        body = self._chat(self._question()) | {
            "max_tokens": 200,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "basket", "schema": SCHEMA, "strict": True},
            },
        }
        outcome, answer = self._ask(CHAT, body)
        if outcome == ANSWERED:
            jsonschema.validate(json.loads(answer["choices"][0]["message"]["content"]), SCHEMA)
        return outcome

    def _repeated(self) -> str:
        """One of a few requests whose answers are always the same."""
        seed, stream = self._random.randrange(8), self._random.random() < 0.5
        # No document has a word of it, so no source changes the prompt.
        body = self._completion(f"{seed} {seed + 1} ?") | {"seed": seed}
        if stream:
            outcome, text = self._stream(COMPLETION, body)
        else:
            outcome, answer = self._ask(COMPLETION, body)
            text = answer["choices"][0]["text"] if outcome == ANSWERED else ""
        if outcome == ANSWERED:
            first = self._seeded.setdefault(seed, text)
            assert first == text, f"{text!r} instead of {first!r}"
        return outcome

    def _documents(self) -> str:
        """A question about the document that never changes, while all others do."""
        outcome, answer = self._ask(CHAT, self._chat("What is the secret of the coffee machine?"))
        if outcome == ANSWERED:
            references = answer["choices"][0]["references"]
            assert "fixed.txt" in [reference["file"] for reference in references], references
        return outcome

    def _models(self) -> str:
        path = self._random.choice(("/v1/models", "/health", "/openapi.json"))
        return str(requests.get(self._server.url + path, timeout=TIMEOUT).status_code)

    def _stream(self, path: str, body: dict[str, Any]) -> tuple[str, str]:
        """The outcome and the text of a stream."""
        url, text, error = self._server.url + path, "", ""
        body = {**body, "stream": True}
        with requests.post(url, json=body, timeout=TIMEOUT, stream=True) as response:
            if not response.ok:
                return f"{response.status_code} {response.json()['error']['code']}", ""
            lines = [line.decode() for line in response.iter_lines() if line]
        for line in lines:
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                error = event["error"]["code"] if "error" in event else error
                text += "".join(c.get("text") or "" for c in event.get("choices", ()))
        assert error or lines[-1] == "data: [DONE]", lines[-1]
        return f"{ANSWERED}, 500 {error}" if error else ANSWERED, text

    def _chat(self, question: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": question}]
        return {"model": "m", "messages": messages, "max_tokens": self._random.randint(1, 8)}

    def _completion(self, prompt: str) -> dict[str, Any]:
        return {"model": "m", "prompt": prompt, "max_tokens": 8}

    def _question(self) -> str:
        return f"What do we know about the {self._words(2)} and the {self._words(3)}?"

    def _words(self, count: int) -> str:
        return " ".join(self._random.choices(WORDS, k=count))


def change(folder: Path, over: threading.Event) -> None:
    """Writes, moves and deletes documents all the time."""
    chance = random.Random(0)
    while not over.wait(0.2):
        path = folder / f"{chance.randrange(40)}.txt"
        match chance.randrange(4):
            case 0:
                path.unlink(missing_ok=True)
            case 1 if path.exists():
                path.rename(folder / f"{chance.randrange(40)}.txt")
            case _:
                path.write_text(f"{' '.join(chance.choices(WORDS, k=30))}.")


def kill_models(server: Server, every: float, over: threading.Event) -> int:
    """Kills the model process now and then, until it is over. Returns how often."""
    kills = 0
    while not over.wait(every):
        kills += kill(lambda: server.model_pid)
    return kills


def soak(server: Server, folder: Path, arguments: argparse.Namespace) -> int:
    """Soaks a server that has the documents in ``folder``. Returns the exit status."""
    report, over, seeded = Report(), threading.Event(), dict[int, str]()
    memory = Memory(
        {
            "server": lambda: server.pid,
            "model": lambda: server.model_pid,
            "watcher": lambda: server.child("localdocs"),
        }
    )
    clients = [Client(i, server, report, seeded, over) for i in range(arguments.clients)]
    threads = [*clients, threading.Thread(target=change, args=[folder, over])]
    for thread in (memory, *threads):
        thread.start()
    threading.Timer(arguments.seconds, over.set).start()
    kills = kill_models(server, arguments.kill_every, over)
    for thread in threads:
        thread.join()
    end = time.monotonic() + TIMEOUT
    while (state := server.get("/health").json())["busy"] and time.monotonic() < end:
        time.sleep(0.1)
    if state["busy"] or state["waiting"]:
        report.fault(f"the model is not free after the last request: {state}")
    # Of a burst, and of streams that were left, no crash is counted.
    if (crashes := report.number("model_crashed")) > kills:
        report.fault(f"{crashes} requests crashed, but the model was killed {kills} times")
    if "Traceback" in server.log:
        report.fault(f"the log has a traceback: {server.log[-2000:]}")
    memory.end(report)
    print(f"\n{kills} kills of the model process, {crashes} requests that noticed")
    return report.end()


def main(arguments: argparse.Namespace) -> int:
    """Soaks a server of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        data, folder = made_data(Path(temporary), arguments.model), Path(temporary) / "folder"
        folder.mkdir()
        (folder / "fixed.txt").write_text(SECRET)
        collections = Collections(data / "localdocs")
        collection = collections.create("Folder", folder)
        # Short prompts, for many requests.
        short = {
            "CONTEXT_LENGTH": "2048",
            "LOCALDOCS_SNIPPET_SIZE": "128",
            "LOCALDOCS_SOURCES": "1",
        }
        with Server(data, THREADS="1", **short) as server:
            while not collections.search([collection], SECRET, 1):
                time.sleep(0.1)
            return soak(server, folder, arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--kill-every", type=float, default=60, help="seconds")
    parser.add_argument("--model", type=Path, help="a GGUF")
    sys.exit(main(parser.parse_args()))
