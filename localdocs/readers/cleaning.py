"""Words as their readers see them: whole, without what is only there to typeset them.

Nothing here changes the number of lines, because references name lines.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import regex

from ..snippets import Document

# Where a word may be divided, and what is never shown: soft hyphen, zero-width space, word
# joiner, byte-order mark. The joiners U+200C and U+200D are part of words in some scripts.
_SEEN = str.maketrans(
    dict.fromkeys("\u00ad\u200b\u2060\ufeff")
    | {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)
_SOFTLY_DIVIDED = regex.compile(r"\u00ad\n[ \t]*(\p{L}\S*)[ \t]*")

_LETTERS = r"\p{L}[\p{L}\p{M}]*+"
# The first part of a word, with what a compound has before it ("state-of-the-" + "art"), and the
# rest of it. What follows a slash, a dot or a hyphen belongs to an address or an option.
_DIVIDED = regex.compile(
    rf"(?<![\w/.@:\\+=-])((?:{_LETTERS}-(?!\n))*+)({_LETTERS})([-\u2010])\n"
    rf"([ \t]*)({_LETTERS})(\S*)[ \t]*"
)
_WORD = regex.compile(rf"{_LETTERS}(?:[-\u2010]{_LETTERS})*+")

# "Vor- und Nachteile", "short- and long-term": the hyphen stands for a part of the word.
_CONJUNCTIONS = frozenset(
    ("and", "or", "to", "und", "oder", "bis", "bzw", "en", "of", "et", "ou", "e", "o", "y", "og")
)
# What makes compounds with a hyphen, and is hardly ever divided from the rest of a word.
_COMPOUNDING = frozenset(["well", "self", "half", "ill", "much"])

_DAY = regex.compile(r"\s*(?:D:)?(\d{4})-?(\d\d)-?(\d\d)")
_FIRST_YEAR = 1980  # that a computer writes by itself

_LEAST_FULL = 40  # characters of a line


def cleaned(document: Document, prose: bool) -> Document:
    """``document`` without characters that are never seen or cannot be in an answer.

    In ``prose``, words that are divided at the end of a line are made whole too.
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
    """The day with which ``text`` begins, ``2024-09-05`` or ``20240905``, as ``YYYY-MM-DD``.

    Empty if there is none, or none that can be a document's.
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
    """The words of ``texts`` in lower case, compounds with their hyphens, none that is divided."""
    return {_key(word) for text in texts for word in _WORD.findall(_DIVIDED.sub("\n", text))}


def whole_words(text: str, words: set[str], certain: bool = False) -> str:
    """``text`` with the rest of each divided word moved up to its first line.

    Those that are written with a hyphen keep it. ``words`` tell which is which; ``certain`` says
    that hyphens at the ends of lines divide words of which they do not know.
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
    """How the divided word may be written: as one, as a compound, and with all before it."""
    before, first, _, _, rest, _ = match.groups()
    return _key(first + rest), _key(f"{first}-{rest}"), _key(f"{before}{first}-{rest}")


def _hyphen(match: "regex.Match[str]", words: set[str]) -> str:
    """The hyphen of the word if it is written with one, else nothing."""
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
    """Whether the word is divided where a line of running text was full."""
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
    # JSON can hold one half of a surrogate pair, and pdfium gives pairs on Windows.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _SOFTLY_DIVIDED.sub(r"\1\n", text).translate(_SEEN)
