"""Rich Text Format."""

from pathlib import Path

from striprtf.striprtf import rtf_to_text

from ..errors import UnreadableFile
from ..snippets import Document, Page
from .encodings import decoded


def rtf(path: Path) -> Document:
    """Reads the main text with its tables, but no headers or notes."""
    content = path.read_bytes()
    if not content.lstrip().startswith(b"{\\rtf"):
        raise UnreadableFile("it is not an RTF file")
    return Document((Page(rtf_to_text(decoded(content), errors="replace")),), lines=False)
