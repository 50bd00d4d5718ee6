"""From a question to the snippets that fit it best: BM25F over all of some indexes."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .analysis import content_terms, is_pair, normalized, quoted, terms
from .index import Floats, Ids, Snapshot, SourceFile
from .snippets import Snippet

# Tuned on Cranfield (benchmarks/retrieval.py).
_K1 = 2.0
# Another form of a word, or a compound with it, counts as a quarter of the word itself, and a
# word that says nothing of what the question is about as a tenth of its information.
_RELATED_WEIGHT, _STOP_WEIGHT = 0.25, 0.1
# A snippet relates to a question if it has more than half of its content, or a smaller share of
# one that asks for more.
_COVERAGE, _COVERAGE_OF_MANY, _MANY = 0.51, 0.3, 3
_LEAST_SIZE = 1000
# Characters. Of a longer question, which is a pasted text with a question before or after it, the
# beginning and the end count.
_LONGEST_QUESTION = 2000
# So many quoted phrases count, and of the snippets with all words of one, so many are read to see
# whether it is there.
_PHRASES, _PHRASE_CANDIDATES = 8, 200


@dataclass(frozen=True)
class Hit:
    """A snippet that was found, in the ``source``-th of the indexes.

    ``score`` is BM25F's. ``matched`` is the number of the question's terms in it, stop words not
    counted, and ``coverage``, 0 to 1, their share of what the question asks for. ``quoted`` says
    that a phrase is in it that stands in quotation marks.
    """

    source: int
    file: SourceFile
    snippet: Snippet
    score: float
    matched: int
    coverage: float
    quoted: bool

    @property
    def relates(self) -> bool:
        """Whether the snippet has to do with the question at all; see docs/localdocs.md."""
        enough = _COVERAGE_OF_MANY if self.matched >= _MANY else _COVERAGE
        return self.quoted or self.coverage >= enough


def search(snapshots: Sequence[Snapshot], question: str, limit: int) -> list[Hit]:
    """The ``limit`` snippets that fit ``question`` best, best first.

    Those with a phrase of the question that stands in quotation marks go first. How rare a term
    is counts over all indexes together. Raises `DamagedIndex`.
    """
    if len(question) > _LONGEST_QUESTION:
        half = _LONGEST_QUESTION // 2
        question = f"{question[:half]}\n{question[-half:]}"
    whole = _Whole(snapshots)
    scores = np.zeros(whole.size, np.float32)
    content = content_terms(question)
    asked = _Asked()
    for term in {*terms(question)}:
        ids, frequencies = whole.frequencies(term)
        idf = _idf(whole.size, len(ids))
        weight = 1.0 if term in content else _STOP_WEIGHT
        scores[ids] += weight * idf * frequencies * (_K1 + 1) / (frequencies + _K1)
        if term in content:
            # In a small collection a word does not say less for being in many of its snippets, and
            # one that is nowhere says no more than one that is in a single place.
            asked.add(term, ids, _idf(max(whole.size, _LEAST_SIZE), len(ids) or 1))
    scores[whole.deleted] = 0
    asked_for = quoted(question)[:_PHRASES]
    phrases = {n for phrase in asked_for for n in _with_phrase(whole, phrase, scores)}
    scores[list(phrases)] += scores.max(initial=0)
    return [
        Hit(
            *whole.stored(number),
            score=float(scores[number]),
            matched=asked.matched(number),
            coverage=asked.coverage(number),
            quoted=number in phrases,
        )
        for number in _best(scores, limit)
    ]


class _Whole:
    """Several indexes as one, whose snippets are numbered through."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots
        self._starts = [0, *accumulate(snapshot.size for snapshot in snapshots)]
        self.size = self._starts.pop()
        self.deleted = np.concatenate(
            [np.empty(0, np.uint32), *(s.deleted + start for s, start in self._placed())]
        )

    def frequencies(self, term: str) -> tuple[Ids, Floats]:
        """The sorted ids of the snippets with a term or related ones, and how often they are there.

        How frequencies are counted is said in `index`.
        """
        ids, frequencies = self.postings({term: 1.0})
        related = {word for s in self._snapshots for word in s.related(term)}
        if not related and not len(ids):
            related = {word for s in self._snapshots for word in s.parts(term)}
        if not related:
            return ids, frequencies
        return self.postings({term: 1.0, **dict.fromkeys(related, _RELATED_WEIGHT)})

    def postings(self, wanted: Mapping[str, float]) -> tuple[Ids, Floats]:
        """The sorted ids of the snippets with one of the terms, and the sum of its frequencies.

        ``wanted`` says by what each term's are multiplied.
        """
        all_ids: list[Ids] = [np.empty(0, np.uint32)]
        all_frequencies: list[Floats] = [np.empty(0, np.float32)]
        for snapshot, start in self._placed():
            for term, factor in wanted.items():
                for ids, frequencies in snapshot.postings(term):
                    all_ids.append(ids + start)
                    all_frequencies.append(frequencies * np.float32(factor))
        ids, frequencies = np.concatenate(all_ids), np.concatenate(all_frequencies)
        if len(wanted) > 1:
            ids, places = np.unique(ids, return_inverse=True)
            frequencies = np.bincount(places, frequencies, len(ids)).astype(np.float32)
        return ids, frequencies

    def stored(self, number: int) -> tuple[int, SourceFile, Snippet]:
        """Which index a snippet is in, its file, and itself."""
        place = bisect_right(self._starts, number) - 1
        return place, *self._snapshots[place].stored(number - self._starts[place])

    def _placed(self) -> list[tuple[Snapshot, np.uint32]]:
        return [
            (s, np.uint32(start)) for s, start in zip(self._snapshots, self._starts, strict=True)
        ]


