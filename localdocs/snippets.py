"""Cuts documents into snippets that fit into a prompt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from semantic_text_splitter import MarkdownSplitter, TextSplitter

# Characters. The splitter's time grows with the square of a paragraph's length.
_PORTION = 50_000
_LONGEST_HEADING = 200  # each snippet has a copy of the headings above it


@dataclass(frozen=True)
class Page:
    """A part of a document: its text, and its number if the format has pages.

    ``headings`` are above all of it, outermost first.
    """

    text: str
    number: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """What a reader makes of a file.

    ``date`` is the document's own date, ``YYYY-MM-DD`` or empty. ``tags`` are more words to find it
    by. ``markdown`` says that ``#`` begins a heading, and ``lines`` that the text's lines are the
    file's lines.
    """

    pages: tuple[Page, ...]
    title: str = ""
    author: str = ""
    date: str = ""
    tags: str = ""
    markdown: bool = False
    lines: bool = True


@dataclass(frozen=True)
class Snippet:
    """A piece of a document.

    ``headings`` are those above it, outermost first. ``page``, ``first_line`` and
    ``last_line`` count from 1, or are None if the format has none. ``gap`` is the text between
    the previous snippet and this one.
    """

    text: str
    headings: str
    page: int | None
    first_line: int | None
    last_line: int | None
    gap: str = "\n\n"


def snippets(document: Document, size: int) -> Iterator[Snippet]:
    """Cuts ``document`` into snippets of at most ``size`` characters.

    Cuts are at headings and paragraphs if possible, else between sentences, else between words.
    """
    splitter = MarkdownSplitter(size) if document.markdown else TextSplitter(size)
    for page in document.pages:
        headings = _Headings(page.headings, page.text if document.markdown else "")
        position, line, end = 0, 1, 0
        for start, text in _chunks(splitter, page.text):
            line += page.text.count("\n", position, start)
            position, gap, end = start, page.text[end:start], start + len(text)
            yield Snippet(
                text=text,
                headings=headings.above(line),
                page=page.number,
                first_line=line if document.lines else None,
                last_line=line + text.count("\n") if document.lines else None,
                gap=gap or "\n\n",
            )


def bounded(text: str, length: int) -> str:
    """``text`` on one line, cut after a word if it has more than ``length`` characters."""
    line = " ".join(text[: 2 * length].split())
    if len(line) <= length and len(text) <= 2 * length:
        return line
    return f"{line[:length].rpartition(' ')[0] or line[: length - 1]}…"


def _chunks(splitter: TextSplitter | MarkdownSplitter, text: str) -> Iterator[tuple[int, str]]:
    """The snippets of ``text``, each with its position."""
    start = 0
    while start < len(text):
        end = start + _PORTION
        if end < len(text):
            borders = (text.rfind(border, start, end) for border in ("\n\n", "\n", " "))
            end = next((border for border in borders if border > start), end)
        for place, piece in splitter.chunk_indices(text[start:end]):
            yield start + place, piece
        start = end


class _Headings:
    """The headings of a Markdown text, to be asked for lines in ascending order."""

    def __init__(self, outer: Sequence[str], text: str) -> None:
        self._path = [(0, bounded(title, _LONGEST_HEADING)) for title in outer]
        parser = MarkdownIt()
        parser.core.ruler.enableOnly(["normalize", "block"])  # twice as fast as with inline markup
        tokens = parser.parse(text)
        self._coming = [
            (opening.map[0] + 1, int(opening.tag[1:]), bounded(inline.content, _LONGEST_HEADING))
            for opening, inline in pairwise(tokens)
            if opening.type == "heading_open" and opening.map is not None
        ]
        self._coming.reverse()

    def above(self, line: int) -> str:
        """The headings above ``line``, outermost first."""
        while self._coming and self._coming[-1][0] <= line:
            _, level, title = self._coming.pop()
            self._path = [(other, t) for other, t in self._path if other < level]
            self._path.append((level, title))
        return " > ".join(title for _, title in self._path)
