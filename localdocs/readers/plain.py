"""Files that are quoted as they are."""

from pathlib import Path

from ..snippets import Document, Page
from .encodings import decoded


def text(path: Path) -> Document:
    """Returns the text as it is."""
    return Document((Page(decoded(path.read_bytes())),))