class _Asked:
    """What a question asks for, and how much of it is in a snippet."""

    def __init__(self) -> None:
        self._found: list[tuple[Ids, float]] = []
        self._all = 0.0

    def add(self, term: str, ids: Ids, information: float) -> None:
        """One of the question's terms, which is in the snippets ``ids``."""
        # A pair of characters is half of the neighbouring pairs too, of which those across the
        # border of two words are never found.
        self._found.append((ids, information * (2 if is_pair(term) else 1)))
        self._all += information

    def matched(self, number: int) -> int:
        return sum(_in(ids, number) for ids, _ in self._found)

    def coverage(self, number: int) -> float:
        covered = sum(information for ids, information in self._found if _in(ids, number))
        return min(1.0, covered / self._all) if covered else 0.0


def _with_phrase(whole: _Whole, phrase: str, scores: Floats) -> list[int]:
    """The ids of the snippets in which ``phrase`` stands word by word."""
    counts = np.zeros(whole.size, np.uint16)
    words = set(terms(phrase))
    for term in words:
        counts[whole.postings({term: 1.0})[0]] += 1
    candidates = np.flatnonzero((counts == len(words)) & (scores > 0))
    candidates = candidates[np.argsort(-scores[candidates])][:_PHRASE_CANDIDATES]
    texts = ((int(number), whole.stored(int(number))[2].text) for number in candidates)
    return [number for number, text in texts if phrase in normalized(text)]


def _idf(size: int, count: int) -> float:
    """How much a term says that is in ``count`` of ``size`` snippets."""
    return math.log(1 + (size - count + 0.5) / (count + 0.5))


def _best(scores: Floats, limit: int) -> list[int]:
    """The places of the ``limit`` highest positive scores, highest first; of equals, the first."""
    places: NDArray[np.intp] = np.flatnonzero(scores > 0)
    if len(places) > limit:
        lowest = np.partition(scores[places], -limit)[-limit]
        places = places[scores[places] >= lowest]
    order = np.argsort(-scores[places], kind="stable")
    return [int(place) for place in places[order][:limit]]


def _in(ids: Ids, number: int) -> bool:
    place = int(np.searchsorted(ids, number))
    return place < len(ids) and int(ids[place]) == number
