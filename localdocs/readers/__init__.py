"""Reads files, with one function for each format.

The functions run in a separate process (`..reading`).
"""

import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ..errors import UnreadableFile
from ..snippets import Document
from .cleaning import cleaned
from .formats import reader_of


def read(path: Path) -> Document:
    """Returns the text of the file at ``path``. Raises `UnreadableFile` with the reason."""
    reader = _loaded(reader_of(path.name))
    try:
        _refuse_other_than_files(path)
        document = reader(path)
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


def _loaded(name: str) -> Callable[[Path], Document]:
    """The function ``name``, whose module is loaded with the first file that it reads.

    Loading all of them takes longer than reading most files.
    """
    module, function = name.split(".")
    loaded: Callable[[Path], Document] = getattr(import_module(f".{module}", __name__), function)
    return loaded


# Formats in which a hyphen at the end of a line may divide a word.
_PROSE = {".txt", ".rst", ".md", ".markdown"}
