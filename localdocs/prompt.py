"""From a conversation to the sources of its answer, in GPT4All's form."""

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

# What a second source must score, as a share of the first one's.
_LEAST_SHARE = 0.4
_LONGEST_FOLLOW_UP = 200  # characters


def sources(
    collections: Collections, messages: Sequence[Mapping[str, str]], limit: int, size: int = 512
) -> list[Source]:
    """What the active collections hold about the last message of the user, best first.

    At most ``limit`` excerpts, and none at all when nothing relates to it. ``size`` is that of
    `ranking.search`.
    """
    active = [collection for collection in collections.all() if collection.active]
    question = _question(messages)
    try:
        found = collections.search(active, question, limit, size) if active and question else []
    except LocalDocsError as error:
        # A collection that was removed just now is no fault of who asks.
        _log.warning("%s", error)
        return []
    best = next((source.hit for source in found if source.hit.relates), None)
    least = _LEAST_SHARE * best.score if best else math.inf
    return [source for source in found if source.hit.relates or source.hit.score >= least]


def reference(source: Source) -> dict[str, Any]:
    """GPT4All's object: ``file, title, author, date, text, page, from, to``.

    ``date`` is the day that the file gives itself, or on which it was modified, as
    ``2024, September 05``. ``page``, ``from`` and ``to`` (lines) count from 1; -1 is in a format
    that has no such thing.
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


def context(quoted: Sequence[Source]) -> str:
    """What GPT4All puts in front of the user's last message."""
    excerpts = "".join(
        f"Collection: {source.collection.name}\nPath: {as_text(source.path)}\n"
        f"Excerpt: {source.hit.snippet.text}\n\n"
        for source in quoted
    )
    return f"### Context:\n{excerpts}"


def _question(messages: Sequence[Mapping[str, str]]) -> str:
    """The last message of the user, after the one before if it makes no sense alone."""
    asked = [message["content"] for message in messages if message["role"] == "user"]
    if len(asked) > 1 and len(asked[-1]) < _LONGEST_FOLLOW_UP and _words(asked[-1]) <= 1:
        return f"{asked[-2]}\n{asked[-1]}"
    return asked[-1] if asked else ""


def _words(text: str) -> float:
    """About how many words say what ``text`` is about; in pairs of characters, three a word."""
    return sum(1 / 3 if is_character(term) else 1 for term in content_terms(text))
