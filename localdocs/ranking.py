"""Finds the snippets that fit a question best, with BM25F over several indexes."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .analysis import Asked, asked, is_character, languages, normalized, quoted, stems, terms
from .excerpts import MORE, excerpt, joined
from .index import Floats, Snapshot, SourceFile
from .snippets import Snippet
from .union import Occurrences, Union

# Tuned on Cranfield (benchmarks/retrieval.py).
_K1 = 2.0
# A snippet relates to a question if it has at least this share of the question's information, and
# more than this amount, which is that of a word in one of 20 snippets. A form of a word counts at
# least _LEAST_FORM. In what is asked for, a word that is nowhere counts less, and a name that is
# nowhere counts more.
_LEAST_COVERAGE, _LEAST_EVIDENCE, _LEAST_FORM = 0.45, 3.0, 0.5
_ABSENT, _UNKNOWN = 0.3, 2.0
_LEAST_SIZE = 1000
# Characters. In a longer question, only the beginning and the end count: it is a pasted text with a
# question before or after it.
_LONGEST_QUESTION = 2000
# How many quoted phrases count, and how many snippets with all words of a phrase are read to see
# whether it is there.
_PHRASES, _PHRASE_CANDIDATES = 8, 200


@dataclass(frozen=True)
class Hit:
    """An excerpt that was found in index number ``source``.

    ``score`` is the BM25F score of its best snippet. ``relates`` says whether it has anything to do
    with the question; see docs/localdocs.md.
    """

    source: int
    file: SourceFile
    snippet: Snippet
    score: float
    relates: bool


def search(snapshots: Sequence[Snapshot], question: str, limit: int, size: int = 0) -> list[Hit]:
    """The ``limit`` excerpts that fit ``question`` best, best first.

    Excerpts that contain a phrase in the question's quotation marks go first. How rare a term is
    depends on all indexes together. An excerpt is one snippet, or several consecutive ones. If it
    is shorter than ``size`` characters, it also gets the sentences around it. Raises
    `DamagedIndex`.
    """
    if len(question) > _LONGEST_QUESTION:
        half = _LONGEST_QUESTION // 2
        # Half a word may be another one, which may be the only one that tells a language.
        head = re.sub(r"\w{,64}\Z", "", question[:half])
        tail = re.sub(r"\A\w{,64}", "", question[-half:])
        question = f"{head}\n{tail}"
    whole = Union(snapshots)
    scores, has_some = np.zeros(whole.size, np.float32), np.zeros(whole.size, np.bool_)
    spoken = languages(question, whole.languages())
    wanted = asked(question, spoken)
    evidence = _Evidence()
    for words in _grouped(wanted):
        most = max((wanted[word] for word in words), key=lambda word: word.weight)
        found = whole.occurrences(words, spoken)
        evidence.add(most, words, found, _idf(max(whole.size, _LEAST_SIZE), found.snippets or 1))
        if most.weight == 1:
            has_some[found.ids] = True
            found = whole.with_neighbours(found)
        ids, frequencies, best, count = found
        # The best form limits what all forms together can count.
        weight = most.weight * _idf(whole.size, count) * (_K1 + 1)
        scores[ids] += weight * best * frequencies / (frequencies + _K1 * best)
    scores[whole.deleted] = 0
    if has_some.any():
        scores[~has_some] = 0  # neighbours alone are no reason to quote a snippet
    asked_for = quoted(question)[:_PHRASES]
    phrases = {n for phrase in asked_for for n in _with_phrase(whole, phrase, scores)}
    scores[list(phrases)] += scores.max(initial=0)
    return [
        Hit(
            *excerpt(whole, numbers, size),
            score=float(scores[numbers].max()),
            relates=evidence.relates(numbers) or not phrases.isdisjoint(numbers),
        )
        for numbers in joined(_best(scores, limit + MORE), whole.follows, limit)
    ]


def _grouped(words: Iterable[str]) -> list[list[str]]:
    """The different words, grouped by stem, because two forms in a question are one word."""
    groups: dict[str, list[str]] = {}
    words = list(words)
    for stem, word in zip(stems(words), words, strict=True):
        groups.setdefault(stem, []).append(word)
    return list(groups.values())


class _Evidence:
    """What a question asks for, and how much of it a snippet has."""

    def __init__(self) -> None:
        self._found: list[tuple[Occurrences, float]] = []
        self._all = 0.0

    def add(
        self, word: Asked, words: Sequence[str], found: Occurrences, information: float
    ) -> None:
        """Adds one of the question's words with its forms, and where they are."""
        information *= word.evidence
        # Each pair of characters overlaps the next one, and pairs across the border of two words
        # are never found.
        self._found.append((found, information * (2 if is_character(words[0]) else 1)))
        # The text may use another word for what is nowhere, but not another name.
        self._all += information * (1.0 if found.snippets else _UNKNOWN if word.name else _ABSENT)

    def relates(self, numbers: list[int]) -> bool:
        """Whether these snippets together have enough of it."""
        covered = sum(
            information * max(_LEAST_FORM, best)
            for found, information in self._found
            if information and (best := found.best(numbers))
        )
        return covered > _LEAST_EVIDENCE and covered >= _LEAST_COVERAGE * self._all


def _with_phrase(whole: Union, phrase: str, scores: Floats) -> list[int]:
    """The ids of the snippets that contain ``phrase`` word for word."""
    counts = np.zeros(whole.size, np.uint16)
    words = set(terms(phrase))
    for term in words:
        counts[whole.exactly(term)] += 1
    candidates = np.flatnonzero((counts == len(words)) & (scores > 0))
    candidates = candidates[np.argsort(-scores[candidates])][:_PHRASE_CANDIDATES]
    texts = ((int(number), whole.stored(int(number))[2].text) for number in candidates)
    return [number for number, text in texts if phrase in normalized(text)]


def _idf(size: int, count: float) -> float:
    """How much information a term has that is in ``count`` of ``size`` snippets."""
    return math.log(1 + (size - count + 0.5) / (count + 0.5))


def _best(scores: Floats, limit: int) -> list[int]:
    """The positions of the ``limit`` highest positive scores, highest first, ties in order."""
    places: NDArray[np.intp] = np.flatnonzero(scores > 0)
    if len(places) > limit:
        lowest = np.partition(scores[places], -limit)[-limit]
        places = places[scores[places] >= lowest]
    order = np.argsort(-scores[places], kind="stable")
    return [int(place) for place in places[order][:limit]]
