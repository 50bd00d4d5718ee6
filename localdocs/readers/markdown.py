"""Markdown with front matter."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ..snippets import Document, Page
from .cleaning import day
from .encodings import decoded

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
    r"|\+\+\+[ \t]*\n(?P<toml>.*?)^\+\+\+[ \t]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_LONGEST = 50_000  # characters of it
_AUTHOR, _TAGS = ("author", "authors"), ("tags", "keywords", "categories", "category")
# Without any of these fields, text between two lines is not front matter.
_KNOWN = {"title", "date", "layout", "slug", "id", "description", "draft", *_AUTHOR, *_TAGS}


def markdown(path: Path) -> Document:
    """Reads the text, and the title, author, date and tags from its front matter.

    Front matter is not part of the text, but its lines are counted.
    """
    text = decoded(path.read_bytes())
    match = _FRONT_MATTER.match(text, 0, _LONGEST)
    if match is None or (fields := _fields(match)) is None:
        return Document((Page(text),), markdown=True)
    return Document(
        (Page("\n" * match.group().count("\n") + text[match.end() :]),),
        title=" ".join(_words(fields, "title")),
        author=", ".join(_words(fields, *_AUTHOR)),
        date=day(next(_words(fields, "date"), "")),
        tags=", ".join(_words(fields, *_TAGS)),
        markdown=True,
    )


def fenced(code: str) -> str:
    """Returns ``code`` as a block of code in Markdown, or nothing if it is empty."""
    fence = "~~~~" if "```" in code else "```"
    code = code.strip("\n")
    return f"{fence}\n{code}\n{fence}" if code.strip() else ""


def _fields(match: re.Match[str]) -> Mapping[str, Any] | None:
    """The fields by their names in lower case, or None if it is not front matter."""
    try:
        if match["toml"] is not None:
            fields: Any = tomllib.loads(match["toml"])
        else:
            fields = yaml.safe_load(match["yaml"])
    # safe_load raises some errors that are not its own, such as for the date 2024-13-01.
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError):
        return None
    if not isinstance(fields, dict):
        return None
    fields = {str(name).lower(): value for name, value in fields.items()}
    return fields if fields.keys() & _KNOWN else None


def _words(fields: Mapping[str, Any], *names: str) -> Iterator[str]:
    """The values of the fields ``names``: plain values, lists of them, or lists of names."""
    for name in names:
        value = fields.get(name)
        for one in value if isinstance(value, list) else [value]:
            word = one.get("name") if isinstance(one, dict) else one
            if isinstance(word, str | int | float | date):
                yield " ".join(str(word).split())
