"""What is quoted of the snippets that were found."""

from pathlib import Path

import pytest

from localdocs.index import SnippetIndex, SourceFile
from localdocs.ranking import search
from localdocs.snippets import Document, Page, Snippet, snippets

WORDS = [
    "Alpha",
    "Bravo",
    "Charlie",
    "Delta",
    "Echo",
    "Foxtrot",
    "Golf",
    "Hotel",
    "India",
    "Juliett",
    "Kilo",
    "Lima",
]
SENTENCES = [f"{word} is waiting there." for word in WORDS]


@pytest.fixture
def index(tmp_path: Path) -> SnippetIndex:
    return SnippetIndex(tmp_path / "index")


def excerpts(
    index: SnippetIndex, pieces: list[Snippet], question: str, size: int = 0, limit: int = 3
) -> list[Snippet]:
    index.write([], [(SourceFile("a"), pieces), (SourceFile("z"), [pieces[0]])], "")
    hits = search([index.snapshot()], question, limit, size)
    return [hit.snippet for hit in hits if hit.file.name == "a"]


def cut(text: str, size: int, **how: object) -> list[Snippet]:
    return [*snippets(Document((Page(text),), **how), size)]  # type: ignore[arg-type]


def test_neighbours_that_are_found_become_one_excerpt(index: SnippetIndex) -> None:
    pieces = cut("One apple.\n\nTwo pears.\n\nThree plums.\n\nFour figs.", 12)
    [excerpt] = excerpts(index, pieces, "pears, plums, figs")
    assert excerpt.text == "Two pears.\n\nThree plums.\n\nFour figs."
    assert (excerpt.first_line, excerpt.last_line) == (3, 7)


def test_what_is_only_beside_a_snippet_that_is_found_is_not(index: SnippetIndex) -> None:
    text = "One apple.\n\nTwo pears.\n\nThree plums.\n\nFour figs."
    [excerpt] = excerpts(index, cut(text, 12), "pears")
    assert excerpt.text == "Two pears."


def test_an_excerpt_has_three_snippets_at_most(index: SnippetIndex) -> None:
    pieces = cut("\n\n".join(f"Pear {n}." for n in range(7)), 8)
    assert all(excerpt.text.count("Pear") <= 3 for excerpt in excerpts(index, pieces, "pear"))


def test_neighbours_in_different_files_stay_apart(index: SnippetIndex) -> None:
    index.write([], [(SourceFile(name), cut(f"A pear {name}.", 64)) for name in "abc"], "")
    assert len(search([index.snapshot()], "pear", 3)) == 3


def test_the_limit_counts_excerpts(index: SnippetIndex) -> None:
    text = "\n\n".join(f"{'Pear' if n % 3 < 2 else 'Filler'} {n}." for n in range(12))
    assert len(excerpts(index, cut(text, 12), "pear", limit=2)) == 2


@pytest.mark.parametrize("size", [50, 60, 70])
def test_a_short_one_has_the_sentences_around_it(index: SnippetIndex, size: int) -> None:
    text = " ".join(SENTENCES)
    [excerpt] = excerpts(index, cut(text, 30), "foxtrot", size)
    assert excerpt.text in text
    assert excerpt.text.split()[0] in WORDS
    assert excerpt.text.endswith(".")
    assert SENTENCES[5] in excerpt.text
    assert size - 26 < len(excerpt.text) <= size


def test_lines_are_those_of_the_whole_excerpt(index: SnippetIndex) -> None:
    text = "\n".join(SENTENCES)
    [excerpt] = excerpts(index, cut(text, 30), "foxtrot", 75)
    lines = text.split("\n")[excerpt.first_line - 1 : excerpt.last_line]  # type: ignore[operator]
    assert excerpt.text == "\n".join(lines)
    assert len(lines) == 3


def test_an_excerpt_begins_with_the_headings_above_it(index: SnippetIndex) -> None:
    text = "# House\n\n## Rooms\n\nThe hall is large.\n\nThe attic is cold."
    [excerpt] = excerpts(index, cut(text, 20, markdown=True), "attic")
    assert excerpt.text == "House > Rooms\nThe attic is cold."


def test_a_heading_is_not_there_twice(index: SnippetIndex) -> None:
    text = "# House\n\n## Rooms\n\nThe attic is cold."
    pieces = cut(text, 40, markdown=True)
    found = {excerpt.text for excerpt in excerpts(index, pieces, "attic")}
    assert all(text.count("Rooms") == text.count("House") == 1 for text in found)


def test_what_is_under_other_headings_is_not_added(index: SnippetIndex) -> None:
    text = "# Attic\n\nIt is cold.\n\n# Hall\n\nIt is large.\n\n# Yard\n\nIt is wet."
    [excerpt] = excerpts(index, cut(text, 24, markdown=True), "hall", 512)
    assert excerpt.text == "# Hall\n\nIt is large."


def test_an_excerpt_begins_on_the_page_that_it_names(index: SnippetIndex) -> None:
    pages = tuple(Page(f"{sentence}", n + 1) for n, sentence in enumerate(SENTENCES[:3]))
    [excerpt] = excerpts(index, [*snippets(Document(pages, lines=False), 30)], "bravo", 512)
    assert (excerpt.page, excerpt.text) == (2, f"{SENTENCES[1]}\n\n{SENTENCES[2]}")
    assert excerpt.first_line is None
