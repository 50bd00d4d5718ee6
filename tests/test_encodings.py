"""Text files in whatever encoding, by kinds."""

import gzip
import io
import random
import struct
import sys
import time
import unicodedata
import wave
import zipfile
from pathlib import Path

import pytest

from localdocs.errors import UnreadableFile
from localdocs.readers.encodings import decoded

TEXTS = {
    "cp1252 iso8859-15 mac-roman cp850": [
        "Die Schlüssel für das Gewächshaus hängen im Büro der Gärtnerei.",
        "Le goûter des élèves est servi à trois heures près du théâtre.",
        "La reunión del comité será el miércoles a las cinco en el salón pequeño.",
        "Os relatórios são entregues à direção até ao fim do mês de março.",
        "Påsen med möglig ost står på hyllan för överblivna varor.",
        "Nøglerne til skuret hænger på kontoret ved siden af døren.",
        "Hätätilanteessa pääovi täytyy jättää auki.",
    ],
    "cp1252 mac-roman": [
        "The gîte costs ‘nothing’ – or so they say… “really?”",
        "Mr Müller’s café opens at 8.",
    ],
    "cp1252": [
        "Price: £45 per night, €52 with breakfast.",
        "Article;price\nShoes;49,00 €\nGloves;9,50 €\n",
        "Keep off the grass – it’s new, don’t ask.",
        "The garden measures 5 m², a third of the field.",
        "Müller",
        "MÜLLER GMBH, KÖLN",
        "Encyclopædia",
    ],
    "cp1250 iso8859-2 cp852": [
        "Wniosek o zwrot kosztów podróży należy złożyć w ciągu czternastu dni.",
        "Vyúčtování služební cesty předložte účtárně do čtrnácti dnů.",
        "Az útiköltség-elszámolást tizennégy napon belül kell benyújtani a főnöknek.",
        "Decontul de călătorie trebuie depus în paisprezece zile şi semnat de şef.",
        "Putni račun predajte računovodstvu u roku od četrnaest dana, uključujući bilješke.",
    ],
    "cp1251 koi8-r mac-cyrillic cp866 iso8859-5": [
        "Отчёт о командировке нужно сдать в бухгалтерию за две недели.",
        "Отчетът за командировката се предава в счетоводството до две седмици.",
    ],
    "cp1251 koi8-u": ["Звіт про відрядження треба здати до бухгалтерії за два тижні."],
    "cp1253 iso8859-7": ["Τα έξοδα του ταξιδιού δηλώνονται στο λογιστήριο μέσα σε δύο εβδομάδες."],
    "cp1254 iso8859-9": [
        "Yolculuk masrafları iki hafta içinde muhasebeye bildirilmelidir, şef onaylar."
    ],
    "cp1255 iso8859-8": ["דוח הנסיעה יוגש להנהלת החשבונות בתוך שבועיים."],
    "cp1256 iso8859-6": ["يجب تقديم تقرير السفر إلى قسم المحاسبة خلال أسبوعين."],
    "cp1257 iso8859-13": [
        "Kelionės išlaidų ataskaitą reikia pateikti buhalterijai per dvi savaites.",
        "Komandējuma atskaite jāiesniedz grāmatvedībā divu nedēļu laikā.",
        "Lähetuskulude aruanne tuleb esitada raamatupidajale kahe nädala jooksul, tasu järel.",
    ],
    "cp1258": ["Báo cáo công tác phải nộp cho phòng kế toán trong hai tuần."],
    "cp874": ["รายงานการเดินทางต้องส่งฝ่ายบัญชีภายในสองสัปดาห์"],
    "cp932 euc-jp iso2022-jp": ["出張の報告書は二週間以内に経理部へ提出してください。"],
    "cp949": ["출장 보고서는 이 주 안에 경리부에 제출해야 합니다."],
    "gb18030": ["出差报告应当在两周之内交给财务部门。"],
    "big5": ["出差報告應當在兩週之內交給財務部門。"],
}
PAIRS = [
    (encoding, text)
    for encodings, texts in TEXTS.items()
    for encoding in encodings.split()
    for text in texts
]
SENTENCES = [text for texts in TEXTS.values() for text in texts]
UTF16 = ("utf-16-le", "utf-16-be")


def encoded(text: str, encoding: str) -> bytes:
    """The text's bytes, with Vietnamese tones apart, as cp1258 has them."""
    if encoding != "cp1258":
        return text.encode(encoding)
    letters = []
    for letter in text:
        apart = unicodedata.normalize("NFD", letter)
        tones = "".join(mark for mark in apart if mark in "\u0300\u0301\u0303\u0309\u0323")
        rest = "".join(mark for mark in apart if mark not in tones)
        letters.append(unicodedata.normalize("NFC", rest) + tones)
    return "".join(letters).encode(encoding)


@pytest.mark.parametrize(("encoding", "text"), PAIRS)
def test_a_sentence_alone_is_read_right(encoding: str, text: str) -> None:
    assert decoded(encoded(text, encoding)) == text


