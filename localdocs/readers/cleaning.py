"""Joins divided words and removes invisible characters.

The number of lines stays the same, because references name lines.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import regex

from ..snippets import Document

# Soft hyphen, zero-width space, word joiner and byte-order mark are removed. The joiners U+200C
# and U+200D are part of words in some scripts. A control character becomes a space.
_SEEN = str.maketrans(
    dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), " ")
    | dict.fromkeys("\u00ad\u200b\u2060\ufeff")
    | {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
# Codes that set the colours of a terminal (ECMA-48) or its title (an OSC of xterm).
_ESCAPE_SEQUENCE = regex.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\))")
_SOFTLY_DIVIDED = regex.compile(r"\u00ad\n[ \t]*(\p{L}\S*)[ \t]*")

_LETTERS = r"\p{L}[\p{L}\p{M}]*+"
# A divided word: the parts of a compound before it ("state-of-the-"), its beginning and its end.
# Letters after a slash, a dot or a hyphen belong to an address or an option.
_DIVIDED = regex.compile(
    rf"(?<![\w/.@:\\+=-])((?:{_LETTERS}-(?!\n))*+)({_LETTERS})([-\u2010])\n"
    rf"([ \t]*)({_LETTERS})(\S*)[ \t]*"
)
_WORD = regex.compile(rf"{_LETTERS}(?:[-\u2010]{_LETTERS})*+")

# In "short- and long-term", the hyphen stands for a part of the word.
_CONJUNCTIONS = frozenset(
    ("and", "or", "to", "und", "oder", "bis", "bzw", "en", "of", "et", "ou", "e", "o", "y", "og")
)
# Words that form compounds with a hyphen.
_COMPOUNDING = frozenset(["well", "self", "half", "ill", "much"])

_DAY = regex.compile(r"\s*(?:D:)?(\d{4})-?(\d\d)-?(\d\d)")
_FIRST_YEAR = 1980  # earlier dates come from unset clocks

_LEAST_FULL = 40  # characters of a line


def cleaned(document: Document, prose: bool) -> Document:
    """Returns ``document`` without characters that are invisible or cannot be encoded.

    In ``prose``, words divided at the end of a line are joined too.
    """
    texts = [_seen(page.text) for page in document.pages]
    if prose:
        words = vocabulary(texts)
        texts = [whole_words(text, words) for text in texts]
    pages = tuple(
        replace(page, text=text, headings=tuple(map(_seen, page.headings)))
        for page, text in zip(document.pages, texts, strict=True)
    )
    about = (document.title, document.author, document.tags)
    title, author, tags = (" ".join(_seen(text).split()) for text in about)
    return replace(document, pages=pages, title=title, author=author, tags=tags)


def day(text: str) -> str:
    """Returns the day at the start of ``text``, ``2024-09-05`` or ``20240905``, in ISO 8601.

    Returns an empty string if no day is found, or if no document can date from that day.
    """
    match = _DAY.match(text)
    if not match:
        return ""
    try:
        found = date(*map(int, match.groups()))
    except ValueError:
        return ""
    is_sane = found.year >= _FIRST_YEAR and found <= date.today() + timedelta(days=1)
    return found.isoformat() if is_sane else ""


def vocabulary(texts: Iterable[str]) -> set[str]:
    """Returns the words of ``texts`` in lower case, without the divided ones."""
    return {_key(word) for text in texts for word in _WORD.findall(_DIVIDED.sub("\n", text))}


def whole_words(text: str, words: set[str], certain: bool = False) -> str:
    """Returns ``text`` with the end of each divided word moved up to the line of its beginning.

    ``words`` are known words; they decide whether a word keeps its hyphen. ``certain`` says that
    a hyphen at the end of a line divides a word even if the word is not known.
    """

    def moved(match: "regex.Match[str]") -> str:
        before, first, _, indentation, rest, after = match.groups()
        known = not words.isdisjoint(_forms(match))
        likely = rest.lower() not in _CONJUNCTIONS and (certain or _is_in_full_line(match))
        if not (known or likely):
            return match.group()
        return f"{before}{first}{_hyphen(match, words)}{rest}{after}\n{indentation}"

    return _DIVIDED.sub(moved, text)


def _forms(match: "regex.Match[str]") -> tuple[str, str, str]:
    """The possible forms: one word, a compound, and a compound with all parts before it."""
    before, first, _, _, rest, _ = match.groups()
    return _key(first + rest), _key(f"{first}-{rest}"), _key(f"{before}{first}-{rest}")


def _hyphen(match: "regex.Match[str]", words: set[str]) -> str:
    """The hyphen if the word is written with one, otherwise nothing."""
    before, first, hyphen, _, rest, _ = match.groups()
    one, *compounds = _forms(match)
    if one in words:
        return ""
    is_compound = (
        not words.isdisjoint(compounds)
        # "E-" + "Mail", but not "ACCUMU-" + "LATOR"
        or (rest[0].isupper() and not (len(first) > 1 and (first + rest).isupper()))
        or first.lower() in _COMPOUNDING
        or (before and first.lower() in words)
    )
    return hyphen if is_compound else ""


def _is_in_full_line(match: "regex.Match[str]") -> bool:
    """Whether the word is at the end of a full line of running text."""
    text, end = match.string, match.end(3)
    line = text[text.rfind("\n", 0, end) + 1 : end]
    return (
        len(line) >= _LEAST_FULL
        and match[2][-1].islower()
        and match[5][0].islower()
        and not line.startswith(("\t", "    ", "|"))
    )


def _key(word: str) -> str:
    return word.casefold().replace("\u2010", "-")


def _seen(text: str) -> str:
    # JSON may contain half of a surrogate pair, which cannot be encoded in an answer. On
    # Windows, pdfium returns whole pairs.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _ESCAPE_SEQUENCE.sub("", text)
    return _SOFTLY_DIVIDED.sub(r"\1\n", text).translate(_SEEN)
