"""One function for each file format: a file in, its text out.

They are called in a process of their own (`..reading`).
"""

import stat
from collections.abc import Callable
from dataclasses import replace
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
        _refuse_other_than_files(path)
        document = _reader(path.name)(path)
    except (UnreadableFile, MemoryError):
        raise
    except OSError as error:
        raise UnreadableFile(f"it cannot be opened: {error.strerror or error}") from error
    except RecursionError as error:
        raise UnreadableFile("its parts are nested too deeply") from error
    # Each library has errors of its own, and a damaged file can surface as any of them.
    except Exception as error:
        raise UnreadableFile(f"it is damaged: {str(error) or repr(error)}") from error
    pages = (
        replace(page, text=_encodable(page.text), headings=tuple(map(_encodable, page.headings)))
        for page in document.pages
    )
    about = (document.title, document.author, document.tags)
    title, author, tags = map(_encodable, about)
    document = replace(document, pages=tuple(pages), title=title, author=author, tags=tags)
    document = cleaned(document, prose=path.suffix.lower() in _PROSE)
    if not any(page.text.strip() for page in document.pages):
        raise UnreadableFile("there is no text in it")
    return document


def _refuse_other_than_files(path: Path) -> None:
    """Raises `UnreadableFile` for what has become a pipe or a link since it was found."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise UnreadableFile("it is no file any more")


def _encodable(text: str) -> str:
    """``text`` with U+FFFD for halves of surrogate pairs: JSON can hold them, an answer cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


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
