"""E-books (EPUB 2 and 3)."""

import posixpath
from pathlib import Path
from urllib.parse import unquote

from ..errors import UnreadableFile
from ..snippets import Document
from .archives import Archive, attribute, first, texts
from .cleaning import day
from .html import html_document

_ENCRYPTION = "META-INF/encryption.xml"


def epub(path: Path) -> Document:
    """Reads the chapters in reading order, with their headings.

    Raises `UnreadableFile` if they are encrypted, as in some books from shops.
    """
    archive = Archive(path)
    place = attribute(archive.xml("META-INF/container.xml").find(".//{*}rootfile"), "full-path")
    book = archive.xml(place)
    files = {
        item.get("id"): posixpath.normpath(
            posixpath.join(posixpath.dirname(place), unquote(item.get("href", "")))
        )
        for item in book.iterfind("{*}manifest/{*}item")
    }
    chapters = [files.get(each.get("idref"), "") for each in book.iterfind("{*}spine/{*}itemref")]
    # Encrypted fonts do not matter.
    if not _encrypted(archive).isdisjoint(chapters):
        raise UnreadableFile("it is encrypted")
    pages = (
        page
        for name in chapters
        if archive.has(name)
        for page in html_document(archive.read(name)).pages
    )
    authors, subjects = (
        ", ".join(texts(book, f"metadata/{kind}")) for kind in ("creator", "subject")
    )
    title, date = first(book, "metadata/title"), day(first(book, "metadata/date"))
    return Document(tuple(pages), title, authors, date, subjects, markdown=True, lines=False)


def _encrypted(archive: Archive) -> set[str]:
    if not archive.has(_ENCRYPTION):
        return set()
    references = archive.xml(_ENCRYPTION).iterfind(".//{*}CipherReference")
    return {unquote(each.get("URI", "")) for each in references}
