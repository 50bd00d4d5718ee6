"""Finds other forms of a question's words: inflected, irregular, without accents, in compounds.

A word of the index is a form of a question's word if both have the same stem (keys, key), the same
lemma in the question's language (feeds, fed), or the same letters without accents (cafe, café). For
languages without stemmer and dictionary, words that begin alike are forms (ubezpieczenie,
ubezpieczenia). A compound begins or ends with the word (Krankenversicherung, Versicherung).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from .analysis import folded, is_character, languages_of, lemmas, stems

# How much a form counts, where the word itself counts 1. Tuned with benchmarks/retrieval.py.
_STEM, _LEMMA, _FOLDED, _RELATED = 0.9, 0.8, 0.4, 0.25
_SHORTEST = 5  # letters; shorter words begin or end alike by chance
_LONGEST_ENDING = 3
_MOST = 32
_MOST_RECENT = 10_000  # words whose forms are kept for later questions


class Lexicon:
    """The words of a part of the index, and their ``languages``."""

    def __init__(self, terms: Iterable[str]) -> None:
        # Numbers, part numbers and character pairs are left out: they have no other forms.
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
        """The words here that are forms of ``word``, with what each counts. ``word`` counts 1.

        ``spoken`` are the languages that the question may be in.
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
        """The words here that ``word``, perhaps a compound, begins or ends with."""
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
    # Vowel signs do not count as letters.
    return (term.isalpha() or (term[0].isalpha() and not term.isascii())) and not is_character(term)


def _entries(keys: Iterable[str], words: Sequence[str]) -> list[str]:
    """A sorted list in which `_keyed` finds words by their key."""
    return sorted(map(" ".join, zip(keys, words, strict=True)))


def _keyed(entries: list[str], key: str) -> list[str]:
    return _words_of(_beginning(entries, f"{key} "))


def _words_of(entries: list[str]) -> list[str]:
    return [entry.split(" ")[1] for entry in entries]


def _beginning(entries: list[str], beginning: str) -> list[str]:
    """The sorted ``entries`` with a given beginning, or some of them if there are many."""
    first = bisect_left(entries, beginning)
    last = bisect_left(entries, beginning + "\U0010ffff", lo=first)
    return entries[first : min(last, first + _MOST)]
