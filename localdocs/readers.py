"""One function for each file format: a file in, its text out.

They are called in a process of their own (`reading`).
"""

import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import charset_normalizer
import docx
import pypdfium2
from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph
from markdownify import MarkdownConverter

from .errors import UnreadableFile
from .snippets import Document, Page


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
    return document


def _text(path: Path) -> Document:
    return Document((Page(_decoded(path.read_bytes())),))


def _markdown(path: Path) -> Document:
    return Document((Page(_decoded(path.read_bytes())),), markdown=True)


def _html(path: Path) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML is read as HTML too
        soup = BeautifulSoup(path.read_bytes(), "lxml")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    meta = soup.find("meta", attrs={"name": "author"})
    author = str(meta.get("content", "")) if meta else ""
    for element in soup(["head", "script", "style", "template"]):
        element.decompose()
    converter = MarkdownConverter(heading_style="atx", strip=["a", "img"], escape_misc=False)
    return Document(
        (Page(converter.convert_soup(soup)),),
        title,
        author,
        markdown=True,
        lines=False,
    )


def _pdf(path: Path) -> Document:
    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableFile("it is encrypted") from error
        raise
    with closing(pdf):
        pages = []
        for number in range(len(pdf)):
            with closing(pdf[number]) as page, closing(page.get_textpage()) as text:
                # A word that is divided at the end of a line has U+FFFE for its hyphen.
                lines = text.get_text_bounded().replace("\r\n", "\n").replace("\ufffe\n", "")
                pages.append(Page(lines.replace("\ufffe", ""), number + 1))
        metadata = pdf.get_metadata_dict()
    return Document(tuple(pages), metadata["Title"], metadata["Author"], lines=False)


def _docx(path: Path) -> Document:
    try:
        document = docx.Document(str(path))
    except (zipfile.BadZipFile, PackageNotFoundError) as error:
        raise UnreadableFile("it is no docx file, or encrypted") from error
    parts = [_docx_part(part) for part in document.iter_inner_content()]
    properties = document.core_properties
    return Document(
        (Page("\n\n".join(part for part in parts if part.strip())),),
        properties.title,
        properties.author,
        markdown=True,
        lines=False,
    )


def _docx_part(part: Paragraph | Table) -> str:
    if isinstance(part, Table):
        return "\n".join("\t".join(cell.text for cell in row.cells) for row in part.rows)
    name = (part.style.name or "") if part.style is not None else ""
    level = name.removeprefix("Heading ")
    return f"{'#' * int(level)} {part.text}" if level.isdigit() and name != level else part.text


def _decoded(data: bytes) -> str:
    """The text in ``data``, whatever its encoding."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        best = charset_normalizer.from_bytes(data).best()
        if best is None:
            raise UnreadableFile("it is no text, or in an unknown encoding") from error
        text = str(best)
    if "\0" in text:
        raise UnreadableFile("it is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


READERS: dict[str, Callable[[Path], Document]] = {
    ".txt": _text,
    ".rst": _text,
    ".csv": _text,
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _docx,
}
