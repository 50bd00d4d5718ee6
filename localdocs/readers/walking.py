"""The text in a document's XML: paragraphs and tables, and what is inside of them."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import filterfalse
from typing import NamedTuple
from xml.etree.ElementTree import Element

from .archives import local_name
from .tables import LONGEST_CELL, named_rows

_TITLES = {"title", "ctrTitle"}
# What slides have around their text, as PowerPoint and as OpenDocument call it.
_SURROUNDINGS = {
    *("sldNum", "dt", "hdr", "ftr"),
    *("page-number", "date-time", "header", "footer"),
}
# What Markdown would take for a heading, or for code or HTML that goes on over empty lines.
_MARKUP = re.compile(
    r"^ {0,3}(?=#{1,6}(\s|$)|```|~~~|=+ *$|-+ *$|<(script|pre|style|textarea)\b|<[!?])",
    re.IGNORECASE | re.MULTILINE,
)


class Block(NamedTuple):
    """A paragraph or table, and the mark that Markdown has before it."""

    text: str
    mark: str = ""


class Walk:
    """How a format names what has text in it. The names are without namespaces."""

    paragraphs = frozenset({"p"})
    table, row = "tbl", "tr"
    cells = frozenset({"tc"})
    left_out: frozenset[str] = frozenset()
    # What refers to text that is elsewhere.
    references: frozenset[str] = frozenset()

    def blocks(self, element: Element) -> Iterator[Block]:
        """The paragraphs and tables in ``element``, those inside of a paragraph after it."""
        for child in filterfalse(self.is_left_out, _children(element)):
            yield from self.block(child)

    def block(self, element: Element) -> Iterator[Block]:
        """The paragraphs and tables that ``element`` is, or that are in it."""
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
        """What Markdown writes before ``paragraph``."""
        return ""

    def characters(self, element: Element) -> str:
        """What ``element`` itself stands for, without its children."""
        raise NotImplementedError

    def tail(self, element: Element) -> str:
        """What follows on ``element``, in the formats that have text between elements."""
        return ""

    def referred(self, element: Element) -> Iterator[Block]:
        """The text that a reference refers to."""
        raise NotImplementedError

    def columns(self, cell: Element) -> tuple[bool, int]:
        """Whether a cell is one of its own, not joined to another, and over how many columns."""
        raise NotImplementedError

    def header_rows(self, table: Element) -> int:
        """How many of the first rows of ``table`` it calls its header; 0 if it does not say."""
        return 0

    def nearest(self, element: Element, names: Collection[str]) -> Iterator[Element]:
        """The outermost elements in ``element`` that have one of the ``names``."""
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
            # A header of several rows names nothing in one place.
            yield Block("\n".join(named_rows(texts, self.header_rows(element) == 1)))

    def _cell(self, cell: Element) -> tuple[list[Block], int]:
        is_own, width = self.columns(cell)
        return list(self.blocks(cell)) if is_own else [], width


def slide_blocks(walk: Walk, shapes: Iterable[tuple[str, Element]]) -> Iterator[Block]:
    """The text of a slide, its title first, from its ``shapes`` with their kinds."""
    shapes = [(kind, shape) for kind, shape in shapes if kind not in _SURROUNDINGS]
    titles = [shape for kind, shape in shapes if kind in _TITLES]
    title = " ".join(text for shape in titles for text, _ in walk.block(shape))
    yield Block(" ".join(title.split()), "# ")
    for kind, shape in shapes:
        if kind not in _TITLES:
            yield from walk.block(shape)


def joined(blocks: Iterable[Block]) -> str:
    """``blocks`` as Markdown in which nothing but their marks is markup."""
    return "\n\n".join(mark + plain(text) for text, mark in blocks if text)


def plain(text: str) -> str:
    r"""``text`` with a backslash before what Markdown would take for headings, code or HTML."""
    return _MARKUP.sub(r"\\", text)


def _children(element: Element) -> Iterable[Element]:
    # The alternatives have the same text, once for each version of Office.
    return element[:1] if local_name(element.tag) == "AlternateContent" else element


def _flat(blocks: list[Block]) -> str:
    return " ".join(word for text, _ in blocks for word in text.split())
