"""Makes excerpts from the snippets that were found: joins neighbours and extends short ones."""

from collections.abc import Sequence

import numpy as np
from icu4py.breakers import SentenceBreaker
from numpy.typing import NDArray

from .index import SourceFile
from .snippets import Snippet
from .union import Union

# How many snippets beyond those that are quoted may be joined to them as neighbours, and how many
# make the longest excerpt.
MORE, _LONGEST = 7, 3


def joined(ranked: Sequence[int], follows: NDArray[np.bool_], limit: int) -> list[list[int]]:
    """The snippet numbers of each of the ``limit`` best excerpts, in ascending order.

    ``ranked`` are the snippets, best first. ``follows`` is `Union.follows`.
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
    """Joins neighbouring snippets; returns the number of their index, their file, and the excerpt.

    The excerpt begins with the headings above it. If it is shorter than ``size`` characters, it
    also gets the sentences after it, and those before it on the same page.
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
    """As many of the last sentences ``before`` and the first ones ``after`` as fit."""
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
    """The line of ``headings``, without the last one if ``text`` begins with it."""
    line = text.partition("\n")[0].strip("# ")
    above = headings.removesuffix(line).removesuffix(" > ") if line else headings
    return f"{above}\n" if above else ""
