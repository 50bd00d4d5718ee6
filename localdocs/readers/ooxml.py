"""Microsoft Word and PowerPoint: Office Open XML (ECMA-376, ISO/IEC 29500)."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import Element

from ..snippets import Document, Page
from .archives import Package, attribute, in_any_namespace, local_name
from .walking import Block, Walk, joined, slide_blocks

_HEADING = re.compile(r"heading ([1-9])|(title)", re.IGNORECASE)
_OFF = {"0", "false", "off"}
_NOTES = {"footnotes": "footnoteReference", "endnotes": "endnoteReference"}


def docx(path: Path) -> Document:
    """Reads the text with its headings, lists, tables, notes, text boxes, headers and footers.

    Tracked deletions, comments and hidden text are left out.
    """
    package = Package(path, "document")
    styles = {
        attribute(style, "styleId"): style
        for name in package.related(package.main, "styles")
        for style in package.xml(name).iterfind("{*}style")
    }

    def blocks(part: str) -> Iterator[Block]:
        return _WordWalk(package, part, styles).blocks(package.xml(part))

    headers, footers = (
        dict.fromkeys(chain(*map(blocks, package.related(package.main, kind))))
        for kind in ("header", "footer")
    )
    page = Page(joined([*headers, *blocks(package.main), *footers]))
    return Document((page,), *package.properties(), markdown=True, lines=False)


def pptx(path: Path) -> Document:
    """Reads each slide as a page, with its title as heading and the speaker's notes."""
    package = Package(path, "presentation")
    slides = package.relations(package.main)
    listed = map(_reference, package.xml(package.main).iterfind("{*}sldIdLst/{*}sldId"))
    names = [slides[reference][1] for reference in listed if reference in slides]
    footers: set[str] = set()
    pages = []
    for number, name in enumerate(names, 1):
        blocks = list(_slide(package, name))
        blocks += [footer for footer in _footers(package, name) if footer.text not in footers]
        footers.update(text for text, _ in blocks)
        pages.append(Page(joined(blocks), number))
    return Document(tuple(pages), *package.properties(), markdown=True, lines=False)


class _OfficeWalk(Walk):
    """What Word, PowerPoint, and drawings in both have in common."""

    left_out = frozenset({"del", "moveFrom", "rt"})
    references = frozenset({"chart", "relIds", *_NOTES.values()})
    _characters = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}

    def __init__(self, package: Package, part: str) -> None:
        self.package = package
        self.relations = package.relations(part)

    def characters(self, element: Element) -> str:
        name = local_name(element.tag)
        return (element.text or "") if name == "t" else self._characters.get(name, "")

    def referred(self, element: Element) -> Iterator[Block]:
        """The titles of a chart, or the text of a diagram."""
        _, name = self.relations.get(attribute(element, "dm") or _reference(element), ("", ""))
        if name:
            yield from _OfficeWalk(self.package, name).blocks(self.package.xml(name))
        else:
            yield from self.blocks(element)

    def columns(self, cell: Element) -> tuple[bool, int]:
        merged = {attribute(cell, "hMerge"), attribute(cell, "vMerge")} & {"1", "true"}
        return not merged, 1


class _WordWalk(_OfficeWalk):
    """A part of a Word document: its main text, a header, or a footer."""

    def __init__(self, package: Package, part: str, styles: dict[str, Element]) -> None:
        super().__init__(package, part)
        self._styles = styles
        self._notes = {
            (reference, attribute(note, "id")): note
            for kind, reference in _NOTES.items()
            for name in package.related(part, kind)
            for note in package.xml(name)
        }

    def is_left_out(self, element: Element) -> bool:
        name = local_name(element.tag)
        return name in self.left_out or (name in {"p", "r"} and self._is_hidden(element, name))

    def mark(self, paragraph: Element) -> str:
        sources = [paragraph, *self._style(paragraph, "p")]
        if level := next(filter(None, map(_level, sources)), 0):
            return "#" * min(level, 6) + " " if level < 10 else ""
        numbers = (_value(source, "pPr/numPr/numId") for source in sources)
        return "- " if next(filter(None, numbers), "0") != "0" else ""

    def referred(self, element: Element) -> Iterator[Block]:
        note = self._notes.get((local_name(element.tag), attribute(element, "id")))
        yield from super().referred(element) if note is None else self.blocks(note)

    def columns(self, cell: Element) -> tuple[bool, int]:
        merge = _find(cell, "tcPr/vMerge")
        is_own = merge is None or attribute(merge, "val") == "restart"
        return is_own, int(_value(cell, "tcPr/gridSpan") or 1)

    def header_rows(self, table: Element) -> int:
        rows = self.nearest(table, {self.row})
        return sum(_find(row, "trPr/tblHeader") is not None for row in rows)

    def _is_hidden(self, element: Element, kind: str) -> bool:
        for source in [element, *self._style(element, kind)]:
            if (vanish := _find(source, "rPr/vanish")) is not None:
                return attribute(vanish, "val") not in _OFF
        return False

    def _style(self, element: Element, kind: str) -> Iterator[Element]:
        """The style of a paragraph or run, followed by the styles it is based on."""
        name = _value(element, f"{kind}Pr/{kind}Style")
        seen: set[str] = set()
        while name in self._styles and name not in seen:
            seen.add(name)
            yield self._styles[name]
            name = _value(self._styles[name], "basedOn")


def _slide(package: Package, name: str) -> Iterator[Block]:
    for part in [name, *package.related(name, "notesSlide")]:
        shapes = [(_placeholder(shape), shape) for shape in _shapes(package.xml(part))]
        yield from slide_blocks(_OfficeWalk(package, part), shapes)


def _footers(package: Package, name: str) -> Iterator[Block]:
    for shape in _shapes(package.xml(name)):
        if _placeholder(shape) == "ftr":
            yield from _OfficeWalk(package, name).block(shape)


def _shapes(slide: Element) -> Iterable[Element]:
    return slide.iterfind("{*}cSld/{*}spTree/*")


def _placeholder(shape: Element) -> str:
    return attribute(_find(shape, "nvSpPr/nvPr/ph"), "type")


def _level(source: Element) -> int:
    """The heading level from 1, 10 for plain text, or 0 if ``source`` does not say."""
    if outline := _value(source, "pPr/outlineLvl"):
        return int(outline) + 1
    # Built-in styles have English names in every language of Word.
    found = _HEADING.fullmatch(_value(source, "name"))
    return int(found[1] or 1) if found else 0


def _find(element: Element, names: str) -> Element | None:
    return element.find(in_any_namespace(names))


def _value(element: Element, names: str) -> str:
    return attribute(_find(element, names), "val")


def _reference(element: Element) -> str:
    """The id of a reference. An ``id`` without a namespace is something else."""
    return next((v for k, v in element.attrib.items() if k.endswith("}id")), "")
