"""From snippets that were found to what is quoted: neighbours become one, and short ones grow."""

from collections.abc import Sequence

import numpy as np
from icu4py.breakers import SentenceBreaker
from numpy.typing import NDArray

from .index import SourceFile
from .snippets import Snippet
from .union import Union

# So many snippets are looked at beyond those that are quoted, for neighbours of these; so many
# become one excerpt.
MORE, _LONGEST = 7, 3


def joined(ranked: Sequence[int], follows: NDArray[np.bool_], limit: int) -> list[list[int]]:
    """The numbers of the snippets of each of the ``limit`` best excerpts, in ascending order.

    ``ranked`` are snippets, best first; ``follows`` is `Union.follows`.
    """
    excerpts: list[list[int]] = []
    for number in ranked:
        for excerpt in excerpts:
            if len(excerpt) < _LONGEST:
                if number == excerpt[-1] + 1 and follows[number]:
                    excerpt.append(number)
                    break
                if number == excerpt[0] - 1 and follows[excerpt[0]]:
                    excerpt.insert(0, number)
                    break
        else:
            if len(excerpts) < limit:
                excerpts.append([number])
    return excerpts


def excerpt(whole: Union, numbers: Sequence[int], size: int) -> tuple[int, SourceFile, Snippet]:
    """Which index some neighbouring snippets are in, their file, and themselves as one.

    It begins with the headings above it. If it is shorter than ``size`` characters, the
    sentences before it, on the same page, and those after it are added.
    """
    source, file, first = whole.stored(numbers[0])
    pieces = [first, *(whole.stored(number)[2] for number in numbers[1:])]
    last = pieces[-1]
    text = first.text + "".join(piece.gap + piece.text for piece in pieces[1:])
    before: list[str] = []
    after: list[str] = []
    if len(text) < size:
        if whole.follows[numbers[0]]:
            piece = whole.stored(numbers[0] - 1)[2]
            if piece.page == first.page:
                before = _sentences(piece.text + first.gap)
        if whole.follows[numbers[-1] + 1]:
            piece = whole.stored(numbers[-1] + 1)[2]
            after = _sentences(piece.gap + piece.text)
    head, tail = _around(before, after, size - len(text))
    tail = tail.rstrip()
    excerpt = Snippet(
        text=_heading(first.headings, head or first.text) + head + text + tail,
        headings=first.headings,
        page=first.page,
        first_line=first.first_line and first.first_line - head.count("\n"),
        last_line=last.last_line and last.last_line + tail.count("\n"),
    )
    return source, file, excerpt


def _around(before: list[str], after: list[str], room: int) -> tuple[str, str]:
    """So many of the last sentences ``before`` and the first ``after`` as there is room for."""
    head = tail = ""
    while before or after:
        if after:
            sentence = after.pop(0)
            if len(sentence.rstrip()) <= room:
                tail += sentence
                room -= len(sentence)
            else:
                after.clear()
        if before:
            sentence = before.pop()
            if len(sentence) <= room:
                head = sentence + head
                room -= len(sentence)
            else:
                before.clear()
    return head, tail


def _sentences(text: str) -> list[str]:
    return list(SentenceBreaker(text, "en"))


def _heading(headings: str, text: str) -> str:
    """The line with ``headings`` for an excerpt; without the last if ``text`` begins with that."""
    line = text.partition("\n")[0].strip("# ")
    above = headings.removesuffix(line).removesuffix(" > ") if line else headings
    return f"{above}\n" if above else ""
