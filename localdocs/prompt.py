"""Finds the sources for an answer and quotes them in the prompt, as GPT4All does."""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from .analysis import content_terms, is_character
from .collections import Collections, Source
from .errors import LocalDocsError
from .names import as_text

_log = logging.getLogger(__name__)

# Further sources must score at least this share of the best one's score.
_LEAST_SHARE = 0.4
_LONGEST_FOLLOW_UP = 200  # characters


def sources(
    collections: Collections, messages: Sequence[Mapping[str, str]], limit: int, size: int = 512
) -> list[Source]:
    """What the active collections have on the user's last message, best first.

    Returns at most ``limit`` excerpts, and none if nothing relates to the message. ``size`` is
    passed to `ranking.search`.
    """
    active = [collection for collection in collections.all() if collection.active]
    question = _question(messages)
    try:
        found = collections.search(active, question, limit, size) if active and question else []
    except LocalDocsError as error:
        # If a collection was removed just now, that is not the client's fault.
        _log.warning("%s", error)
        return []
    best = next((source.hit for source in found if source.hit.relates), None)
    least = _LEAST_SHARE * best.score if best else math.inf
    return [source for source in found if source.hit.relates or source.hit.score >= least]


def reference(source: Source) -> dict[str, Any]:
    """GPT4All's object: ``file, title, author, date, text, page, from, to``.

    ``date`` is the file's own date or that of its last modification, as ``2024, September 05``.
    ``page``, ``from`` and ``to`` (lines) count from 1, or are -1 if the format has none.
    """
    snippet, file = source.hit.snippet, source.hit.file
    return {
        "file": as_text(source.path.name),
        "title": file.title,
        "author": file.author,
        "date": date.fromisoformat(file.date).strftime("%Y, %B %d"),
        "text": snippet.text,
        "page": -1 if snippet.page is None else snippet.page,
        "from": -1 if snippet.first_line is None else snippet.first_line,
        "to": -1 if snippet.last_line is None else snippet.last_line,
    }


def located_reference(source: Source) -> dict[str, Any]:
    """`reference` with ``collection``, its name, and ``path``, where the file is."""
    place = {"collection": source.collection.name, "path": as_text(source.path)}
    return {**reference(source), **place}


def context(quoted: Sequence[Source]) -> str:
    """What is ``quoted``, to be put before the user's last message, in GPT4All's format."""
    excerpts = "".join(
        f"Collection: {source.collection.name}\nPath: {as_text(source.path)}\n"
        f"Excerpt: {source.hit.snippet.text}\n\n"
        for source in quoted
    )
    return f"### Context:\n{excerpts}"


def _question(messages: Sequence[Mapping[str, str]]) -> str:
    """The user's last message, preceded by the one before if it makes no sense alone."""
    asked = [message["content"] for message in messages if message["role"] == "user"]
    if len(asked) > 1 and len(asked[-1]) < _LONGEST_FOLLOW_UP and _words(asked[-1]) <= 1:
        return f"{asked[-2]}\n{asked[-1]}"
    return asked[-1] if asked else ""


def _words(text: str) -> float:
    """Roughly how many words say what ``text`` is about. Three character terms are one word."""
    return sum(1 / 3 if is_character(term) else 1 for term in content_terms(text))
