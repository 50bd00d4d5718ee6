"""LibreOffice Writer and Impress: OpenDocument 1.3 (ISO/IEC 26300)."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from ..errors import UnreadableFile
from ..snippets import Document, Page
from .archives import Archive, Properties, attribute, first, local_name, texts
from .cleaning import day
from .walking import Block, Walk, joined, slide_blocks

_SVG = ":svg-compatible:"
_SPACE = re.compile(r"[ \t\r\n]+")


class OpenDocument(Archive):
    """An OpenDocument file. Raises `UnreadableFile` if it is encrypted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        manifest = "META-INF/manifest.xml"
        if self.has(manifest) and b"encryption-data" in self.read(manifest):
            raise UnreadableFile("it is encrypted")

    def properties(self) -> Properties:
        """The title, the author, the day of the last change, and the keywords."""
        if not self.has("meta.xml"):
            return Properties()
        root = self.xml("meta.xml")
        return Properties(
            first(root, "meta/title"),
            first(root, "meta/initial-creator", "meta/creator"),
            day(first(root, "meta/date", "meta/creation-date")),
            ", ".join(texts(root, "meta/keyword")),
        )

    def body(self, content: Element, kind: str) -> Element:
        """The element with the content. Raises `UnreadableFile` if it is not of this ``kind``."""
        body = content.find(f"{{*}}body/{{*}}{kind}")
        if body is None:
            raise UnreadableFile(self.wrong)
        return body


def odt(path: Path) -> Document:
    """Reads the text with its headings, lists, tables, notes, frames, headers and footers.

    Tracked deletions, comments and hidden text are left out.
    """
    archive = OpenDocument(path)
    content = archive.xml("content.xml")
    walk = _OpenDocumentWalk(content)
    headers, footers = (dict.fromkeys(_around(archive, kind)) for kind in ("header", "footer"))
    blocks = [*headers, *walk.blocks(archive.body(content, "text")), *footers]
    return Document((Page(joined(blocks)),), *archive.properties(), markdown=True, lines=False)


def odp(path: Path) -> Document:
    """Reads each slide as a page, with its title as heading and the speaker's notes."""
    archive = OpenDocument(path)
    content = archive.xml("content.xml")
    walk = _OpenDocumentWalk(content)
    slides = archive.body(content, "presentation").iterfind("{*}page")
    pages = [
        Page(joined(slide_blocks(walk, _frames(slide))), number)
        for number, slide in enumerate(slides, 1)
    ]
    return Document(tuple(pages), *archive.properties(), markdown=True, lines=False)


def _around(archive: Archive, kind: str) -> Iterator[Block]:
    """The headers or footers of all pages, the first page and the left pages."""
    if not archive.has("styles.xml"):
        return
    styles = archive.xml("styles.xml")
    walk = _OpenDocumentWalk(styles)
    for part in styles.iterfind("{*}master-styles/{*}master-page/*"):
        if local_name(part.tag).startswith(kind) and not walk.is_left_out(part):
            yield from walk.blocks(part)


class _OpenDocumentWalk(Walk):
    paragraphs = frozenset({"p", "h"})
    table, row = "table", "table-row"
    cells = frozenset({"table-cell", "covered-table-cell"})
    left_out = frozenset(
        {"annotation", "binary-data", "note-citation", "ruby-text", "script", "tracked-changes"}
    )
    _characters = {"tab": "\t", "line-break": "\n"}

    def __init__(self, root: Element) -> None:
        self._hidden = {
            attribute(style, "name")
            for style in root.iter()
            if local_name(style.tag) == "style"
            and attribute(style.find("{*}text-properties"), "display") == "none"
        }

    def block(self, element: Element) -> Iterator[Block]:
        is_item = local_name(element.tag) == "list-item"
        for text, mark in super().block(element):
            yield Block(text, mark or "- " if is_item else mark)

    def is_left_out(self, element: Element) -> bool:
        return (
            local_name(element.tag) in self.left_out
            or _SVG in element.tag  # descriptions of pictures
            or attribute(element, "display") in {"none", "false"}
            or attribute(element, "style-name") in self._hidden
        )

    def mark(self, paragraph: Element) -> str:
        if local_name(paragraph.tag) == "p":
            return ""
        return "#" * min(int(attribute(paragraph, "outline-level") or 1), 6) + " "

    def characters(self, element: Element) -> str:
        name = local_name(element.tag)
        if name == "s":
            return " " * min(int(attribute(element, "c") or 1), 100)
        return self._characters.get(name, "") + _SPACE.sub(" ", element.text or "")

    def tail(self, element: Element) -> str:
        return _SPACE.sub(" ", element.tail or "")

    def columns(self, cell: Element) -> tuple[bool, int]:
        return local_name(cell.tag) == "table-cell", 1

    def header_rows(self, table: Element) -> int:
        return sum(1 for _ in table.iterfind("{*}table-header-rows/{*}table-row"))


def _frames(slide: Element) -> Iterator[tuple[str, Element]]:
    """The class of each frame on a slide and in its notes, and the frame."""
    for part in slide:
        for frame in part if local_name(part.tag) == "notes" else [part]:
            yield attribute(frame, "class"), frame
