"""Decodes text files in unknown encodings."""

import codecs
import re
import unicodedata
from contextlib import suppress

import chardet
import regex

from ..errors import UnreadableFile

_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    # UTF-32 comes before UTF-16, because its mark begins with that of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Encodings of Windows, Unix, the Mac and DOS that differ in letters.
_ENCODINGS = (
    *(f"cp{number}" for number in range(1250, 1259)),
    *(f"iso8859-{part}" for part in (2, 5, 6, 7, 8, 13, 15)),
    *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp850", "cp852", "cp866", "cp874"),
    *("cp932", "euc-jp", "cp949", "gb18030", "big5hkscs"),
)
# Added to chardet's confidence, which is near 0 for a single word. These are more common.
_PRIOR = {"cp1252": 0.04, "mac-roman": 0.04, "iso8859-15": 0.04}
_OTHER_PRIOR = 0.02
# Browsers do the same: old pages that declare Latin-1 have the quotation marks of Windows.
_MEANT = {"iso-8859-1": "cp1252", "latin1": "cp1252"}
# Bytes. chardet examines no more.
_SAMPLE, _PIECES = 16_384, 32

_CONTROL = bytes({*range(32)} - {*b"\0\t\n\v\f\r\x1b"})
_CONTROLS_TO_SPACES = bytes(32 if byte in b"\0\x1b" + _CONTROL else byte for byte in range(256))
_HIGH = re.compile(rb"[\x80-\xff]")
# No encoding uses a byte below "0" as part of a longer character.
_WHOLE_CHARACTERS = re.compile(rb"[\x00-\x2f](.*)[\x00-\x2f]", re.DOTALL)
_NO_TEXT = regex.compile(r"[[\p{C}\ufffd]--[\p{Cf}\t\n\v\f\r\x1b]]", regex.V1)
# The characters of everyday use, which come first in these encodings.
_EVERYDAY = {
    "gb2312": re.compile(rb"[\xa1-\xd7][\xa1-\xfe]"),
    "big5": re.compile(rb"[\xa1-\xc6][\x40-\xfe]"),
    "shift_jis": re.compile(rb"[\x81-\x97][\x40-\xfc]"),
    "euc_kr": re.compile(rb"[\xa1-\xc8][\xa1-\xfe]"),
}
# The high byte of Japanese syllables in UTF-16.
_KANA = 0x30
_NOT_ASCII = regex.compile(r"[^\x00-\x7f]")
# Characters in places where nobody writes them. They are signs of a wrong encoding.
_ODD = regex.compile(
    r"""(?x)
    # Two scripts in a word. Chinese, Japanese and Korean need no space beside Latin letters.
      (?<=\p{Latin})(?![\p{Latin}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}])\p{L}
    | (?!\p{Latin})\p{L}(?=\p{Latin})
    | (?<=\p{Latin})[\p{Thai}\p{Arabic}\p{Hebrew}]
    # Upper and lower case mixed.
    | (?<=\p{Ll})(?![A-Z])\p{Lu}
    | (?<=(?![a-z])\p{Ll})\p{Lu}
    | (?<=\p{Lu}\p{Lu})(?![a-z])\p{Ll}
    | (?![a-z])\p{Ll}(?=\p{Lu})
    | (?<=\p{Lu})(?![A-Z])\p{Lu}(?=\p{Ll})
    # A sign within a word, currencies beside letters, letters beside digits.
    | (?<=\p{L})(?![’·–—])[^\x00-\x7f\p{L}\p{M}](?=\p{L})
    | [£€¥¢¤¼½¾§](?=\p{L}) | (?<=\p{L})[£€¥¢¤¼½¾§]
    | (?<=\d)(?![ªº])[^\x00-\x7f\P{L}] | (?![A-Za-z])\p{L}(?=\d)
    # A single letter that is not a word: dashes and bullets become such letters.
    | (?<![^\x00-\x7f])(?!\p{Latin})\p{L}(?!\S)(?=\s*[\dA-Za-z])
    | (?<!\S)(?![àèéíóáåöøæőįÀÈÉÍÓÁÅÖØÆŐĮ])[^\x00-\x7f\P{Latin}](?!\S)
    # The apostrophe of Windows, read as a letter of the Mac.
    | (?<=[A-Za-z])í(?=(?:s|t|d|m|ll|re|ve)\b)
    # Turkish letters read as Icelandic ones.
    | (?<=[üçÜÇ].{0,80})[ðþýÐÞ] | [ðþýÐÞ](?=.{0,80}[üçÜÇ])
    # Rare characters.
    | [\x80-\x9f\p{Co}ƒ‡ˆ˜¨´¸˙˛˝˚˘ˇ¯¬¦¤∂∑∏π∫Ω√≈∆◊ﬁﬂ\u2500-\u259f]
    """
)


