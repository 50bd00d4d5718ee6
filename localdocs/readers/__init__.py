"""One function for each file format: a file in, its text out.

They are called in a process of their own (`..reading`).
"""

from collections.abc import Callable
from pathlib import Path, PurePath

from ..errors import UnreadableFile
from ..snippets import Document
from .cleaning import cleaned
from .data import json_, json_lines, xml
from .delimited import delimited
from .epub import epub
from .html import html
from .mail import eml, mbox
from .markdown import markdown
from .notebook import notebook
from .ooxml import docx, pptx
from .opendocument import odp, odt
from .pdf import pdf
from .plain import NAMES, SUFFIXES, text
from .rst import rst
from .rtf import rtf
from .spreadsheets import spreadsheet


def read(path: Path) -> Document:
    """The text of the file at ``path``. Raises `UnreadableFile` with the reason."""
    try:
        document = _reader(path.name)(path)
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


def is_readable(name: str) -> bool:
    """Whether a file of that name is in a format that can be read."""
    path = PurePath(name)
    return path.suffix.lower() in READERS or path.name.lower() in NAMES


def _reader(name: str) -> Callable[[Path], Document]:
    return text if name.lower() in NAMES else READERS[PurePath(name).suffix.lower()]


# Where a hyphen at the end of a line may divide a word; in a program or a log it does not.
_PROSE = {".txt", ".rst", ".md", ".markdown"}

READERS: dict[str, Callable[[Path], Document]] = {
    **dict.fromkeys(SUFFIXES, text),
    **dict.fromkeys((".csv", ".tsv", ".tab"), delimited),
    **dict.fromkeys((".json", ".geojson"), json_),
    **dict.fromkeys((".jsonl", ".ndjson"), json_lines),
    **dict.fromkeys((".xml", ".rss", ".atom", ".opml"), xml),
    **dict.fromkeys((".rst", ".rest"), rst),
    ".ipynb": notebook,
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
