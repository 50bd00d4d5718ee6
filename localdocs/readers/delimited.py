"""Tables whose cells are separated by a character, such as CSV."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from ..snippets import Document, Page
from .encodings import decoded
from .tables import header, named_row

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 100  # rows
_LONGEST_ROW = 200  # lines; a longer row begins with a quotation mark that is never closed


def delimited(path: Path) -> Document:
    """Reads each row as a line with its column names, on the line number where the row begins.

    Text that is not a table is read as it is.
    """
    text = decoded(path.read_bytes())
    csv.field_size_limit(len(text) + 1)
    first, _, rest = text.partition("\n")
    if first.startswith("sep=") and len(first) == 5:  # Excel's
        delimiter, rest = first[4], f"\n{rest}"
    else:
        delimiter, rest = _delimiter(text), text
    if not delimiter:
        return Document((Page(text),))
    lines = _lines(rest, delimiter, csv.QUOTE_MINIMAL) or _lines(rest, delimiter, csv.QUOTE_NONE)
    return Document((Page("\n".join(lines)),))


def _delimiter(text: str) -> str:
    """The character that makes the most regular rows, or an empty string."""
    best, delimiter = 0.0, ""
    for candidate in _DELIMITERS:
        rows = islice(_rows(text, candidate, csv.QUOTE_MINIMAL), _SAMPLE)
        widths = [len(row) for row, _ in rows if row]
        if len(widths) < 2:
            continue
        width, count = Counter(widths).most_common(1)[0]
        divided = sum(width > 1 for width in widths) / len(widths)
        regular = count / len(widths) if width > 1 else 0.0
        # Some programs leave out empty cells at the end of a row.
        is_table = regular >= 0.5 or (divided >= 0.9 and max(widths) == widths[0])
        if is_table and regular + divided > best:
            best, delimiter = regular + divided, candidate
    return delimiter


def _lines(text: str, delimiter: str, quoting: Literal[0, 3]) -> list[str]:
    """The lines; none if a row is so long that a quotation mark must be a stray one."""
    rows = _rows(text, delimiter, quoting)
    first = list(islice(rows, _SAMPLE))
    place, names = header([row for row, _ in first], usual=True)
    lines: list[str] = []
    for number, (row, end) in enumerate(chain(first, rows)):
        if end - len(lines) > _LONGEST_ROW:
            return []
        lines.append("" if number == place else named_row(names if number > place else (), row))
        lines += [""] * (end - len(lines))
    return lines


def _rows(text: str, delimiter: str, quoting: Literal[0, 3]) -> Iterator[tuple[list[str], int]]:
    """Each row with the number of the line where it ends."""
    reader = csv.reader(
        io.StringIO(text), delimiter=delimiter, quoting=quoting, skipinitialspace=True
    )
    for row in reader:
        yield row, reader.line_num
