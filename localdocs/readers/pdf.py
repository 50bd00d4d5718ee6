"""PDF."""

from contextlib import closing
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from ..errors import UnreadableFile
from ..snippets import Document, Page
from .cleaning import day
from .pdf_layout import Line, lines
from .pdf_notes import notes
from .pdf_pages import page_texts


def pdf(path: Path) -> Document:
    """Reads the text of each page, with notes and filled-in fields.

    Raises `UnreadableFile` if the file is encrypted or has only images.
    """
    try:
        document = pypdfium2.PdfDocument(path.read_bytes())
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableFile("it is encrypted") from error
        raise UnreadableFile("it is not a .pdf file, or damaged") from error
    with closing(document):
        document.init_forms()
        printed: list[list[Line]] = []
        filled: list[list[str]] = []
        has_images = False
        for number in range(len(document)):
            try:
                page = document[number]
            except pypdfium2.PdfiumError:  # a damaged page costs only itself
                printed.append([])
                filled.append([])
                continue
            with closing(page), closing(page.get_textpage()) as text:
                printed.append(lines(text))
                filled.append(notes(document, page, printed[-1]))
                if not printed[-1]:
                    images = page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=2)
                    has_images = has_images or next(images, None) is not None
        metadata = document.get_metadata_dict()
    if has_images and not any(printed) and not any(filled):
        raise UnreadableFile("there is no text in it: a scan?")
    texts = page_texts(printed)
    return Document(
        tuple(
            Page("\n".join(filter(None, (text, *added))), number)
            for number, (text, added) in enumerate(zip(texts, filled, strict=True), 1)
        ),
        metadata["Title"],
        metadata["Author"],
        day(metadata["ModDate"]) or day(metadata["CreationDate"]),
        metadata["Keywords"],
        lines=False,
    )
