"""Turns a text into the terms it is found by, in the same way for every language.

There is nothing to set and no language detection: the script of each word decides. Chinese,
Japanese and Korean become characters and pairs of them. Thai, Lao, Khmer and Burmese, which have no
spaces either, become words from ICU's dictionaries. Other forms of a word are looked up when a
question is asked (`lexicon`).
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import regex
import Stemmer
import stopwordsiso
from icu4py.breakers import WordBreaker
from simplemma import Lemmatizer
from simplemma.strategies import DefaultStrategy
from simplemma.strategies.dictionaries import StreamDictionaryFactory
from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES
from whoosh.lang.stopwords import stoplists

_PAIRED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Tibetan}"
_SEGMENTED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNSPACED = _PAIRED + _SEGMENTED
_WORD = regex.compile(
    # Marks belong to their letters (Hindi), and so do the joiners between them.
    rf"(?P<paired>[{_PAIRED}][{_PAIRED}\p{{M}}ー]*)"
    rf"|(?P<segmented>[{_SEGMENTED}][{_SEGMENTED}\p{{M}}]*)"
    rf"|(?P<word>[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
    rf"[[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{_UNSPACED}]]*)",
    regex.VERSION1,
)
_CHARACTERS = regex.compile(rf"[{_PAIRED}][{_PAIRED}\p{{M}}ー]?", regex.VERSION1)
# Error codes, part numbers and file names are also found as a whole.
_JOINED = regex.compile(r"[\p{L}\p{N}]++(?:[-_./:@#\\]++[\p{L}\p{N}]++)+")
_QUOTED = regex.compile(r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|「([^」]+)」')
# Invisible characters do not divide a word. U+0307 remains when a Turkish İ becomes lower case.
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u180e\u200b\u2060\ufeff\u0307"))
# A word of at least two letters that begins with a capital, or has nothing but capitals.
_CAPITALIZED = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}])\p{Lu}(?:\p{Ll}++|\p{Lu}++)(?![\p{L}\p{M}\p{N}])"
)
_NAME = "^"  # begins the term of a name; its case counts
# How much a stop word that is not grammar counts: in a score, and as evidence.
_LISTED_WEIGHT, _LISTED_EVIDENCE = 0.3, 0.3
_LONGEST = 64  # characters of a term; longer ones are cut, not dropped
_STEMMERS = {
    "LATIN": "english",
    "CYRILLIC": "russian",
    "ARABIC": "arabic",
    "GREEK": "greek",
    "DEVANAGARI": "hindi",
    "TAMIL": "tamil",
    "ARMENIAN": "armenian",
}
# Scripts whose users often leave out accents or vowels when they type.
_FOLDED = {"LATIN", "GREEK", "ARABIC", "HEBREW"}
# Letters that Unicode does not decompose into a plain letter and an accent.
_PLAIN = str.maketrans("ıđøłħŧ", "idolht")
# A text's further languages have at least this share of the evidence for the first one.
_LEAST_SHARE, _MOST_LANGUAGES = 0.5, 3
# For Norwegian and Croatian, the dictionaries use other codes than the stop-word lists.
_DICTIONARY_CODES = {"no": "nb", "hr": "hbs"}


def terms(text: str) -> list[str]:
    """The terms of ``text`` in order, each as often as it occurs."""
    found: list[str] = []
    plain = normalized(text)
    for match in _WORD.finditer(plain):
        word = match.group()
        if match.lastgroup == "paired":
            found += [word[i : i + 2] for i in range(len(word) - 1)]
            found += word
        elif match.lastgroup == "segmented":
            found += [part[:_LONGEST] for part in WordBreaker(word, "th")]
        else:
            found.append(word[:_LONGEST])
    return found + _joined(plain) + names(text)


def names(text: str) -> list[str]:
    """The terms of stop words in ``text`` whose capitals may make them names: Will, IT."""
    words = _CAPITALIZED.findall(text)
    return [f"{_NAME}{word}" for word in words if word.casefold() in _languages_of_stops()]


@dataclass(frozen=True)
class Asked:
    """A term of a question.

    ``weight`` is how much it counts in a score, from 0 to 1, and ``evidence`` how much it counts in
    deciding whether a snippet relates to the question. ``name`` says that its capital makes it a
    name.
    """

    weight: float = 1.0
    evidence: float = 1.0
    name: bool = False


def asked(text: str, spoken: Sequence[str]) -> dict[str, Asked]:
    """The different terms of a question in the languages ``spoken``.

    Grammar words are left out, unless there are no others.
    """
    plain = normalized(text)
    words = _words(plain)
    capitals = _capitals(text)
    listed = _listed(spoken)
    grammar = frozenset[str]().union(*(_function_words(language) for language in spoken))
    named = {f"{_NAME}{word}" for word in capitals if word.casefold() in listed}
    found = {name: Asked() for name in named}
    for word in [word for word in words if word not in grammar] or words:
        if word in grammar:
            how = Asked(evidence=0.0)
        elif word in listed:
            how = Asked(_LISTED_WEIGHT, _LISTED_EVIDENCE)
        else:
            how = Asked(name=word.capitalize() in capitals and "de" not in spoken)
        for term in terms(word):
            # In a word that also has pairs, a single character proves nothing.
            alone = len(term) == 1 < len(word) and is_character(term)
            found[term] = replace(how, evidence=0.0) if alone else how
    found |= {term: Asked() for term in _joined(plain)}
    if not any(how.evidence == 1.0 for how in found.values()):
        return {term: Asked(evidence=float(how.evidence > 0)) for term, how in found.items()}
    return found


def _capitals(text: str) -> set[str]:
    """The words of a question that may be names: those with a capital, unless most have one."""
    words = _CAPITALIZED.findall(text.partition(" ")[2])
    return set(words) if 2 * len(words) <= len(text.split()) else set()


def languages(text: str, here: Sequence[str]) -> list[str]:
    """The languages a question may be in, as ISO 639-1 codes.

    They are the likely languages that are also ``here``. If there are none, they are the likely
    ones, or, if all words are stop words, all that are ``here``.
    """
    words = _words(normalized(text))
    likely, most = _likely(words)
    spoken = [language for language in here if language in likely]
    return (spoken or (likely if most < len(words) else []) or list(here))[:_MOST_LANGUAGES]


def content_terms(text: str) -> list[str]:
    """The terms of ``text`` that say what it is about, that is, without stop words."""
    words = _words(normalized(text))
    likely, _ = _likely(words)
    listed = _listed(likely)
    return [term for word in words if word not in listed for term in terms(word)]


def languages_of(words: Iterable[str]) -> list[str]:
    """The languages of a large text with these words, judged by its stop words."""
    counts = _stop_words_in(words)
    weights = {language: n * n / len(_stops()[language]) for language, n in counts.items()}
    least = _LEAST_SHARE * max(weights.values(), default=0)
    found = [language for language, weight in weights.items() if weight >= least]
    return sorted(found, key=lambda language: -weights[language])[:_MOST_LANGUAGES]


def is_character(term: str) -> bool:
    """Whether ``term`` is one or two characters of a script that is not divided into words."""
    return len(term) <= 2 and _CHARACTERS.fullmatch(term) is not None


def normalized(text: str) -> str:
    """``text`` without what comparisons ignore.

    That is case, width, ligatures, line breaks and invisible characters.
    """
    text = unicodedata.normalize("NFKC", text).casefold().translate(_UNSEEN)
    return " ".join(text.split())


def quoted(text: str) -> list[str]:
    """The phrases in quotation marks in ``text``, normalized."""
    phrases = (normalized("".join(filter(None, groups))) for groups in _QUOTED.findall(text))
    return [phrase for phrase in phrases if phrase]


def folded(words: Iterable[str]) -> list[str]:
    """Each word without the accents and vowel signs that users of its script leave out."""
    return [word if word.isascii() else _folded(word) for word in words]


def stems(words: Sequence[str]) -> list[str]:
    """The stem of each word, made by the stemmer of its script."""
    by_script: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        by_script.setdefault(_script(word), []).append(place)
    found = list(words)
    for script in by_script.keys() & _STEMMERS.keys():
        places = by_script[script]
        stemmed = _stemmer(_STEMMERS[script]).stemWords([words[place] for place in places])
        for place, stem in zip(places, stemmed, strict=True):
            found[place] = stem
    return found


def lemmas(words: Iterable[str], language: str) -> list[str]:
    """The form of each word that a dictionary of ``language`` lists: feed for fed.

    If there is no dictionary, or the word is not in it, the word is its own lemma.
    """
    language = _DICTIONARY_CODES.get(language, language)
    if language not in SUPPORTED_LANGUAGES:
        return list(words)
    return [_lemmatizer().lemmatize(word, language).casefold() for word in words]


def _words(text: str) -> list[str]:
    return [match.group() for match in _WORD.finditer(text)]


def _joined(text: str) -> list[str]:
    return [match.group()[:_LONGEST] for match in _JOINED.finditer(text)]


def _likely(words: Sequence[str]) -> tuple[list[str], int]:
    """The languages with most of ``words`` among their stop words, and how many those are."""
    counts = _stop_words_in(words)
    most = max(counts.values(), default=0)
    return [language for language, count in counts.items() if count == most], most


def _listed(languages: Iterable[str]) -> frozenset[str]:
    """The stop words of all these languages."""
    return frozenset[str]().union(*(_stops()[language] for language in languages))


def _stop_words_in(words: Iterable[str]) -> Counter[str]:
    """How many of ``words`` are stop words of each language."""
    known = _languages_of_stops()
    return Counter(language for word in words for language in known.get(word, ()))


@lru_cache
def _function_words(language: str) -> frozenset[str]:
    """The grammar words of a language, or all its stop words if there is no list of them."""
    return frozenset(stoplists[language]) if language in stoplists else _stops()[language]


@lru_cache
def _languages_of_stops() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for language, stops in _stops().items():
        for word in stops:
            found.setdefault(word, []).append(language)
    return found


@lru_cache
def _stops() -> Mapping[str, frozenset[str]]:
    return {lang: frozenset(stopwordsiso.stopwords(lang)) for lang in stopwordsiso.langs()}


@lru_cache
def _lemmatizer() -> Lemmatizer:
    # A dictionary takes 0.4 to 53 MB (the other kind takes 140) and up to two seconds to read. All
    # forty take 430 MB, and questions that mean nothing ask for one after the other.
    dictionaries = StreamDictionaryFactory(cache_max_size=8)
    return Lemmatizer(lemmatization_strategy=DefaultStrategy(dictionary_factory=dictionaries))


def _folded(word: str) -> str:
    if _script(word) not in _FOLDED:
        return word
    letters = unicodedata.normalize("NFD", word.translate(_PLAIN))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@lru_cache(maxsize=1 << 12)
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ", 1)[0]


def _script(word: str) -> str:
    return _script_of(word[0])


@lru_cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(language)
