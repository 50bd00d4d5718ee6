"""The tables of HTML, row by row with the names of the columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

_LONGEST_CELL = 400  # characters; what is longer is no cell of a table, but a part of a layout
_MOST_SPANNED = 30  # rows and columns, for a cell may say millions


@dataclass
class Block:
    """A paragraph or the like. ``tight`` ones have no empty line before them."""

    text: str
    tight: bool = False
    plain: bool = True

    @staticmethod
    def joined(blocks: Sequence["Block"]) -> str:
        """The text of ``blocks``, one below the other."""
        parts = [("\n" if block.tight else "\n\n") + block.text for block in blocks]
        return "".join(parts).lstrip("\n")


@dataclass
class _Cell:
    is_head: bool
    columns: int
    rows: int
    blocks: list[Block] = field(default_factory=list)

    def text(self) -> str:
        return " ".join(block.text.replace("\n", " ") for block in self.blocks)

    def is_plain(self) -> bool:
        """Whether it can be shown in one line with others."""
        return (
            all(block.plain for block in self.blocks)
            and sum(len(block.text) for block in self.blocks) <= _LONGEST_CELL
        )


_Placed = tuple[int, _Cell, str]  # the column of a cell, itself, and its text


class Table:
    """A table, as it is read."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}  # by column
        self._head: list[Block] = []  # the rows of names, if nothing comes below them
        self._spanning: dict[int, tuple[int, _Cell, str]] = {}  # by column, with the rows to come
        self._cells: list[_Cell] = []
        self._rows = 0

    def start_row(self) -> None:
        """The start of a row."""
        self._cells = []

    def start_cell(self, is_head: bool, attributes: Mapping[str, str]) -> list[Block]:
        """The start of a cell. Returns the list for its blocks."""
        columns, rows = (_span(attributes.get(name, "")) for name in ("colspan", "rowspan"))
        self._cells.append(_Cell(is_head, columns, rows))
        return self._cells[-1].blocks

    def end_row(self) -> list[Block]:
        """The end of a row. Returns what is shown of it."""
        cells, self._cells = self._cells, []
        if not all(cell.is_plain() for cell in cells):
            return [block for cell in cells for block in cell.blocks]
        placed = [cell for cell in self._placed(cells) if cell[2]]
        if not placed:
            return []
        is_head = all(cell.is_head for _, cell, _ in placed)
        if is_head and not self._rows and len(cells) > 1:
            self._name_columns(placed)
            return []
        self._rows += 1
        return [self._row(placed)]

    def end(self) -> list[Block]:
        """The end of the table. Returns what was not shown of it."""
        blocks = self.end_row()  # of cells in no row
        return blocks if self._rows else self._head + blocks

    def _placed(self, cells: Sequence[_Cell]) -> list[_Placed]:
        """The column and the text of each cell in a row, those of rows above that span it too."""
        above, self._spanning = self._spanning, {}
        placed, column = [], 0
        for cell in cells:
            while column in above:
                column += 1
            placed.append((column, cell, cell.text()))
            if cell.rows > 1:
                for place in range(column, column + cell.columns):
                    text = cell.text() if place == column else ""
                    self._spanning[place] = (cell.rows - 1, cell, text)
            column += cell.columns
        for place, (rows, cell, text) in above.items():
            placed.append((place, cell, text))
            if rows > 1:
                self._spanning[place] = (rows - 1, cell, text)
        return sorted(placed, key=itemgetter(0))

    def _name_columns(self, placed: Sequence[_Placed]) -> None:
        for column, cell, text in placed:
            for place in range(column, column + cell.columns):
                if text != self._names.get(place):  # of a cell over several rows
                    self._names[place] = f"{self._names.get(place, '')} {text}".lstrip()
        self._head.append(Block(" | ".join(text for _, _, text in placed), tight=bool(self._head)))

    def _row(self, placed: Sequence[_Placed]) -> Block:
        """A row, with the name of its column before each cell, or with that of the row."""
        texts = [
            f"{self._names[column]}: {text}" if column in self._names else text
            for column, _, text in placed
        ]
        line = " | ".join(texts)
        if len(texts) > 1 and not self._names and placed[0][1].is_head:
            line = f"{texts[0]}: {' | '.join(texts[1:])}"
        return Block(line, tight=self._rows > 1, plain=len(placed) == 1)


def _span(text: str) -> int:
    return min(int(text), _MOST_SPANNED) if text.isdecimal() and len(text) < 10 and int(text) else 1