@pytest.mark.parametrize(("encoding", "text"), PAIRS)
def test_what_comes_late_in_a_long_text_counts(encoding: str, text: str) -> None:
    long = "The key is under the mat at the door.\n" * 2_000 + f"{text}\n" * 20
    assert decoded(encoded(long, encoding)) == long


@pytest.mark.parametrize("encoding", ["utf-8", *UTF16])
@pytest.mark.parametrize(
    "text", [*SENTENCES, "The ferry needs two engineers.", "हिन्दी का एक वाक्य।"]
)
def test_unicode_needs_no_mark(encoding: str, text: str) -> None:
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-8", *UTF16, "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["a", "Grüße", "会议"])
def test_unicodes_mark_is_no_text(encoding: str, text: str) -> None:
    assert decoded(f"\ufeff{text}".encode(encoding)) == text


@pytest.mark.parametrize("encoding", UTF16)
@pytest.mark.parametrize("text", ["Hi", "Да", "Grüße", "שלום", "สวัสดี"])
def test_a_word_in_utf_16(encoding: str, text: str) -> None:
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", UTF16)
@pytest.mark.parametrize("text", ["カレンダーの表示イベント", "選択した場所同士をマージ"])
def test_japanese_in_utf_16_without_a_full_stop(encoding: str, text: str) -> None:
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("text", [text for text in SENTENCES if not text.isascii()])
@pytest.mark.parametrize("stray", [b"\xe4", b"\xff", b"\x80"])
def test_a_stray_byte_in_utf_8_spoils_nothing_else(text: str, stray: bytes) -> None:
    data = f"{text}\n".encode()
    assert decoded(data * 3 + stray + b"\n" + data) == f"{text}\n" * 3 + "\ufffd\n" + f"{text}\n"


@pytest.mark.parametrize("letter", ["ü", "й", "ส", "中", "한", "😀"])
def test_utf_8_may_be_cut_within_its_last_letter(letter: str) -> None:
    for cut in range(1, len(letter.encode())):
        assert decoded((letter * 9).encode()[:-cut]) == letter * 8 + "\ufffd"


@pytest.mark.parametrize("text", ["The café is open.", "Ask Mr Jäger first.", "résumé"])
def test_a_single_letter_that_is_no_utf_8_is_of_an_8_bit_encoding(text: str) -> None:
    assert decoded(text.encode("cp1252")) == text


def test_what_the_encoding_does_not_define_becomes_a_replacement_character() -> None:
    known = "Die Gärtnerei öffnet für Gäste früh.\n" * 3_000
    data = known.encode("cp1252")
    assert decoded(data + b"\x81\n" + data) == known + "\ufffd\n" + known


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Die Schlüssel für das Gewächshaus hängen im Büro."),
        ("cp1252", "Die Schlüssel für das Gewächshaus hängen im Büro."),
        ("utf-8", "Немате дозвола за поставување на пермисии."),
        ("cp1251", "Отчёт о командировке нужно сдать в бухгалтерию."),
        ("cp949", "출장 보고서는 이 주 안에 경리부에 제출해야 합니다."),
    ],
)
@pytest.mark.parametrize("nuls", [1, 2, 4])
def test_a_few_nuls_are_spaces(encoding: str, text: str, nuls: int) -> None:
    assert decoded(text.replace(" ", "\0", nuls).encode(encoding)) == text


def test_names_that_end_with_nuls_are_text() -> None:
    assert decoded(b"name\0one\0two\0") == "name one two "


@pytest.mark.parametrize("start", ["BM", "MZ", "OTTO", "ID3"])
def test_a_text_may_begin_like_another_format(start: str) -> None:
    text = f"{start}: отчёт о командировке нужно сдать в бухгалтерию."
    assert decoded(text.encode("cp1251")) == text


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "The key is under the mat. " * 5)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(struct.pack("<999h", *(i * 37 % 4001 - 2000 for i in range(999))))
    return file.getvalue()


BINARIES = {
    "random": random.Random(1).randbytes(5_000),
    "few random": random.Random(2).randbytes(200),
    "nuls": bytes(1_000),
    "all bytes": bytes(range(256)) * 4,
    "numbers": struct.pack("<999I", *range(999)),
    "short numbers": struct.pack("<999H", *range(999)),
    "zip": zipped(),
    "gzip": gzip.compress(b"The key is under the mat."),
    "sound": sound(),
    "program": Path(sys.executable).read_bytes(),
    "UTF-16's mark only": b"\xff\xfe" + random.Random(3).randbytes(1_000),
}


@pytest.mark.parametrize("kind", BINARIES)
def test_what_is_no_text_is_refused(kind: str) -> None:
    with pytest.raises(UnreadableFile, match="not text"):
        decoded(BINARIES[kind])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252", "mac-roman"])
def test_a_large_file_takes_a_moment(encoding: str) -> None:
    text = "Die Schlüssel für das Gewächshaus hängen im Büro.\n" * 200_000
    data = text.encode(encoding)
    start = time.process_time()
    assert decoded(data) == text
    assert time.process_time() - start < 3
