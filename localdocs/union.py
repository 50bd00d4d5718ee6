"""Several indexes as one, whose snippets are numbered through."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from .index import Floats, Ids, Snapshot, SourceFile
from .lexicon import Lexicon
from .snippets import Snippet

# What a word counts that is only in the snippet before or after.
_NEIGHBOUR_WEIGHT = 0.3


@dataclass(frozen=True)
class Occurrences:
    """Where a word is.

    ``frequencies``, float32 [size], say how often its forms are in each snippet, weighted by what
    each counts, ``weights`` what the best of them counts, and ``count`` in how many they are.
    """

    frequencies: Floats
    weights: Floats
    count: float


class Union:
    """Snapshots as one.

    Its snippets are numbered up to ``size``, the ``deleted`` ones among them. ``follows``, bool
    [size + 1], says whether a snippet is in the same file as the one before.
    """

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots
        self._starts = [0, *accumulate(snapshot.size for snapshot in snapshots)]
        self.size = self._starts.pop()
        self.deleted = np.concatenate(
            [np.empty(0, np.uint32), *(s.deleted + start for s, start in self._placed())]
        )
        # One more, so that the last snippet too has one after it.
        self.follows = np.concatenate([*(s.follows for s in snapshots), np.zeros(1, np.bool_)])

    def languages(self) -> list[str]:
        """The languages here, most frequent first."""
        counts = Counter(language for s in self._snapshots for language in s.languages())
        return [language for language, _ in counts.most_common()]

    def occurrences(self, words: Sequence[str], spoken: Sequence[str]) -> Occurrences:
        """Where forms of ``words`` are; parts of them, as compounds, if there are none.

        ``spoken`` are the languages in which the question may be.
        """
        found = self._sum(lambda lexicon: _strongest(lexicon.forms(word, spoken) for word in words))
        if not found.count:
            return self._sum(lambda lexicon: _strongest(map(lexicon.parts, words)))
        return found

    def with_neighbours(self, found: Occurrences) -> Occurrences:
        """``found`` with a share of what is in the snippets before and after."""
        there = np.flatnonzero(found.frequencies)
        after, before = there[self.follows[there + 1]], there[self.follows[there]]
        frequencies, weights = found.frequencies.copy(), found.weights.copy()
        for here, step in (after, 1), (before, -1):
            frequencies[here + step] += _NEIGHBOUR_WEIGHT * found.frequencies[here]
            weights[here + step] = np.maximum(weights[here + step], found.weights[here])
        return Occurrences(frequencies, weights, found.count)

    def ids(self, term: str) -> Ids:
        """The ids of the snippets with exactly this term."""
        parts = (s.postings(lambda _: {term: 1.0}) for s in self._snapshots)
        starts = zip(parts, self._starts, strict=True)
        found = [p.ids + np.uint32(start) for postings, start in starts for p in postings]
        return np.concatenate([np.empty(0, np.uint32), *found])

    def stored(self, number: int) -> tuple[int, SourceFile, Snippet]:
        """Which index a snippet is in, its file, and itself."""
        place = bisect_right(self._starts, number) - 1
        return place, *self._snapshots[place].stored(number - self._starts[place])

    def _sum(self, wanted: Callable[[Lexicon], Mapping[str, float]]) -> Occurrences:
        summed, weights = np.zeros(self.size, np.float32), np.zeros(self.size, np.float32)
        count = 0.0
        for snapshot, start in self._placed():
            for ids, frequencies, weight in snapshot.postings(wanted):
                here = ids + start
                summed[here] += frequencies * np.float32(weight)
                weights[here] = np.maximum(weights[here], np.float32(weight))
                count += weight * len(ids)
        return Occurrences(summed, weights, min(max(count, 1.0), self.size) if count else 0.0)

    def _placed(self) -> list[tuple[Snapshot, np.uint32]]:
        return [
            (s, np.uint32(start)) for s, start in zip(self._snapshots, self._starts, strict=True)
        ]


def _strongest(forms: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The forms of several words, each with the most that it counts for one of them."""
    strongest: dict[str, float] = {}
    for some in forms:
        for form, weight in some.items():
            strongest[form] = max(weight, strongest.get(form, 0.0))
    return strongest
