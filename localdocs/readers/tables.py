"""Turns the rows of a table into lines that make sense alone: ``name: value; name: value``."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

# The number of rows that decide whether there is a header, and of those that can be it.
_SEEN, _PREAMBLE = 100, 10
# Characters. A table with a longer cell only lays out the page.
LONGEST_CELL = 500
_LONGEST_NAME, _LONGEST_HEADER = 60, 200  # characters
_UNIFORM = 0.8  # the share of a column's values that are of one kind
_NOTHING = {"", "-", "–", "n/a", "na", "nan", "null", "none", "?"}  # noqa: RUF001
_NUMBER = re.compile(
    r"[(+-]?\s?[€$£¥]?\s?-?\d[\d.,'\u00a0\u202f ]*(e[+-]?\d+)?\s?(%|€|[A-Z]{3})?\)?"
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?\.?([T ]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?"
)
_YEAR = re.compile(r"(19|20)\d\d")
_CODE = re.compile(r"\S*(\d|\w@\w|://)\S*")
_KINDS = {"year": _YEAR, "date": _DATE, "number": _NUMBER, "code": _CODE}


def named_rows(rows: Iterable[Sequence[str]], has_header: bool = False) -> Iterator[str]:
    """Returns each row below the header as a line, ``name: value; name: value``.

    Without a header, a line has the values alone. Empty rows are left out. ``has_header`` says
    that the first row is the header if others follow; otherwise the rows are examined.
    """
    rows = iter(rows)
    first = list(islice(rows, _SEEN))
    if has_header and len(first) > 1:
        place, names = 0, [_name(cell) for cell in first[0]]
    else:
        place, names = header(first)
    for number, row in enumerate(chain(first, rows)):
        if number != place and (line := named_row(names if number > place else (), row)):
            yield line


def header(first: Sequence[Sequence[str]], usual: bool = False) -> tuple[int, list[str]]:
    """Returns the place of the header among the ``first`` rows of a table, and the column names.

    Returns -1 and no names if there is no header. A few shorter rows, such as a title, may be
    above it. ``usual`` says that tables of this kind mostly have one.
    """
    table = [[" ".join(cell.split()) for cell in row] for row in first]
    filled = [sum(map(bool, row)) for row in table]
    width = Counter(filter(None, filled)).most_common(1)[0][0] if any(filled) else 0
    place = next((n for n, count in enumerate(filled[:_PREAMBLE]) if 2 * count > width), -1)
    if place < 0 or not _is_header(table[place], table[place + 1 :], usual):
        return -1, []
    return place, [_name(cell) for cell in table[place]]


def named_row(names: Sequence[str], row: Sequence[str]) -> str:
    """Returns a row as one line. A value whose column has no name stands alone."""
    cells = []
    for place, cell in enumerate(row):
        if value := " ".join(cell.split()):
            name = names[place] if place < len(names) else ""
            cells.append(f"{name}: {value}" if name else value)
    return "; ".join(cells)


def _is_header(cells: list[str], rows: list[list[str]], usual: bool) -> bool:
    """Whether ``cells`` name the values below them, in ``rows``."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    # The corner of a table with names at the top and on the left is empty.
    if not all(cells[1:]) or not any(cells) or len({*map(str.casefold, cells)}) < len(cells):
        return False
    if max(map(len, cells)) > _LONGEST_HEADER:
        return False
    rows = [row for row in rows if row[: len(cells)] != cells]
    columns = [
        [row[n] for row in rows if n < len(row) and row[n].lower() not in _NOTHING]
        for n in range(len(cells))
    ]
    if any(cell in column for cell, column in zip(cells, columns, strict=True)):
        return False
    kinds = [
        (_kind(cell), _common_kind(column)) for cell, column in zip(cells, columns, strict=True)
    ]
    if any(name != "text" and below in {name, ""} for name, below in kinds):
        return False
    # Two columns of words may just as well be names on the left and values on the right.
    return (
        any(below not in {"text", "", name} for name, below in kinds)
        or ((usual or len(cells) > 2) and any(columns))
        or any(len({*column}) < len(column) for column in columns)
        or _in_other_case(cells, [value for column in columns for value in column])
    )


def _kind(cell: str) -> str:
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(cell[:80])), "text")


def _common_kind(column: list[str]) -> str:
    """The kind of nearly all values, or an empty string."""
    if not column:
        return ""
    kind, count = Counter(map(_kind, column)).most_common(1)[0]
    return kind if count >= _UNIFORM * len(column) else ""


def _in_other_case(cells: list[str], values: list[str]) -> bool:
    """Whether all cells are in lower case, or all in upper case, and most values are not."""
    return any(
        all(map(same, filter(None, cells))) and 2 * sum(map(same, values)) < len(values)
        for same in (str.islower, str.isupper)
    )


def _name(cell: str) -> str:
    name = cell.rstrip(": ")
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME].rsplit(' ', 1)[0]}…"
