"""From a text to the terms by which it is found, the same way for every language.

No setting and no detection: the script of each word says how it is treated. Scripts that
write no spaces, and Korean, whose endings stick to the word, become pairs of characters;
words of the others are stemmed by the stemmer of the script's largest language.
"""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import regex
import Stemmer
import stopwordsiso

_UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
)
_WORD = regex.compile(
    # Marks belong to their letters (Hindi), and so do the joiners between them.
    rf"(?P<unspaced>[{_UNSPACED}][{_UNSPACED}\p{{M}}ー]*)"
    rf"|(?P<word>[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
    rf"[[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{_UNSPACED}]]*)",
    regex.VERSION1,
)
_PAIR = regex.compile(rf"[{_UNSPACED}][{_UNSPACED}\p{{M}}ー]?", regex.VERSION1)
# Error codes, part numbers, file names: found as a whole too.
_JOINED = regex.compile(r"[\p{L}\p{N}]+(?:[-_./:@#\\]+[\p{L}\p{N}]+)+")
_QUOTED = regex.compile(r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|「([^」]+)」')
_LONGEST = 64  # of a term, in characters; what is longer is cut, not lost
_STEMMERS = {
    "LATIN": "english",
    "CYRILLIC": "russian",
    "ARABIC": "arabic",
    "GREEK": "greek",
    "DEVANAGARI": "hindi",
    "TAMIL": "tamil",
    "ARMENIAN": "armenian",
}
# Scripts whose readers leave accents or vowels out when they type.
_FOLDED = {"LATIN", "GREEK", "ARABIC", "HEBREW"}


def terms(text: str) -> list[str]:
    """The terms of ``text`` in their order; each as often as it is there."""
    text = normalized(text)
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if match.lastgroup == "unspaced":
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        else:
            found.append(_stem(word))
    return found + _joined(text)


def content_terms(text: str) -> set[str]:
    """The terms of ``text`` that say what it is about: those of stop words are left out.

    Its language is the one that has most of its words among the stop words.
    """
    text = normalized(text)
    words = [match.group() for match in _WORD.finditer(text)]
    counts = {language: sum(map(stops.__contains__, words)) for language, stops in _stops().items()}
    most = max(counts.values())
    languages = [language for language, count in counts.items() if count == most > 0]
    stops = frozenset[str]().union(*(_stops()[language] for language in languages))
    return {term for word in words if word not in stops for term in terms(word)} | {*_joined(text)}


def is_pair(term: str) -> bool:
    """Whether ``term`` is one of the pairs of characters that stand for words without spaces."""
    return len(term) <= 2 and _PAIR.fullmatch(term) is not None


def normalized(text: str) -> str:
    """``text`` without what does not count in comparing: case, width, ligatures, line breaks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def quoted(text: str) -> list[str]:
    """The phrases in ``text`` that stand in quotation marks, normalized."""
    phrases = (normalized("".join(filter(None, groups))) for groups in _QUOTED.findall(text))
    return [phrase for phrase in phrases if phrase]


def _joined(text: str) -> list[str]:
    return [match.group()[:_LONGEST] for match in _JOINED.finditer(text)]


@lru_cache
def _stops() -> Mapping[str, frozenset[str]]:
    return {lang: frozenset(stopwordsiso.stopwords(lang)) for lang in stopwordsiso.langs()}


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    script = unicodedata.name(word[0], "").split(" ", 1)[0]
    if script in _FOLDED and not word.isascii():
        letters = unicodedata.normalize("NFD", word)
        word = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if script in _STEMMERS:
        word = _stemmer(_STEMMERS[script]).stemWord(word)
    return word[:_LONGEST]


@lru_cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(language)
