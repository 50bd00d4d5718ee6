"""The engine of the gpt4all package behind HTTP, in an environment that has the package.

    python serve_gpt4all.py MODEL PORT THREADS CONTEXT

As GPT4All's program does, it keeps one conversation: a prompt that goes on where the last one and
its answer ended is not evaluated again, and any other prompt is evaluated from its start.
"""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gpt4all import GPT4All


class Engine:
    """Continues texts, one after the other."""

    def __init__(self, model: str, threads: int, context: int) -> None:
        self._model = GPT4All(
            model, allow_download=False, device="cpu", n_threads=threads, n_ctx=context
        )
        self._held = ""
        self._lock = threading.Lock()

    def answer(self, prompt: str, body: dict[str, Any]) -> Iterator[str]:
        """The texts that continue a prompt."""
        with self._lock:
            goes_on = bool(self._held) and prompt.startswith(self._held)
            new = prompt[len(self._held) :] if goes_on else prompt
            said = ""
            for text in self._model.model.prompt_model_streaming(
                new,
                "%1%2",
                lambda token, text: True,
                n_predict=body["max_tokens"],
                temp=body["temperature"],
                top_k=body["top_k"],
                top_p=body["top_p"],
                min_p=body["min_p"],
                repeat_penalty=body["repeat_penalty"],
                repeat_last_n=64,
                n_batch=128,  # the program's default; the package's is 8
                reset_context=not goes_on,
                special=True,
            ):
                said += text
                yield text
            self._held = prompt + said


class Handler(BaseHTTPRequestHandler):
    """What the benchmark asks for, and no more."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def log_message(self, *arguments: Any) -> None:
        """Says nothing: only errors are of interest."""

    def do_GET(self) -> None:
        """The one model."""
        self._plain(200, {"object": "list", "data": [{"id": "m"}]})

    def do_POST(self) -> None:
        """A stream."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "seed" in body or "response_format" in body:
            self._plain(501, {"error": "The engine cannot do this."})
            return
        if "messages" in body:
            turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>" for m in body["messages"]]
            prompt = "\n".join([*turns, "<|im_start|>assistant\n"])
        else:
            prompt = body["prompt"]
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for text in self.engine.answer(prompt, body):
            self._event({"choices": [{"text": text, "delta": {"content": text}}]})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, data: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(data)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _plain(self, status: int, data: dict[str, Any]) -> None:
        content = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main(model: str, port: int, threads: int, context: int) -> None:
    """Serves until Ctrl-C."""
    Handler.engine = Engine(model, threads, context)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
