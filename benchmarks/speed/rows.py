"""The rows of the table, in groups. Each group asks one server and yields labels with figures.

A figure whose label holds ``tokens/s`` or ``GETs/s`` is better if it is larger, any other one if
it is smaller.
"""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from .asking import (
    Message,
    chat,
    completion,
    long_chat,
    models,
    percentile_95,
    short_chat,
    together,
    words,
)
from .processes import memory, tree
from .servers import Server, Start

Figures = Iterator[tuple[str, float]]

_YES = {"type": "boolean"}
_PROPERTIES: dict[str, Any] = {
    "is_a_living_person": _YES,
    "has_been_to_the_moon": _YES,
    "profession": {"enum": ["astronaut", "engineer", "scientist", "politician"]},
    "country_of_birth": {"enum": ["United States", "Soviet Union", "Germany", "China"]},
    "year_of_the_first_flight": {"enum": [1957, 1961, 1969, 1972]},
    "was_in_the_military": _YES,
    "number_of_missions": {"enum": [1, 2, 3, 4]},
    "is_mentioned_in_school_books": _YES,
}
_SCHEMA = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": list(_PROPERTIES),
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Sizes:
    """How much is asked for, in tokens; ``turns`` are a chat's."""

    long: int = 700
    middle: int = 300
    answer: int = 64
    reply: int = 16
    turns: int = 10
    generating: int = 400
    depths: tuple[int, ...] = (32, 512, 1500)


QUICK = Sizes(long=64, middle=32, answer=4, reply=2, turns=2, generating=16, depths=(32, 64))


@dataclass(frozen=True)
class Round:
    """What a group may use: the number of the round, so that no text is asked twice, and so on.

    ``start`` starts the server once more.
    """

    number: int
    sizes: Sizes
    start: Start


def first_text(server: Server, now: Round) -> Figures:
    """The first text of prompts that are new, and of the same prompts again."""
    size = now.sizes.long
    for label, messages in (
        ("short", short_chat(f"short {now.number}")),
        (f"{size} tokens", long_chat(f"long {now.number}", size)),
    ):
        for when in ("cold", "warm"):
            answer = chat(server.url, messages, now.sizes.reply)
            yield f"first text, {label}, {when}, ms", answer.first * 1000


def seed(server: Server, now: Round) -> Figures:
    """As `first_text`, with a seed."""
    size = now.sizes.long
    for label, messages in (
        ("short", short_chat(f"seed {now.number}")),
        (f"{size} tokens", long_chat(f"seed {now.number}", size)),
    ):
        for when in ("cold", "warm"):
            answer = chat(server.url, messages, now.sizes.reply, seed=1)
            yield f"first text with a seed, {label}, {when}, ms", answer.first * 1000


def ten_turns(server: Server, now: Round) -> Figures:
    """One chat, turn by turn; each turn's history holds the server's own answers."""
    messages = short_chat(f"turns {now.number}")
    times = []
    for turn in range(now.sizes.turns):
        answer = chat(server.url, messages, now.sizes.reply)
        times.append(answer.first * 1000)
        messages += _next_turn(answer.text, f"turn {turn} {now.number}")
    yield f"first text of turns 2 to {now.sizes.turns}, ms", statistics.median(times[1:])


def in_turn(server: Server, now: Round) -> Figures:
    """Several chats, of which each waits for the others' next turns."""
    for count in (2, 4):
        chats = [
            long_chat(f"chat {number} of {count} {now.number}", now.sizes.middle)
            for number in range(count)
        ]
        times = []
        for turn, messages in itertools.product(range(3), chats):
            answer = chat(server.url, messages, now.sizes.reply)
            if turn:
                times.append(answer.first * 1000)
            messages += _next_turn(answer.text, f"next {turn} {now.number}")
        yield f"first text, {count} chats in turn, ms", statistics.median(times)


def json_schema(server: Server, now: Round) -> Figures:
    """The whole of an answer by a schema with eight fixed keys; the prompt and schema are known."""
    response_format = {
        "type": "json_schema",
        "json_schema": {"name": "person", "schema": _SCHEMA, "strict": True},
    }
    question = [*short_chat(f"schema {now.number}")]
    for _ in range(2):
        answer = chat(server.url, question, 256, response_format=response_format, ignore_eos=False)
    yield "JSON by schema, the whole answer, ms", answer.seconds * 1000


def depth(server: Server, now: Round) -> Figures:
    """The answer's speed behind prompts of several lengths."""
    for tokens in now.sizes.depths:
        prompt = words(tokens, f"depth {tokens} {now.number}")
        answer = completion(server.url, prompt, now.sizes.answer)
        yield f"answer behind {tokens:,} tokens, tokens/s", answer.rate


def gets(server: Server, now: Round) -> Figures:
    """How many GETs one client gets through, one after the other, while an answer is generated."""
    prompt, size = words(8, f"gets {now.number}"), now.sizes.generating
    generating = threading.Thread(target=completion, args=(server.url, prompt, size))
    times = []
    generating.start()
    start = time.perf_counter()
    while generating.is_alive():
        begin = time.perf_counter()
        models(server.url).raise_for_status()
        times.append(time.perf_counter() - begin)
    yield "GETs/s while generating", len(times) / (time.perf_counter() - start)
    yield "GET while generating, p95, ms", percentile_95(times) * 1000


def clients(server: Server, now: Round) -> Figures:
    """Several clients that ask at once."""
    for count in (1, 4, 16):
        chats = [short_chat(f"client {number} {count} {now.number}") for number in range(count)]
        start = time.perf_counter()
        answers = together(server.url, chats, now.sizes.answer // 2)
        seconds = time.perf_counter() - start
        label = f"{count} clients" if count > 1 else "1 client"
        yield f"{label}, tokens/s in all", sum(answer.tokens for answer in answers) / seconds
        times = [answer.first for answer in answers]
        yield f"{label}, first text, p95, ms", percentile_95(times) * 1000


def start(server: Server, now: Round) -> Figures:
    """From the command to the first answers of another server."""
    server.stop()
    with now.start() as another:
        yield "start to the first GET, s", another.first_get
        yield "start to the first answer, s", another.first_answer


def memory_of(server: Server, now: Round) -> Figures:
    """What all processes take, after all that was asked in this round."""
    yield "memory (PSS of all processes), MB", memory(tree(server.pid)) / 1e6


def client_leaves(server: Server, now: Round) -> Figures:
    """How long the model stays busy with the prompt of a client that has left. Only here."""
    body: dict[str, Any] = {"prompt": words(1900, f"leaves {now.number}")}
    try:
        requests.post(f"{server.url}/v1/completions", json=body, timeout=(10, 0.3))
    except requests.ReadTimeout:
        begin = time.perf_counter()
        while requests.get(f"{server.url}/health", timeout=10).json()["busy"]:
            time.sleep(0.005)
        yield "model free after a client left, ms", (time.perf_counter() - begin) * 1000


ROWS: dict[str, Callable[[Server, Round], Figures]] = {
    "first-text": first_text,
    "seed": seed,
    "ten-turns": ten_turns,
    "in-turn": in_turn,
    "json": json_schema,
    "depth": depth,
    "gets": gets,
    "clients": clients,
    "start": start,
    "memory": memory_of,
}


def _next_turn(answer: str, seed: str) -> list[Message]:
    return [
        {"role": "assistant", "content": answer},
        {"role": "user", "content": f"And what about {words(4, seed)}?"},
    ]
