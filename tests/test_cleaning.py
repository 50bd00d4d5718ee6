"""Words that are divided, or have characters in them that nobody sees."""

import time
from pathlib import Path

import pytest

from localdocs.readers import read
from localdocs.readers.cleaning import day, vocabulary, whole_words

FULL = "This line of running text is as long as the lines of its file are "


def read_text(folder: Path, text: str, name: str = "a.txt") -> str:
    path = folder / name
    path.write_bytes(text.encode())
    (page,) = read(path).pages
    return page.text


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
@pytest.mark.parametrize("unseen", ["\u00ad", "\u200b", "\u2060", "\ufeff", "\u00ad\u200b"])
def test_what_is_not_seen_does_not_split_words(tmp_path: Path, name: str, unseen: str) -> None:
    text = f"the refri{unseen}gera{unseen}tor, ประ{unseen}เทศ"
    assert "the refrigerator, ประเทศ" in read_text(tmp_path, text, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.log", "\x1b[1;31mfailed\x1b[0m at\x07 \x1b]0;title\x07nine"),
        ("a.json", '{"failed": "at \\u001b[31m\\u0000nine\\u009b"}'),
        ("a.json", '{"failed\\u001b[0m": [{"at": "%s"}, {"at": "nine"}]}' % ("\\u0001x " * 150)),
        ("a.ipynb", '{"cells": [{"cell_type": "markdown", "source": "failed at\\u001b[0m nine"}]}'),
    ],
)
def test_control_characters_are_gone(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    for page in read(tmp_path / name).pages:
        assert page.text.replace("\n", "").isprintable()
        assert "[" not in page.text
        assert "".join(page.headings).isprintable()


@pytest.mark.parametrize("text", ["می‌خواهم", "क्‍ष", "👩‍👩‍👧", "well-known", "10-20", "a b"])
def test_joiners_and_hyphens_are_letters_of_words(tmp_path: Path, text: str) -> None:
    assert read_text(tmp_path, text) == text


def test_ligatures_become_letters(tmp_path: Path) -> None:
    assert read_text(tmp_path, "eﬀective oﬃce ﬁre ﬂow") == "effective office fire flow"


def test_a_soft_hyphen_at_the_end_of_a_line_joins_the_lines_words(tmp_path: Path) -> None:
    assert read_text(tmp_path, "accumu\u00ad\n lator, then\nend") == "accumulator,\nthen\nend"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        # The word is elsewhere in the text.
        ("accumu-\nlator or accumulator", "accumulator\nor accumulator"),
        ("Accumu-\n  lator. An accumulator", "Accumulator.\n  An accumulator"),
        ("Der Schlüs-\nsel: Schlüssel", "Der Schlüssel:\nSchlüssel"),
        ("деревян-\nный: деревянный", "деревянный:\nдеревянный"),
        ("well-\nknown, well-known", "well-known,\nwell-known"),
        ("half-\nway, halfway", "halfway,\nhalfway"),
        ("state-of-the-\nart is state-of-the-art", "state-of-the-art\nis state-of-the-art"),
        # It is not, but the line is full.
        (f"{FULL}accumu-\nlator and", f"{FULL}accumulator\nand"),
        (f"- {FULL}accumu-\n  lator and", f"- {FULL}accumulator\n  and"),
        (f"{FULL}well-\nknown and", f"{FULL}well-known\nand"),
    ],
)
def test_divided_words_are_whole_on_their_first_line(tmp_path: Path, text: str, whole: str) -> None:
    assert read_text(tmp_path, text) == whole
    assert text.count("\n") == whole.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        f"{FULL}Vor-\nund Nachteile",
        f"{FULL}short-\nand long-term",
        f"{FULL}10-\n20",
        f"{FULL}E-\nMail",
        f"{FULL}https://example.org/some-\nthing",
        f"{FULL}--dry-\nrun",
        f"{FULL}some_name-\nhere",
        f"    {FULL}left-\nright",
        f"| {FULL}left-\nright",
        f"{FULL}either -\nor",
        f"{FULL}accumu-\n\nlator",
        "short-\nlines",
        "- a-\n- b-\n- c",
    ],
)
def test_other_ends_of_lines_are_left_alone(tmp_path: Path, text: str) -> None:
    assert read_text(tmp_path, text) == text


def test_lines_of_a_table_are_left_alone(tmp_path: Path) -> None:
    text = f"{FULL}accumu-\nlator, accumulator"
    assert read_text(tmp_path, text, "a.csv") == text


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("accumu-\nlator", "accumulator\n"),
        ("ACCUMU-\nLATOR", "ACCUMULATOR\n"),
        ("E-\nMail", "E-Mail\n"),
        ("Anna-\nLena", "Anna-Lena\n"),
        ("a well-\nknown man", "a well-known\nman"),
        ("well-estab-\nlished", "well-established\n"),
        ("a state-of-the-\nart pump of the house", "a state-of-the-art\npump of the house"),
        ("regu\u2010\nlator", "regulator\n"),
        ("Vor-\nund Nachteile", "Vor-\nund Nachteile"),
        ("10-\n20", "10-\n20"),
    ],
)
def test_where_hyphens_divide_words_only_what_needs_one_keeps_it(text: str, whole: str) -> None:
    assert whole_words(text, vocabulary([text]), certain=True) == whole


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "a-" * 10**6, "漢字" * 10**6, "ab-\n" * 10**5, "\u00ad\n" * 10**6]
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    whole_words(text, vocabulary([text]), certain=True)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2024-09-05", "2024-09-05"),
        ("2024-09-05T23:00:00+02:00", "2024-09-05"),
        ("D:20240905230000+02'00'", "2024-09-05"),
        ("20240905", "2024-09-05"),
        ("20241305", ""),
        ("00000101", ""),
        ("29990101", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_a_day_is_one_that_can_be(text: str, found: str) -> None:
    assert day(text) == found
