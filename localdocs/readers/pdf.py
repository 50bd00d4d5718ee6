"""PDF."""

from contextlib import closing
from pathlib import Path

import pypdfium2

from ..errors import UnreadableFile
from ..snippets import Document, Page


def pdf(path: Path) -> Document:
    """The text of each page, title and author. Raises `UnreadableFile` when it is encrypted."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableFile("it is encrypted") from error
        raise
    with closing(document):
        pages = []
        for number in range(len(document)):
            with closing(document[number]) as page, closing(page.get_textpage()) as text:
                # A word that is divided at the end of a line has U+FFFE for its hyphen.
                lines = text.get_text_bounded().replace("\r\n", "\n").replace("\ufffe\n", "")
                pages.append(Page(lines.replace("\ufffe", ""), number + 1))
        metadata = document.get_metadata_dict()
    return Document(tuple(pages), metadata["Title"], metadata["Author"], lines=False)
