"""The server chat: what API clients asked and were answered lately, for the page to show.

It is in memory only, as in GPT4All, and ends with the server.
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .exchange import Exchange
from .jobs import Job
from .pieces import CallPiece, Delta, Piece, Thought

_KEPT = 50
_LONGEST = 20_000  # characters of a request that are kept, and as many of its answers


@dataclass
class Entry:
    """One request, and its answers as far as they have come. ``asked`` are pairs of role and text.

    ``left_out`` counts the earlier messages that are too long to be kept.
    """

    number: int
    exchange: Exchange
    asked: Sequence[tuple[str, str]]
    left_out: int
    time: float = field(default_factory=time.time)
    answers: dict[int, str] = field(default_factory=dict)
    thoughts: dict[int, str] = field(default_factory=dict)
    references: Sequence[dict[str, Any]] = ()
    _room: int = _LONGEST

    def passing(
        self, deltas: Iterable[Delta], references: Sequence[dict[str, Any]]
    ) -> Iterator[Delta]:
        """The deltas, on their way to the client, whose ``references`` are these."""
        self.references = references
        for delta in deltas:
            for piece in delta.pieces:
                self._add(delta.index, piece)
            yield delta

    @property
    def shown(self) -> dict[str, Any]:
        """The entry as the page gets it."""
        exchange = self.exchange
        return {
            "number": self.number,
            "time": self.time,
            "endpoint": exchange.route,
            "model": exchange.model,
            "asked": [{"role": role, "content": text} for role, text in self.asked],
            "left_out": self.left_out,
            "answers": [
                {"content": self.answers.get(index, ""), "reasoning": self.thoughts.get(index, "")}
                for index in sorted({*self.answers, *self.thoughts})
            ],
            "references": self.references,
            "prompt_tokens": exchange.prompt_tokens,
            "completion_tokens": exchange.completion_tokens,
            "seconds": exchange.took,
            "error": exchange.error,
            "finished": exchange.took is not None,
        }

    def _add(self, index: int, piece: Piece) -> None:
        texts = self.answers
        match piece:
            case CallPiece():
                text = f"{piece.name} {piece.arguments}" if piece.id else piece.arguments
            case Thought():
                text, texts = piece.text, self.thoughts
            case _:
                text = piece
        text = text[: self._room]
        self._room -= len(text)
        texts[index] = texts.get(index, "") + text


class ServerChat:
    """The last requests of API clients, oldest first; none if they are not ``kept``."""

    def __init__(self, *, kept: bool) -> None:
        # Entries are numbered from 1 again after a restart, which the page notices by this.
        self.id = uuid.uuid4().hex
        self._entries: deque[Entry] = deque(maxlen=_KEPT if kept else 0)
        self._count = 0
        self._lock = threading.Lock()

    def entry(self, exchange: Exchange, job: Job) -> Entry:
        """The entry of a request that has just come. The page's own are not kept."""
        asked = _asked(job)
        fitting = _fitting(asked)
        entry = Entry(0, exchange, fitting, len(asked) - len(fitting))
        if not exchange.route.startswith("/page/"):
            with self._lock:
                self._count += 1
                entry.number = self._count
                self._entries.append(entry)
        return entry

    def after(self, number: int) -> list[dict[str, Any]]:
        """The entries behind that number."""
        with self._lock:
            entries = list(self._entries)
        return [entry.shown for entry in entries if entry.number > number]


def _asked(job: Job) -> list[tuple[str, str]]:
    if job.conversation is not None:
        return [(str(m["role"]), str(m["content"])) for m in job.conversation.messages]
    prompts = job.prompts
    return [("prompt", p if isinstance(p, str) else f"[{len(p)} tokens]") for p in prompts]


def _fitting(asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The last of the messages, as far as they fit, and at least one, which may be cut."""
    room, fitting = _LONGEST, list[tuple[str, str]]()
    for role, text in reversed(asked):
        if fitting and len(text) > room:
            break
        fitting.insert(0, (role, text[:room]))
        room -= len(text)
    return fitting
