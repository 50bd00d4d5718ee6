"""Reads files, with one function for each format.

The functions run in a separate process (`..reading`).
"""

import stat
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
    """Returns the text of the file at ``path``, or raises `UnreadableFile` with the reason."""
    try:
        _refuse_other_than_files(path)
        document = _reader(path.name)(path)
    except (UnreadableFile, MemoryError):
        raise
    except OSError as error:
        raise UnreadableFile(f"it cannot be opened: {error.strerror or error}") from error
    except RecursionError as error:
        raise UnreadableFile("its parts are nested too deeply") from error
    # A damaged file can raise any error of the library that reads it.
    except Exception as error:
        raise UnreadableFile(f"it is damaged: {str(error) or repr(error)}") from error
    document = cleaned(document, prose=path.suffix.lower() in _PROSE)
    if not any(page.text.strip() for page in document.pages):
        raise UnreadableFile("there is no text in it")
    return document


def _refuse_other_than_files(path: Path) -> None:
    """Raises `UnreadableFile` if the file has become a pipe or a link since it was found."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise UnreadableFile("it is no longer a file")


def is_readable(name: str) -> bool:
    """Whether a file of that name is in a format that can be read."""
    path = PurePath(name)
    return path.suffix.lower() in READERS or path.name.lower() in NAMES


def _reader(name: str) -> Callable[[Path], Document]:
    return text if name.lower() in NAMES else READERS[PurePath(name).suffix.lower()]


# Formats in which a hyphen at the end of a line may divide a word.
_PROSE = {".txt", ".rst", ".md", ".markdown"}

_SUFFIXES: dict[Callable[[Path], Document], str] = {
    text: SUFFIXES,
    delimited: ".csv .tsv .tab",
    json_: ".json .geojson",
    json_lines: ".jsonl .ndjson",
    xml: ".xml .rss .atom .opml",
    notebook: ".ipynb",
    markdown: ".md .markdown",
    rst: ".rst .rest",
    html: ".html .htm",
    pdf: ".pdf",
    docx: ".docx .docm",
    pptx: ".pptx .pptm .ppsx",
    odt: ".odt",
    odp: ".odp",
    spreadsheet: ".xlsx .xlsm .xlsb .xls .ods",
    rtf: ".rtf",
    epub: ".epub",
    eml: ".eml",
    mbox: ".mbox",
}
READERS = {suffix: reader for reader, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
