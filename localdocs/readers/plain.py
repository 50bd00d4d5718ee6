"""Files that are text: plain, Markdown, tables."""

from pathlib import Path

from ..snippets import Document, Page
from .encodings import decoded


def text(path: Path) -> Document:
    """The text as it is."""
    return Document((Page(decoded(path.read_bytes())),))


def markdown(path: Path) -> Document:
    """The text as it is, with its headings."""
    return Document((Page(decoded(path.read_bytes())),), markdown=True)
