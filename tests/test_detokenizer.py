import pytest

from app.inference.detokenizer import Detokenizer


def released(pieces: list[bytes], *stop: str) -> tuple[list[str], bool]:
    """What is released after each piece and at the end, and whether a stop string was found."""
    text = Detokenizer(stop)
    shown = []
    for piece in pieces:
        shown.append(text.add(piece))
        if text.stopped:
            break
    return [*shown, text.finish()], text.stopped


def test_text_is_released_at_once() -> None:
    assert released([b"a", b" b"]) == (["a", " b", ""], False)


def test_only_complete_characters_are_released() -> None:
    pieces = [bytes([byte]) for byte in "é😀".encode()]
    assert released(pieces) == (["", "é", "", "", "", "😀", ""], False)


def test_an_incomplete_character_at_the_end_is_dropped() -> None:
    assert released([b"a", "😀".encode()[:3]]) == (["a", "", ""], False)


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    assert "".join(released([b"a\xff", b"\xc3", b"b"])[0]) == "a\ufffd\ufffdb"


@pytest.mark.parametrize(
    ("pieces", "stop", "shown"),
    [
        ([b"abc"], ["b"], "a"),
        ([b"a", b"b", b"c"], ["bc"], "a"),
        ([b"one\n", b"\ntwo"], ["\n\n"], "one"),
        ([b"aab"], ["ab"], "a"),
        ([b"a", b"a", b"b"], ["ab"], "a"),
        ([b"xyz"], ["z", "y"], "x"),
        ([b"x", b"\xf0\x9f", b"\x98\x80", b"y"], ["😀"], "x"),
        ([b"END"], ["END"], ""),
    ],
)
def test_a_stop_string_ends_the_text_before_it(
    pieces: list[bytes], stop: list[str], shown: str
) -> None:
    texts, stopped = released(pieces, *stop)
    assert ("".join(texts), stopped) == (shown, True)


def test_what_may_begin_a_stop_string_is_held_back() -> None:
    assert released([b"a\n", b"b", b"\n", b"\n"], "\n\n")[0] == ["a", "\nb", "", "", ""]


def test_what_was_held_back_is_released_at_the_end() -> None:
    assert released([b"abc<", b"|"], "<|end|>") == (["abc", "", "<|"], False)


def test_the_longest_possible_beginning_is_held_back() -> None:
    assert released([b"xabab", b"c"], "ababc", "bz")[0] == ["x", "", ""]
