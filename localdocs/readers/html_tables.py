"""HTML tables, read row by row with the names of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from .tables import LONGEST_CELL, named_row

_MOST_SPANNED = 30  # rows and columns; a cell may claim millions


@dataclass
class Block:
    """A paragraph or similar. A ``tight`` one has no empty line before it."""

    text: str
    tight: bool = False
    plain: bool = True

    @staticmethod
    def joined(blocks: Sequence["Block"]) -> str:
        """Returns the text of ``blocks``, one below the other."""
        parts = [("\n" if block.tight else "\n\n") + block.text for block in blocks]
        return "".join(parts).lstrip("\n")


@dataclass
class _Cell:
    is_head: bool
    columns: int
    rows: int
    blocks: list[Block] = field(default_factory=list)

    def text(self) -> str:
        return " ".join(block.text for block in self.blocks)

    def is_plain(self) -> bool:
        """Whether it fits on one line with other cells."""
        return all(block.plain for block in self.blocks) and len(self.text()) <= LONGEST_CELL


class Table:
    """A table while it is being read."""

    def __init__(self) -> None:
        self._rows: list[list[_Cell]] = [[]]  # the first is for cells in no row
        self._spanning: dict[int, tuple[int, str]] = {}  # rows to come and text, by column

    def start_row(self) -> None:
        """Takes the start of a row."""
        self._rows.append([])

    def start_cell(self, is_head: bool, attributes: Mapping[str, str]) -> list[Block]:
        """Takes the start of a cell. Returns the list to which its blocks are added."""
        columns, rows = (_span(attributes.get(name, "")) for name in ("colspan", "rowspan"))
        self._rows[-1].append(_Cell(is_head, columns, rows))
        return self._rows[-1][-1].blocks

    def blocks(self) -> list[Block]:
        """Returns a block for each row, or the blocks of its cells if they do not fit on a line."""
        heads: list[list[str]] = []
        names: list[str] = []
        shown: list[Block] = []
        for cells in self._rows:
            if not all(cell.is_plain() for cell in cells):
                shown += [block for cell in cells for block in cell.blocks]
                continue
            is_head = not shown and len(cells) > 1 and all(cell.is_head for cell in cells)
            texts = self._texts(cells, is_head)
            if is_head:
                heads.append(texts)
                continue
            columns = zip_longest(*heads, fillvalue="")
            names = names or [" ".join(filter(None, dict.fromkeys(column))) for column in columns]
            if not names and any(texts[1:]) and cells and cells[0].is_head:
                shown += _row(["", *texts[:1]], ["", *texts[1:]], bool(shown))
            else:
                shown += _row(names, texts, bool(shown))
        return shown or [block for texts in heads for block in _row([], texts)]

    def _texts(self, cells: Sequence[_Cell], is_head: bool) -> list[str]:
        """Returns the text in each column of a row.

        Cells above that span this row are included. A header cell counts in all its columns.
        """
        texts = {column: text for column, (_, text) in self._spanning.items()}
        spanning = {column: (n - 1, text) for column, (n, text) in self._spanning.items() if n > 1}
        column = 0
        for cell in cells:
            while column in texts:
                column += 1
            for place in range(column, column + cell.columns):
                texts[place] = cell.text() if is_head or place == column else ""
                if cell.rows > 1:
                    spanning[place] = (cell.rows - 1, texts[place])
        self._spanning = spanning
        return [texts.get(place, "") for place in range(max(texts, default=-1) + 1)]


def _row(names: Sequence[str], texts: Sequence[str], tight: bool = False) -> list[Block]:
    line = named_row(names, texts)
    return [Block(line, tight, plain=sum(map(bool, texts)) == 1)] if line else []


def _span(text: str) -> int:
    return max(1, min(int(text[:9]), _MOST_SPANNED)) if text.isdecimal() else 1
