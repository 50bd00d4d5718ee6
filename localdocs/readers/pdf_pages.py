"""Turns the lines of a PDF into paragraphs and whole sentences."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import regex

from .cleaning import vocabulary, whole_words
from .pdf_edges import without_repeated
from .pdf_layout import UNSPACED, Line, height, line_text

_LEADERS = regex.compile(r"(?: ?[.·…]){5,}")
_SENTENCE_END = regex.compile(
    rf"[.!?\u3002\uff01\uff1f؟।…:][\p{{Pe}}\p{{Pf}}\"']*(?=\s|$|[{UNSPACED}])"
)
_NO_SPACE = regex.compile(rf"[{UNSPACED}\u3001\uff0c]\n[{UNSPACED}]")
_BEGINNING = regex.compile(r"(?!\w{1,3}[.)]\s)[\p{L}\p{N}\p{Ps}\p{Pi}\"']")  # not of a list's item
_LEAST_FULL, _LEAST_GOING_ON = 30, 20  # characters of a line
_LONGEST_REST = 600  # characters of a sentence on its second page


def page_texts(pages: Sequence[list[Line]]) -> list[str]:
    """Returns the text of each of ``pages``.

    Lines repeated at the edges of pages are only in the first of them. Page numbers are left
    out. Divided words are joined. A sentence is on the page where it begins.
    """
    parts = without_repeated(pages)
    words = vocabulary(["\n".join(line_text(line) for part in parts for line in part.body)])
    heads = _Flow([part.head for part in parts], words)
    bodies = _Flow([part.body for part in parts], words)
    feet = _Flow([part.foot for part in parts], words)
    bodies.move_rests()
    return [
        "\n".join(
            _LEADERS.sub(" …", paragraph)
            for flow in (heads, bodies, feet)
            for paragraph in flow.of(number)
        )
        for number in range(len(pages))
    ]


class _Flow:
    """A text over several pages, whose divided words are joined with the help of ``words``."""

    def __init__(self, pages: Sequence[list[Line]], words: set[str]) -> None:
        self._lines = [line for page in pages for line in page]
        text = "\n".join(map(line_text, self._lines))
        self._texts = whole_words(text, words, certain=True).split("\n")
        ends = list(accumulate(map(len, pages)))
        self._places = [range(end - len(page), end) for end, page in zip(ends, pages, strict=True)]

    def of(self, number: int) -> Iterator[str]:
        """The paragraphs of a page, as far as its lines let them be recognised."""
        paragraph = ""
        for place in self._places[number]:
            paragraph = _glued(paragraph, self._texts[place])
            if place + 1 not in self._places[number] or not self._goes_on(place):
                if paragraph:
                    yield paragraph
                paragraph = ""

    def move_rests(self) -> None:
        """Moves the rest of each sentence to the page where it begins."""
        for page, following in pairwise(places for places in self._places if places):
            self._move_rest(page, following)

    def _move_rest(self, page: range, following: range) -> None:
        last, places = page[-1], []
        if not self._goes_on(last, over_pages=True):
            return
        rest = ""
        for place in following:
            places.append(place)
            text = self._texts[place]
            end = _SENTENCE_END.search(text)
            rest = _glued(rest, text[: end.end()] if end else text)
            if len(rest) > _LONGEST_REST:
                return
            if end or place == following[-1] or not self._goes_on(place):
                self._texts[place] = text[end.end() :].lstrip() if end else ""
                break
        for place in places[:-1]:
            self._texts[place] = ""
        self._texts[last] = _glued(self._texts[last], rest)

    def _goes_on(self, place: int, over_pages: bool = False) -> bool:
        """Whether the line after ``place`` continues its sentence."""
        line, following = self._lines[place], self._lines[place + 1]
        if len(line) > 1 or len(following) > 1:  # cells of a table
            return False
        text, rest, size = line[0].text, following[0].text, height(line)
        if (
            _SENTENCE_END.search(text, max(0, len(text) - 5))
            or not _BEGINNING.match(rest)
            or abs(height(following) - size) > 0.2 * size
            or (not over_pages and abs(line[0].bottom - following[0].top) > size)
        ):
            return False
        if rest[0].islower() and (over_pages or len(text) >= _LEAST_GOING_ON):
            return text[-1].isalnum() or text[-1] in ",-\u2010"
        least = _LEAST_FULL / 2 if _NO_SPACE.search(f"{text[-1]}\n{rest[0]}") else _LEAST_FULL
        return len(text) >= least and self._is_full(place)

    def _is_full(self, place: int) -> bool:
        """Whether a line is about as wide as the widest one near it."""
        near = [line for line in self._lines[max(0, place - 2) : place + 3] if len(line) == 1]
        widths = sorted(line[0].right - line[0].left for line in near)
        own = self._lines[place][0].right - self._lines[place][0].left
        return own >= 0.88 * widths[-1] and widths[-2] >= 0.88 * widths[-1]


def _glued(one: str, other: str) -> str:
    if not one or not other or _NO_SPACE.search(f"{one[-1]}\n{other[0]}"):
        return one + other
    return f"{one} {other}"
