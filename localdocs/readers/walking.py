"""Finds the paragraphs and tables in the XML of an office document."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from itertools import filterfalse
from typing import NamedTuple
from xml.etree.ElementTree import Element

from .archives import local_name
from .tables import LONGEST_CELL, named_rows

_TITLES = {"title", "ctrTitle"}
# Page numbers, dates, headers and footers of slides, as PowerPoint and OpenDocument call them.
_SURROUNDINGS = {
    *("sldNum", "dt", "hdr", "ftr"),
    *("page-number", "date-time", "header", "footer"),
}
# Text that Markdown takes for a heading, or for code or HTML that may span empty lines.
_MARKUP = re.compile(
    r"^ {0,3}(?=#{1,6}(\s|$)|```|~~~|=+ *$|-+ *$|<(script|pre|style|textarea)\b|<[!?])",
    re.IGNORECASE | re.MULTILINE,
)


class Block(NamedTuple):
    """A paragraph or table, and the Markdown mark that goes before it, such as ``# ``."""

    text: str
    mark: str = ""


class Walk(ABC):
    """The names that a format gives to elements with text, without their namespaces."""

    paragraphs = frozenset({"p"})
    table, row = "tbl", "tr"
    cells = frozenset({"tc"})
    left_out: frozenset[str] = frozenset()
    # Elements that refer to text elsewhere.
    references: frozenset[str] = frozenset()

    def blocks(self, element: Element) -> Iterator[Block]:
        """The paragraphs and tables in ``element``. Those inside a paragraph come after it."""
        for child in filterfalse(self.is_left_out, _children(element)):
            yield from self.block(child)

    def block(self, element: Element) -> Iterator[Block]:
        """``element`` itself if it is a paragraph or a table, otherwise those in it."""
        name = local_name(element.tag)
        if name in self.paragraphs:
            yield from self._paragraph(element)
        elif name == self.table:
            yield from self._table(element)
        elif name in self.references:
            yield from self.referred(element)
        else:
            yield from self.blocks(element)

    def is_left_out(self, element: Element) -> bool:
        """Whether the document does not show ``element``."""
        return local_name(element.tag) in self.left_out

    def mark(self, paragraph: Element) -> str:
        """The Markdown mark of ``paragraph``; empty for plain text."""
        return ""

    @abstractmethod
    def characters(self, element: Element) -> str:
        """The text of ``element`` without its children."""

    def tail(self, element: Element) -> str:
        """The text that follows ``element``, in formats that have text between elements."""
        return ""

    def referred(self, element: Element) -> Iterator[Block]:
        """The text that a reference refers to, in formats that have ``references``."""
        return iter(())

    @abstractmethod
    def columns(self, cell: Element) -> tuple[bool, int]:
        """Whether a cell is shown, not merged into another, and how many columns it spans."""

    def header_rows(self, table: Element) -> int:
        """The number of rows that ``table`` marks as its header."""
        return 0

    def nearest(self, element: Element, names: Collection[str]) -> Iterator[Element]:
        """The outermost elements in ``element`` with one of the ``names``."""
        for child in filterfalse(self.is_left_out, _children(element)):
            if local_name(child.tag) in names:
                yield child
            else:
                yield from self.nearest(child, names)

    def _paragraph(self, element: Element) -> Iterator[Block]:
        inside: list[Element] = []
        text = "".join([self.characters(element), *self._inline(element, inside)]).strip()
        if text:
            mark = self.mark(element)
            yield Block(" ".join(text.split()) if mark.startswith("#") else text, mark)
        for each in inside:
            yield from self.block(each)

    def _inline(self, element: Element, inside: list[Element]) -> Iterator[str]:
        for child in _children(element):
            name = local_name(child.tag)
            if not self.is_left_out(child):
                if name in self.paragraphs or name == self.table or name in self.references:
                    inside.append(child)
                else:
                    yield self.characters(child)
                    yield from self._inline(child, inside)
            yield self.tail(child)

    def _table(self, element: Element) -> Iterator[Block]:
        rows = [
            [self._cell(cell) for cell in self.nearest(row, self.cells)]
            for row in self.nearest(element, {self.row})
        ]
        texts = [
            [text for cell, width in row for text in [_flat(cell), *[""] * (width - 1)]]
            for row in rows
        ]
        if all(len(row) < 2 for row in rows) or any(
            len(text) > LONGEST_CELL for row in texts for text in row
        ):
            yield from (block for row in rows for cell, _ in row for block in cell)
        else:
            # In a header of several rows, a name can be in any of them.
            yield Block("\n".join(named_rows(texts, self.header_rows(element) == 1)))

    def _cell(self, cell: Element) -> tuple[list[Block], int]:
        is_own, width = self.columns(cell)
        return list(self.blocks(cell)) if is_own else [], width


def slide_blocks(walk: Walk, shapes: Iterable[tuple[str, Element]]) -> Iterator[Block]:
    """The text of a slide with its title first. ``shapes`` are pairs of kind and shape."""
    shapes = [(kind, shape) for kind, shape in shapes if kind not in _SURROUNDINGS]
    titles = [shape for kind, shape in shapes if kind in _TITLES]
    title = " ".join(text for shape in titles for text, _ in walk.block(shape))
    yield Block(" ".join(title.split()), "# ")
    for kind, shape in shapes:
        if kind not in _TITLES:
            yield from walk.block(shape)


def joined(blocks: Iterable[Block]) -> str:
    """Returns ``blocks`` as Markdown. Their marks are the only markup in it."""
    return "\n\n".join(mark + plain(text) for text, mark in blocks if text)


def plain(text: str) -> str:
    r"""Returns ``text`` with a backslash before what looks like a heading, code or HTML."""
    return _MARKUP.sub(r"\\", text)


def _children(element: Element) -> Iterable[Element]:
    # Each alternative has the same text, for another version of Office.
    return element[:1] if local_name(element.tag) == "AlternateContent" else element


def _flat(blocks: list[Block]) -> str:
    return " ".join(word for text, _ in blocks for word in text.split())
