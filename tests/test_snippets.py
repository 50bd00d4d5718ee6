import time

import pytest

from localdocs.snippets import Document, Page, snippets

SENTENCES = [
    f"This is sentence number {i} and it says a little more than nothing." for i in range(99)
]


def cut(text: str, size: int = 200, **how: bool) -> list[str]:
    return [s.text for s in snippets(Document((Page(text),), **how), size)]


@pytest.mark.parametrize("size", [1, 10, 64, 512])
@pytest.mark.parametrize("text", [" ".join(SENTENCES), "x" * 2000, "年假申请。" * 300, "🙂" * 700])
def test_no_snippet_is_too_long_and_no_text_is_lost(text: str, size: int) -> None:
    pieces = cut(text, size)
    assert max(map(len, pieces)) <= size
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_cuts_are_between_sentences() -> None:
    assert all(piece.endswith("nothing.") for piece in cut(" ".join(SENTENCES)))


def test_cuts_are_at_paragraphs_where_possible() -> None:
    paragraphs = ["\n".join(SENTENCES[:2]), "\n".join(SENTENCES[2:4]), "\n".join(SENTENCES[4:6])]
    assert cut("\n\n".join(paragraphs)) == paragraphs


def test_markdown_is_cut_at_headings() -> None:
    text = f"# One\n\n{SENTENCES[0]}\n\n# Two\n\n{SENTENCES[1]}\n"
    assert [piece.splitlines()[0] for piece in cut(text, 100, markdown=True)] == ["# One", "# Two"]


def test_lines_count_from_one() -> None:
    text = f"{SENTENCES[0]}\n\n\n{SENTENCES[1]}\n{SENTENCES[2]}\n"
    pieces = snippets(Document((Page(text),)), 150)
    assert [(s.first_line, s.last_line) for s in pieces] == [(1, 1), (4, 5)]


def test_pages_are_kept_apart() -> None:
    document = Document((Page("one", 1), Page("", 2), Page("three", 3)), lines=False)
    found = [(s.text, s.page, s.first_line) for s in snippets(document, 512)]
    assert found == [("one", 1, None), ("three", 3, None)]


def test_headings_above_a_snippet_are_its_own() -> None:
    text = (
        "Before.\n\n# Book\n\n## First part ##\n\nSome text.\n\n```\n# no heading\n```\n\n"
        "Second part\n-----------\n\nMore text.\n\n# Another\n\nLast text.\n"
    )
    found = {
        s.text.splitlines()[-1]: s.headings
        for s in snippets(Document((Page(text),), markdown=True), 30)
    }
    assert found["Before."] == ""
    assert found["Some text."] == "Book > First part"
    assert found["More text."] == "Book > Second part"
    assert found["Last text."] == "Another"


def test_headings_have_a_bound() -> None:
    long = "word " * 10_000
    for heading in (f"# {long}", f"{long}\n==="):
        [*_, last] = snippets(Document((Page(f"{heading}\n\nText."),), markdown=True), 200)
        assert last.text.endswith("Text.")
        assert last.headings == "word " * 39 + "word…"


def test_headings_of_a_page_are_above_its_own() -> None:
    document = Document((Page("# Two\n\nText.", headings=("x" * 999, "One")),), markdown=True)
    [snippet] = snippets(document, 200)
    assert snippet.headings == f"{'x' * 199}… > One > Two"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "[a](" * 20_000,
        ">" * 10_000 + " a",
        "*a " * 50_000,
        "`" * 50_000,
        "<!--" * 50_000,
        "[a]: b\n" * 50_000,
        "\n".join(" " * 2 * i + "- a" for i in range(1000)),
        "# a\n" * 20_000,
        "# " + "x" * 1_000_000,
        "x" * 1_000_000,
        "word " * 200_000,
        "\n" * 1_000_000,
    ],
    ids=lambda text: repr(text[:6]),
)
@pytest.mark.parametrize("markdown", [False, True])
def test_no_text_takes_long(text: str, markdown: bool) -> None:
    begun = time.process_time()
    cut(text, 512, markdown=markdown)
    assert time.process_time() - begun < 5
