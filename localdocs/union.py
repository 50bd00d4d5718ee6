"""Searches several indexes as one, with consecutive snippet numbers."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from .index import Floats, Ids, Postings, Snapshot, SourceFile
from .lexicon import Lexicon
from .snippets import Snippet

_NO_IDS, _NO_FLOATS = np.empty(0, np.intp), np.empty(0, np.float32)
# How much a word counts that is only in the snippet before or after.
_NEIGHBOUR_WEIGHT = 0.3


class Occurrences(NamedTuple):
    """Where a word is: the sorted ``ids`` of the snippets.

    ``frequencies``, float32, say how often the word's forms are in each snippet, each form weighted
    by what it counts. ``weights``, float32, say what the best form in each counts. ``snippets`` is
    the number of snippets with any form, also weighted.
    """

    ids: Ids
    frequencies: Floats
    weights: Floats
    snippets: float

    def best(self, numbers: Sequence[int]) -> float:
        """What the best form in the snippets ``numbers`` counts, or 0 if there is none."""
        places = np.minimum(np.searchsorted(self.ids, numbers), len(self.ids) - 1)
        there = places[self.ids[places] == numbers] if len(self.ids) else places[:0]
        return float(self.weights[there].max(initial=0))


class Union:
    """Snapshots as one.

    Its snippets are numbered up to ``size``, including the ``deleted`` ones. ``follows``, bool
    [size + 1], says whether a snippet is in the same file and under the same headings as the one
    before.
    """

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots
        self._starts = [0, *accumulate(snapshot.size for snapshot in snapshots)]
        self.size = self._starts.pop()
        starts = zip(snapshots, self._starts, strict=True)
        self.deleted = np.concatenate([np.empty(0, np.intp), *(s.deleted + n for s, n in starts)])
        # One more entry, so that the last snippet also has one after it.
        self.follows = np.concatenate([*(s.follows for s in snapshots), np.zeros(1, np.bool_)])

    def languages(self) -> list[str]:
        """The languages here, most frequent first."""
        counts = Counter(language for s in self._snapshots for language in s.languages())
        return [language for language, _ in counts.most_common()]

    def occurrences(self, words: Sequence[str], spoken: Sequence[str]) -> Occurrences:
        """Where forms of ``words`` are. If there are none, where parts of them are, as compounds.

        ``spoken`` are the languages that the question may be in.
        """
        found = self._found(
            lambda lexicon: _strongest(lexicon.forms(word, spoken) for word in words)
        )
        if not found.snippets:
            return self._found(lambda lexicon: _strongest(map(lexicon.parts, words)))
        return found

    def exactly(self, term: str) -> Ids:
        """The ids of the snippets with exactly this term."""
        found = (some.ids for some in self._postings(lambda _: {term: 1.0}))
        return np.concatenate([_NO_IDS, *found])

    def with_neighbours(self, found: Occurrences) -> Occurrences:
        """``found``, with a share for the snippets before and after."""
        ids, frequencies, weights, count = found
        after, before = self.follows[ids + 1], self.follows[ids]
        shares = np.float32(_NEIGHBOUR_WEIGHT) * frequencies
        combined = self._combined(
            np.concatenate([ids[after] + 1, ids[before] - 1, ids]),
            np.concatenate([shares[after], shares[before], frequencies]),
            np.concatenate([weights[after], weights[before], weights]),
        )
        return Occurrences(*combined, count)

    def stored(self, number: int) -> tuple[int, SourceFile, Snippet]:
        """The number of a snippet's index, its file, and the snippet."""
        place = bisect_right(self._starts, number) - 1
        return place, *self._snapshots[place].stored(number - self._starts[place])

    def _found(self, wanted: Callable[[Lexicon], Mapping[str, float]]) -> Occurrences:
        found = sorted(self._postings(wanted), key=lambda some: some.weight)
        if not found:
            return Occurrences(_NO_IDS, _NO_FLOATS, _NO_FLOATS, 0.0)
        lengths = [len(some.ids) for some in found]
        weights = np.repeat(np.array([some.weight for some in found], np.float32), lengths)
        combined = self._combined(
            np.concatenate([some.ids for some in found]),
            np.concatenate([some.frequencies for some in found]) * weights,
            weights,
        )
        return Occurrences(*combined, min(max(float(weights.sum()), 1.0), self.size))

    def _postings(self, wanted: Callable[[Lexicon], Mapping[str, float]]) -> list[Postings]:
        starts = zip(self._snapshots, self._starts, strict=True)
        return [found for snapshot, start in starts for found in snapshot.postings(wanted, start)]

    def _combined(
        self, ids: Ids, frequencies: Floats, weights: Floats
    ) -> tuple[Ids, Floats, Floats]:
        """Each id once, with the sum of its frequencies and the last of its weights."""
        summed = np.bincount(ids, frequencies, self.size)
        last = np.empty(self.size, np.float32)
        last[ids] = weights
        found = np.flatnonzero(summed > 0)  # numpy finds floats slowly
        return found, summed[found].astype(np.float32), last[found]


def _strongest(forms: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The forms of several words, each with the most that it counts for any of them."""
    strongest: dict[str, float] = {}
    for some in forms:
        for form, weight in some.items():
            strongest[form] = max(weight, strongest.get(form, 0.0))
    return strongest
