"""Puts the lines of a PDF page into reading order, column by column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

import pypdfium2
import pypdfium2.raw as pdfium
import regex

_GAP = 0.8  # between columns or cells at least, as a share of the height of a line
_LEAST_ROWS = 3  # of columns that are drawn row by row
_MOST_COLUMNS = 20
# Scripts that write words without spaces between them.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS = regex.compile(rf"[\p{{L}}--[{UNSPACED}]]{{2,}}", regex.V1)
_UNSPACED = regex.compile(f"[{UNSPACED}]")
_MARKER = regex.compile(r"[-*•‣▪◦·\u2013]|\w{1,3}[.)]")  # of an item in a list
_DIVISION = "\x02"  # pdfium's sign for a hyphen at the end of a line, and the line break


@dataclass(frozen=True)
class Piece:
    """A part of a line without a wide gap, with its box in points; y grows upwards."""

    text: str
    left: float
    right: float
    bottom: float
    top: float

    def is_beside(self, other: "Piece") -> bool:
        """Whether it is on the same line as ``other``, to the right of a gap after it."""
        height = other.top - other.bottom
        middle = (self.top + self.bottom) / 2
        return self.left - other.right > _GAP * height and other.bottom < middle < other.top


Line = list[Piece]
"""The pieces of a line, from left to right."""


def line_text(line: Line) -> str:
    """Returns the text of ``line`` with spaces between its pieces."""
    return " ".join(piece.text for piece in line)


def height(line: Line) -> float:
    """Returns the height of ``line`` in points."""
    return max(piece.top - piece.bottom for piece in line)


def lines(page: pypdfium2.PdfTextPage) -> list[Line]:
    """Returns the lines of ``page`` in reading order."""
    rows = enumerate(_drawn_lines(page))
    return list(_ordered([(number, piece) for number, row in rows for piece in row]))


def _drawn_lines(page: pypdfium2.PdfTextPage) -> Iterator[Line]:
    """The lines in the order in which the file draws them."""
    codes = [pdfium.FPDFText_GetUnicode(page, i) for i in range(page.count_chars())]
    # One per character. On Windows they are UTF-16, in which some characters take two.
    characters = "".join(map(chr, codes))
    for line in regex.finditer(rf"[^\r\n{_DIVISION}]+{_DIVISION}?", characters):
        words = [
            _piece(page, characters, line.start() + word.start(), line.start() + word.end())
            for word in regex.finditer(r"[^\s\0]+", line.group())
        ]
        pieces: Line = []
        for word in words:
            if pieces and (not word.is_beside(pieces[-1]) or _MARKER.fullmatch(pieces[-1].text)):
                pieces[-1] = _joined(pieces[-1], word)
            else:
                pieces.append(word)
        if pieces:
            yield pieces


def _piece(page: pypdfium2.PdfTextPage, characters: str, start: int, end: int) -> Piece:
    first, last = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(page, start, first)
    pdfium.FPDFText_GetLooseCharBox(page, end - 1, last)
    text = characters[start:end].replace(_DIVISION, "-")
    return Piece(text, first.left, last.right, first.bottom, first.top)


def _joined(one: Piece, other: Piece) -> Piece:
    return Piece(
        f"{one.text} {other.text}",
        min(one.left, other.left),
        max(one.right, other.right),
        min(one.bottom, other.bottom),
        max(one.top, other.top),
    )


_Placed = tuple[int, Piece]  # a piece and the number of its row


def _ordered(pieces: Sequence[_Placed]) -> Iterator[Line]:
    """The rows of ``pieces`` in their order, except that running text goes column by column."""
    start = done = 0
    while start < len(pieces) - 1:
        row = pieces[start][0]
        following = start + 1
        for place in range(start, min(start + _MOST_COLUMNS, len(pieces) - 1)):
            if pieces[place][0] != row:
                break
            left, right = _columns(pieces, place)
            following = max(following, place + 1, place + len(left) + len(right))
            if _is_running_text(left) and _is_running_text(right):
                yield from _rows(pieces[done:place])
                yield from _ordered(left)
                yield from _ordered(right)
                done = following = place + len(left) + len(right)
                break
        start = following
    yield from _rows(pieces[done:])


def _rows(pieces: Sequence[_Placed]) -> Iterator[Line]:
    for _, row in groupby(pieces, key=lambda placed: placed[0]):
        yield [piece for _, piece in row]


def _columns(pieces: Sequence[_Placed], start: int) -> tuple[list[_Placed], list[_Placed]]:
    """The pieces on both sides of the gap after the piece at ``start``, from there on.

    Both lists are empty if there is no gap.
    """
    first, second = pieces[start][1], pieces[start + 1][1]
    if not second.is_beside(first):
        return [], []
    border, edge = first.right, second.left
    left, right = [pieces[start]], [pieces[start + 1]]
    least = _GAP * (first.top - first.bottom)
    last_right = 0
    for place in range(start + 2, len(pieces)):
        piece = pieces[place][1]
        if max(border, piece.right) < edge - least / 2:
            border = max(border, piece.right)
            left.append(pieces[place])
        elif piece.left > border + least / 2:
            edge = min(edge, piece.left)
            right.append(pieces[place])
            last_right = len(left)
        else:
            break
    return _without_what_follows(left, last_right), right


def _without_what_follows(left: list[_Placed], rows: int) -> list[_Placed]:
    """Cuts ``left`` at the first vertical gap below the ``rows`` with others beside them."""
    for place in range(max(rows, 1), len(left)):
        above, below = left[place - 1][1], left[place][1]
        if above.bottom - below.top > 0.7 * (above.top - above.bottom):
            return left[:place]
    return left


def _is_running_text(column: Sequence[_Placed]) -> bool:
    """Whether sentences go on from line to line, unlike in the column of a table."""
    if len(column) < _LEAST_ROWS:
        return False
    texts = [piece.text for _, piece in column]
    # Six characters of scripts without spaces count as a word.
    words = [len(_WORDS.findall(text)) + len(_UNSPACED.findall(text)) / 6 for text in texts]
    continued = sum(not (text[0].isupper() or text[0].isdigit()) for text in texts)
    return median(words) >= 2.5 and continued >= 0.4 * len(texts)
