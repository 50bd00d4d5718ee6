"""Documents of office programs."""

import zipfile
from pathlib import Path

import docx as python_docx
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph

from ..errors import UnreadableFile
from ..snippets import Document, Page


def docx(path: Path) -> Document:
    """Headings, paragraphs and tables, title and author."""
    try:
        document = python_docx.Document(str(path))
    except (zipfile.BadZipFile, PackageNotFoundError) as error:
        raise UnreadableFile("it is no docx file, or encrypted") from error
    parts = [_part(part) for part in document.iter_inner_content()]
    properties = document.core_properties
    return Document(
        (Page("\n\n".join(part for part in parts if part.strip())),),
        properties.title,
        properties.author,
        markdown=True,
        lines=False,
    )


def _part(part: Paragraph | Table) -> str:
    if isinstance(part, Table):
        return "\n".join("\t".join(cell.text for cell in row.cells) for row in part.rows)
    name = (part.style.name or "") if part.style is not None else ""
    level = name.removeprefix("Heading ")
    return f"{'#' * int(level)} {part.text}" if level.isdigit() and name != level else part.text