def decoded(data: bytes, declared: str = "") -> str:
    """Returns the text in ``data``, with U+FFFD for bytes that its encoding does not define.

    ``declared`` is the encoding that the text names. It is used unless it is wrong or the text
    is in UTF-8. Raises `UnreadableFile` if ``data`` is not text.
    """
    text = _unicode(data, declared)
    if text is None:
        _refuse_binary(data)
        # cp1258 has Vietnamese letters and their tones as two characters.
        text = unicodedata.normalize("NFC", data.decode(_likeliest(data), errors="replace"))
        # ISO encodings have control characters where those of Windows are undefined.
        text = re.sub("[\x80-\x9f]", "\ufffd", text)
    if len(_NO_TEXT.findall(text, endpos=_SAMPLE)) > 3 + min(len(text), _SAMPLE) // 10:
        raise UnreadableFile("it is not text")
    return text.replace("\0", " ").replace("\r\n", "\n").replace("\r", "\n")


def _unicode(data: bytes, declared: str) -> str | None:
    """The text if the encoding is certain: Unicode, ISO 2022 or the declared one."""
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    utf8: str | None
    try:
        utf8 = data.decode()
    except UnicodeDecodeError:
        utf8 = None
    declared = declared.lower()
    # Text in ISO 2022 is valid UTF-8, because it has only ASCII bytes.
    if declared and (utf8 is None or declared.startswith("iso-2022")):
        with suppress(LookupError, ValueError):
            return data.decode(_MEANT.get(declared, declared))
    utf16 = _utf16(data[:_SAMPLE], is_utf8=utf8 is not None)
    if utf16:
        return data.decode(utf16, errors="replace")
    if utf8 is not None:
        japanese = b"\x1b$B" in data and data.isascii()
        return data.decode("iso2022_jp_ext", errors="replace") if japanese else utf8
    # In other encodings, some letters are valid UTF-8 by chance, but not most of them.
    sample = _sample(data).decode(errors="replace")
    mostly = len(_NOT_ASCII.findall(sample)) >= 2 * sample.count("\ufffd")
    return data.decode(errors="replace") if mostly else None


def _utf16(sample: bytes, *, is_utf8: bool) -> str | None:
    """The variant of UTF-16 that the sample is in, if it is UTF-16 without a mark."""
    sample = sample[: len(sample) & ~1]
    has_controls = _controls(sample) > 0 or b"\0" in sample
    # Letters of one script share their high bytes.
    high_bytes = {"utf-16-le": sample[1::2], "utf-16-be": sample[::2]}
    for encoding in sorted(high_bytes, key=lambda order: len(set(high_bytes[order]))):
        high = high_bytes[encoding]
        text = sample.decode(encoding, errors="replace")
        if len(_NO_TEXT.findall(text)) * 50 > len(text):
            continue
        # Alphabets are below U+2000. Dashes and quotation marks are just above.
        if has_controls and sum(byte < 0x20 for byte in high) * 10 >= len(high) * 8:
            return encoding
        kana = high.count(_KANA) * 4 > len(high)
        if not is_utf8 and (has_controls or kana) and _is_east_asian(text):
            return encoding
    return None


def _is_east_asian(text: str) -> bool:
    """Whether the text is Chinese, Japanese or Korean with everyday characters."""
    letters = "".join(_NOT_ASCII.findall(text))
    return any(
        len(characters.findall(letters.encode(encoding, "ignore"))) * 10 >= len(letters) * 9
        for encoding, characters in _EVERYDAY.items()
    )


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROL))


def _refuse_binary(data: bytes) -> None:
    if _controls(data) > 1 + len(data) // 100 or data.count(b"\0") > 3 + len(data) // 5:
        raise UnreadableFile("it is not text")


def _likeliest(data: bytes) -> str:
    """The encoding in which the letters make words, judged by chardet and `_ODD`."""
    sample = _sample(data).translate(_CONTROLS_TO_SPACES)
    best, best_score = "cp1252", 0.0
    # The line break is there because chardet takes "BM" at the start for a picture.
    for result in chardet.detect_all(
        b"\n" + sample, ignore_threshold=True, compat_names=False, include_encodings=_ENCODINGS
    ):
        encoding = result["encoding"]
        if encoding is None:
            continue
        text = sample.decode(encoding, errors="replace")
        odd = min(1, len(_ODD.findall(text)) / max(1, len(_NOT_ASCII.findall(text))))
        score = (result["confidence"] + _PRIOR.get(encoding, _OTHER_PRIOR)) * (1 - odd) ** 3
        # If scores are equal, the order of chardet decides.
        if score > best_score:
            best, best_score = encoding, score
    return best


def _sample(data: bytes) -> bytes:
    """A short text as it is, or pieces of a long one around letters that are not ASCII."""
    if len(data) <= _SAMPLE:
        return data
    step, around = len(data) // _PIECES, _SAMPLE // _PIECES // 2
    pieces = []
    for start in range(0, len(data), step):
        letter = _HIGH.search(data, start, start + step)
        if letter:
            window = data[max(0, letter.start() - around) : letter.start() + around]
            whole = _WHOLE_CHARACTERS.search(window)
            pieces += [whole[1]] if whole else []
    return b"\n".join(pieces) or data[:_SAMPLE]
