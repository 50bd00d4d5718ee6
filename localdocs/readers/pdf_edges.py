"""Separates headers, footers and small print from the running text of a PDF."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from .pdf_layout import Line, height, line_text

_EDGE = 8  # lines at the top and at the bottom of a page that others may repeat
_ENOUGH = 3  # pages with the same line; in a shorter document all, but at least two
# "7", "- 7 -", "Page 7", "7/12", "Seite 7 von 12", but not "Lesson 7"
_COUNTER = regex.compile(
    r"\W*(?:(?:p|page|s|seite|página|pagina|str|strona|стр|страница|σελίδα|sayfa|trang|sida|side)"
    r"\.? )?(\d{1,4})\W*|(?:\p{L}+\.? )?(\d{1,4})(?: \p{L}+ | ?[/|] ?)\d{1,4}",
    regex.IGNORECASE,
)
_ROMAN = regex.compile(r"\W*[ivxlc]{1,6}\W*", regex.IGNORECASE)

_Key = tuple[str | float, ...]


@dataclass
class PageLines:
    """The running text of a page, and the lines above and below it."""

    body: list[Line]
    head: list[Line] = field(default_factory=list)
    foot: list[Line] = field(default_factory=list)


def without_repeated(pages: Sequence[list[Line]]) -> list[PageLines]:
    """Separates the lines at the edges of ``pages`` from the running text.

    Lines that several pages repeat stay in the first of them only. Page numbers are left out.
    Small print, such as footnotes, counts as head or foot.
    """
    counts = Counter[_Key]()
    for number, lines in enumerate(pages):
        by_height = _from_top(lines)
        edges = by_height[:_EDGE] + by_height[-_EDGE:]
        counts.update({_key(line, number) for line in edges})
    enough = max(2, min(_ENOUGH, len(pages)))
    repeated = {key for key, count in counts.items() if count >= enough}
    seen: set[_Key] = set()
    parts = [_split(lines, number, repeated, seen) for number, lines in enumerate(pages)]
    for part in parts:
        _set_small_print_apart(part)
    return parts


def _split(lines: list[Line], number: int, repeated: set[_Key], seen: set[_Key]) -> PageLines:
    """Separates the ``repeated`` lines at the edges, without those ``seen`` on other pages."""
    by_height = _from_top(lines)
    page, edges = PageLines([]), set[int]()
    for edge, ordered in (
        (page.head, by_height[:_EDGE]),
        (page.foot, by_height[: -_EDGE - 1 : -1]),
    ):
        for line in ordered:
            key = _key(line, number)
            if key not in repeated:
                break
            edges.add(id(line))
            if key not in seen and any(isinstance(part, str) for part in key):
                edge.append(line)
            seen.add(key)
    page.foot.reverse()
    page.body = [line for line in lines if id(line) not in edges]
    return page


def _from_top(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: -max(piece.top for piece in line))


def _key(line: Line, number: int) -> _Key:
    """What is the same for ``line`` on all pages: its texts, and offsets from the page number."""
    return tuple(_part(piece.text, number) for piece in line)


def _part(text: str, number: int) -> str | float:
    if counter := _COUNTER.fullmatch(text):
        return int(counter[1] or counter[2]) - number
    return 0.5 if _ROMAN.fullmatch(text) else text


def _set_small_print_apart(page: PageLines) -> None:
    """Moves small print out of the body, because it would interrupt a sentence."""
    heights = Counter[int]()
    for line in page.body:
        heights[round(height(line))] += len(line_text(line))
    usual = heights.most_common(1)[0][0] if heights else 0
    body = page.body

    def is_small(line: Line) -> bool:
        return height(line) < 0.93 * usual - 0.5

    start = next((i for i, line in enumerate(body) if not is_small(line)), 0)
    end = next((i for i in range(len(body), start, -1) if not is_small(body[i - 1])), len(body))
    page.head, page.foot = page.head + body[:start], body[end:] + page.foot
    page.body = body[start:end]
