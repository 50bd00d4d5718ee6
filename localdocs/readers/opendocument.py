"""Documents of LibreOffice and others: OpenDocument 1.3 (ISO/IEC 26300)."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from ..errors import UnreadableFile
from ..snippets import Document, Page
from .archives import Archive, Properties, attribute, first, local_name
from .cleaning import day
from .walking import Block, Walk, joined

_SVG = ":svg-compatible:"
_SPACE = re.compile(r"[ \t\r\n]+")
_HEADERS = ("header", "header-left", "header-first", "footer", "footer-left", "footer-first")


def odt(path: Path) -> Document:
    """Its text with headings, lists, tables, notes, frames, headers and footers.

    Tracked deletions, comments and hidden text are not in it.
    """
    archive = opened(path)
    content = archive.xml("content.xml")
    walk = _OpenDocumentWalk(content)
    around: dict[str, dict[Block, None]] = {name: {} for name in _HEADERS}
    if archive.has("styles.xml"):
        styles = archive.xml("styles.xml")
        side = _OpenDocumentWalk(styles)
        for master in styles.iterfind("{*}master-styles/{*}master-page"):
            for part in master:
                if not side.is_left_out(part) and local_name(part.tag) in around:
                    around[local_name(part.tag)].update(dict.fromkeys(side.blocks(part)))
    headers, footers = (
        dict.fromkeys(block for name in names for block in around[name])
        for names in (_HEADERS[:3], _HEADERS[3:])
    )
    blocks = [*headers, *walk.blocks(_body(archive, content, "text")), *footers]
    return _document(archive, [Page(joined(blocks))])


def odp(path: Path) -> Document:
    """Its slides as pages, with their titles as headings, and the speaker's notes."""
    archive = opened(path)
    content = archive.xml("content.xml")
    walk = _OpenDocumentWalk(content)
    slides = _body(archive, content, "presentation").iterfind("{*}page")
    pages = [Page(joined(_slide(walk, slide)), number) for number, slide in enumerate(slides, 1)]
    return _document(archive, pages)


def properties(archive: Archive) -> Properties:
    """Title, author, keywords, and the day of the last change."""
    if not archive.has("meta.xml"):
        return Properties()
    meta = archive.xml("meta.xml").find("{*}meta")
    if meta is None:
        return Properties()
    return Properties(
        first(meta, ["title"]),
        first(meta, ["initial-creator", "creator"]),
        day(first(meta, ["date", "creation-date"])),
        ", ".join(each.text or "" for each in meta.iterfind("{*}keyword")),
    )


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


def _slide(walk: Walk, slide: Element) -> Iterator[Block]:
    titles = [part for part in slide if attribute(part, "class") == "title"]
    title = " ".join(text for part in titles for text, _ in walk.block(part))
    yield Block(" ".join(title.split()), "# ")
    for part in slide:
        # The frames of the notes, too, have classes.
        for frame in part if local_name(part.tag) == "notes" else [part]:
            kind = attribute(frame, "class")
            if kind not in {"title", "header", "footer", "page-number", "date-time"}:
                yield from walk.block(frame)


def opened(path: Path) -> Archive:
    """The archive at ``path``. Raises `UnreadableFile` when it is encrypted."""
    archive = Archive(path)
    manifest = "META-INF/manifest.xml"
    if archive.has(manifest) and b"encryption-data" in archive.read(manifest):
        raise UnreadableFile("it is encrypted")
    return archive


def _body(archive: Archive, content: Element, kind: str) -> Element:
    body = content.find(f"{{*}}body/{{*}}{kind}")
    if body is None:
        raise UnreadableFile(archive.wrong)
    return body


def _document(archive: Archive, pages: list[Page]) -> Document:
    about = properties(archive)
    return Document(
        tuple(pages), about.title, about.author, about.date, about.tags, markdown=True, lines=False
    )
