"""Other forms of a word of a question: inflected, irregular, without accents, or in compounds.

What counts as a form is found by what the words of the index have in common with it: the stem
that the stemmer of their script leaves (keys, key), the lemma in the question's language (feeds,
fed), and the same without accents (cafe, café). Forms begin alike in the languages for which there
is nothing of this (ubezpieczenie, ubezpieczenia), and a compound ends or begins with the word
(Krankenversicherung, Versicherung).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from .analysis import folded, is_character, languages_of, lemmas, stems

# By how much a form counts less than the word itself; tuned with benchmarks/retrieval.py.
_STEM, _LEMMA, _FOLDED, _RELATED = 0.9, 0.8, 0.4, 0.25
_SHORTEST = 5  # letters: below it, words that begin or end alike have nothing in common
_LONGEST_ENDING = 3
_MOST = 32
_MOST_RECENT = 10_000  # words whose forms are kept after a question


class Lexicon:
    """The words of a part of the index, and in which ``languages`` they are."""

    def __init__(self, terms: Iterable[str]) -> None:
        # Without numbers, part numbers, and pairs of characters: they have no other forms.
        self._words = [term for term in terms if _is_word(term)]
        stemmed = stems(self._words)
        bare = stems(folded(self._words))
        self._by_stem = _entries(stemmed, self._words)
        self._by_bare_stem = _entries(bare, self._words)
        self._by_ending = _entries((stem[::-1] for stem in bare), self._words)
        self._by_lemma: dict[str, list[str]] = {}
        self._recent: dict[tuple[str, ...], dict[str, float]] = {}
        self.languages = languages_of(self._words)

    def forms(self, word: str, spoken: Iterable[str]) -> dict[str, float]:
        """The words here that are forms of ``word``, and what they count; itself counts 1.

        ``spoken`` are the languages in which the question may be.
        """
        key = word, *spoken
        if key not in self._recent:
            if len(self._recent) == _MOST_RECENT:
                self._recent.clear()
            self._recent[key] = self._forms(word, spoken)
        return self._recent[key]

    def _forms(self, word: str, spoken: Iterable[str]) -> dict[str, float]:
        if not _is_word(word):
            return {word: 1.0}
        [bare] = stems(folded([word]))
        found = dict.fromkeys(self._related(bare), _RELATED)
        found |= dict.fromkeys(_keyed(self._by_bare_stem, bare), _FOLDED)
        for language in spoken:
            found |= dict.fromkeys(self._with_lemma(word, language), _LEMMA)
        found |= dict.fromkeys(_keyed(self._by_stem, stems([word])[0]), _STEM)
        found[word] = 1.0
        return found

    def parts(self, word: str) -> dict[str, float]:
        """The words here with which ``word``, perhaps a compound, begins or ends."""
        [bare] = stems(folded([word]))
        beginnings = {bare[:cut] for cut in range(_SHORTEST, len(bare))}
        endings = {bare[cut:] for cut in range(1, len(bare) - _SHORTEST + 1)}
        parts = (_keyed(self._by_bare_stem, part) for part in beginnings | endings)
        return {word: _RELATED for words in parts for word in words}

    def _with_lemma(self, word: str, language: str) -> list[str]:
        if language not in self._by_lemma:
            self._by_lemma[language] = _entries(lemmas(self._words, language), self._words)
        return _keyed(self._by_lemma[language], lemmas([word], language)[0])

    def _related(self, stem: str) -> Iterator[str]:
        """Words whose stem differs from ``stem`` by an ending, or begins or ends with it."""
        if len(stem) < _SHORTEST:
            return
        common = stem[: max(_SHORTEST, len(stem) - _LONGEST_ENDING, -(-3 * len(stem) // 4))]
        for entry in _beginning(self._by_bare_stem, common):
            other, word = entry.split(" ")
            if len(other) - len(common) <= _LONGEST_ENDING and 4 * len(common) >= 3 * len(other):
                yield word
        compounds = _beginning(self._by_bare_stem, stem) + _beginning(self._by_ending, stem[::-1])
        yield from _words_of(compounds)


def _is_word(term: str) -> bool:
    # Vowel signs are no letters.
    return (term.isalpha() or (term[0].isalpha() and not term.isascii())) and not is_character(term)


def _entries(keys: Iterable[str], words: Sequence[str]) -> list[str]:
    """A sorted list in which `_keyed` finds words by their key."""
    return sorted(map(" ".join, zip(keys, words, strict=True)))


def _keyed(entries: list[str], key: str) -> list[str]:
    return _words_of(_beginning(entries, f"{key} "))


def _words_of(entries: list[str]) -> list[str]:
    return [entry.split(" ")[1] for entry in entries]


def _beginning(entries: list[str], beginning: str) -> list[str]:
    """Those of the sorted ``entries`` that have a beginning; not all if they are many."""
    first = bisect_left(entries, beginning)
    last = bisect_left(entries, beginning + "\U0010ffff", lo=first)
    return entries[first : min(last, first + _MOST)]
