"""One function for each file format: a file in, its text out.

They are called in a process of their own (`..reading`).
"""

from collections.abc import Callable
from pathlib import Path

from ..errors import UnreadableFile
from ..snippets import Document
from .cleaning import cleaned
from .epub import epub
from .html import html
from .mail import eml, mbox
from .ooxml import docx, pptx
from .opendocument import odp, odt
from .pdf import pdf
from .plain import markdown, text
from .rtf import rtf
from .spreadsheets import spreadsheet


def read(path: Path) -> Document:
    """The text of the file at ``path``. Raises `UnreadableFile` with the reason."""
    try:
        document = READERS[path.suffix.lower()](path)
    except (UnreadableFile, MemoryError):
        raise
    except OSError as error:
        raise UnreadableFile(f"it cannot be opened: {error.strerror or error}") from error
    # Each library has errors of its own, and a damaged file can surface as any of them.
    except Exception as error:
        raise UnreadableFile(f"it is damaged: {str(error) or repr(error)}") from error
    if not any(page.text.strip() for page in document.pages):
        raise UnreadableFile("there is no text in it")
    return cleaned(document, prose=path.suffix.lower() in _PROSE)


# Where a hyphen at the end of a line may divide a word; in a program or a log it does not.
_PROSE = {".txt", ".rst", ".md", ".markdown"}

READERS: dict[str, Callable[[Path], Document]] = {
    ".txt": text,
    ".rst": text,
    ".csv": text,
    ".md": markdown,
    ".markdown": markdown,
    ".html": html,
    ".htm": html,
    ".pdf": pdf,
    ".docx": docx,
    ".docm": docx,
    ".xlsx": spreadsheet,
    ".xlsm": spreadsheet,
    ".xlsb": spreadsheet,
    ".xls": spreadsheet,
    ".pptx": pptx,
    ".pptm": pptx,
    ".ppsx": pptx,
    ".odt": odt,
    ".ods": spreadsheet,
    ".odp": odp,
    ".rtf": rtf,
    ".epub": epub,
    ".eml": eml,
    ".mbox": mbox,
}
