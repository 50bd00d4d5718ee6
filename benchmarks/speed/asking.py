"""Asks a server over HTTP, and times what comes back. All servers get the same bodies."""

import json
import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

Message = dict[str, str]

TIMEOUT = 600  # seconds

# All that the servers' defaults differ in. Without ``ignore_eos`` some answers would be too short
# to be timed.
SAMPLING = {
    "model": "m",
    "temperature": 0.7,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.0,
    "repeat_penalty": 1.18,
    "ignore_eos": True,
}

# Each is one token in the vocabulary of the default model.
_WORDS = """
 time year people way day man thing woman life child world school state family student group
 country problem hand part place case week company system program question work government number
 night point home water room mother area money story fact month lot right study book eye job word
 business issue side kind head house service friend father power hour game line end member law car
 city community name president team minute idea body information back parent face level office door
 health person art war history party result change morning reason research girl guy moment air
 teacher force education
"""


@dataclass(frozen=True)
class Answer:
    """A streamed answer: seconds to its ``first`` text and to its end, its tokens and its text."""

    first: float
    seconds: float
    tokens: int
    text: str

    @property
    def rate(self) -> float:
        """Tokens per second after the first one."""
        return (self.tokens - 1) / (self.seconds - self.first)


def words(count: int, seed: str) -> str:
    """A text of about ``count`` tokens that begins like no other ``seed``'s."""
    chance = random.Random(seed)
    return " ".join(chance.choices(_WORDS.split(), k=count))


def short_chat(seed: str) -> list[Message]:
    """A question that no server can have in its cache, unless it was asked that very ``seed``."""
    return [
        {"role": "system", "content": words(8, seed)},
        {"role": "user", "content": "Who was the first person on the moon?"},
    ]


def long_chat(seed: str, tokens: int) -> list[Message]:
    """As `short_chat`, with a question of about so many ``tokens``."""
    return [
        {"role": "system", "content": words(8, seed)},
        {"role": "user", "content": words(tokens - 8, seed) + "\nWhat is this about?"},
    ]


def chat(url: str, messages: Sequence[Message], max_tokens: int, **more: Any) -> Answer:
    """The answer to a conversation. Raises `requests.HTTPError` when the server refuses it."""
    body = {**SAMPLING, "messages": list(messages), "max_tokens": max_tokens, **more}
    return _stream(f"{url}/v1/chat/completions", body)


def completion(url: str, prompt: str, max_tokens: int, **more: Any) -> Answer:
    """What follows a prompt. Raises `requests.HTTPError` when the server refuses it."""
    body = {**SAMPLING, "prompt": prompt, "max_tokens": max_tokens, **more}
    return _stream(f"{url}/v1/completions", body)


def models(url: str) -> requests.Response:
    """What GET /v1/models says, with any status."""
    return requests.get(f"{url}/v1/models", timeout=TIMEOUT)


def together(url: str, chats: Sequence[Sequence[Message]], max_tokens: int) -> list[Answer]:
    """The answers to several conversations that are asked at once."""
    answers: list[Answer] = []

    def ask(messages: Sequence[Message]) -> None:
        answers.append(chat(url, messages, max_tokens))

    threads = [threading.Thread(target=ask, args=(messages,)) for messages in chats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answers) < len(chats):
        raise RuntimeError(f"{len(chats) - len(answers)} of {len(chats)} clients got no answer")
    return answers


def percentile_95(values: Sequence[float]) -> float:
    """The smallest value that 95% of them do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _stream(url: str, body: dict[str, Any]) -> Answer:
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    start, first = time.perf_counter(), 0.0
    texts: list[str] = []
    tokens = None
    with requests.post(url, json=body, stream=True, timeout=TIMEOUT) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(f"{url} says {chunk['error']}")
            if usage := chunk.get("usage"):
                tokens = usage["completion_tokens"]
            if text := _text(chunk):
                first = first or time.perf_counter() - start
                texts.append(text)
    seconds = time.perf_counter() - start
    # Not every server tells its usage; then each event is a token.
    return Answer(first or seconds, seconds, tokens or len(texts), "".join(texts))


def _text(chunk: dict[str, Any]) -> str:
    if not chunk.get("choices"):
        return ""
    choice = chunk["choices"][0]
    return choice.get("text") or choice.get("delta", {}).get("content") or ""
