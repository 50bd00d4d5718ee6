"""Words that are related to a word of a question: other forms of it, and compounds with it.

Stemming is for one language per script. This is for all the others, and works without
knowing which one it is: forms of a word begin alike (ubezpieczenie, ubezpieczenia), and a
compound ends or begins with the word (Krankenversicherung, Versicherung).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

_SHORTEST = 5  # letters: below it, words that begin or end alike have nothing in common
_LONGEST_ENDING = 3
_MOST = 64


class Lexicon:
    """The words of a part of the index."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(word for word in words if word.isalpha() or len(word) == 2)
        self._reversed = sorted(word[::-1] for word in self._words)

    def related(self, word: str) -> set[str]:
        """The words here that are related to ``word``, without itself."""
        if len(word) < _SHORTEST:
            # A single character of a script without spaces: words of two are indexed.
            pairs = len(word) == 1 and not word.isascii() and word.isalpha()
            return {w for w in self._containing(word) if len(w) == 2} if pairs else set()
        if not word.isalpha():
            return set()
        return {*self._forms(word), *self._containing(word)} - {word}

    def parts(self, word: str) -> set[str]:
        """The words here with which ``word``, perhaps a compound, begins or ends."""
        beginnings = {word[:cut] for cut in range(_SHORTEST, len(word))}
        endings = {word[cut:] for cut in range(1, len(word) - _SHORTEST + 1)}
        return {part for part in beginnings | endings if self._has(part)}

    def _forms(self, word: str) -> Iterator[str]:
        """Words that differ from ``word`` by an ending."""
        stem = word[: max(_SHORTEST, len(word) - _LONGEST_ENDING, -(-3 * len(word) // 4))]
        for other in _beginning(self._words, stem):
            if len(other) - len(stem) <= _LONGEST_ENDING and 4 * len(stem) >= 3 * len(other):
                yield other

    def _containing(self, word: str) -> Iterator[str]:
        """Words that begin or end with ``word``."""
        yield from _beginning(self._words, word)
        yield from (other[::-1] for other in _beginning(self._reversed, word[::-1]))

    def _has(self, word: str) -> bool:
        position = bisect_left(self._words, word)
        return position < len(self._words) and self._words[position] == word


def _beginning(words: list[str], beginning: str) -> list[str]:
    """Those of the sorted ``words`` that have a beginning; not all if they are many."""
    first = bisect_left(words, beginning)
    last = bisect_left(words, beginning + "\U0010ffff", lo=first)
    return words[first : min(last, first + _MOST)]
