"""PDFs, as reportlab writes them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from localdocs.errors import UnreadableFile
from localdocs.readers import read
from localdocs.snippets import Document, snippets


def written(path: Path, draw: Callable[[Canvas], None], **how: object) -> Document:
    """What is read of a PDF with what ``draw`` puts on its canvas."""
    canvas = Canvas(str(path / "a.pdf"), **how)
    draw(canvas)
    canvas.save()
    return read(path / "a.pdf")


def pages(path: Path, *texts: str, heads: tuple[str, str] = ("", "")) -> list[str]:
    """What is read of a PDF with a page for each of ``texts``, and lines above and below."""

    def draw(canvas: Canvas) -> None:
        for number, text in enumerate(texts, 1):
            canvas.drawString(72, 810, heads[0].format(number))
            canvas.drawString(72, 30, heads[1].format(number))
            lines = canvas.beginText(72, 740)
            lines.textLines(text)
            canvas.drawText(lines)
            canvas.showPage()

    return [page.text for page in written(path, draw).pages]


def row_by_row(canvas: Canvas, *columns: list[str], top: int = 700, width: int = 240) -> None:
    canvas.setFont("Helvetica", 10)
    for number, row in enumerate(zip(*columns, strict=True)):
        for place, text in enumerate(row):
            canvas.drawString(50 + place * width, top - 14 * number, text)


# -- Whole files


def test_a_damaged_page_costs_only_itself(tmp_path: Path) -> None:
    pages(tmp_path, "First.", "Second.", "Third.")
    path = tmp_path / "a.pdf"
    before, second, after = path.read_bytes().partition(b"/Kids [ 3 0 R 4 0 R")
    assert second
    path.write_bytes(before + b"/Kids [ 3 0 R null " + after)
    read_pages = read(path).pages
    assert [(page.number, page.text) for page in read_pages if page.text] == [
        (1, "First."),
        (3, "Third."),
    ]


def test_a_pdf_has_pages_a_title_an_author_a_day_and_keywords(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setTitle("Title")
        canvas.setAuthor("Author")
        canvas.setKeywords("harbour, ferry")
        for text in ("First page", "Second page"):
            canvas.drawString(72, 700, text)
            canvas.showPage()

    found = written(tmp_path, draw, invariant=True)
    assert [(page.number, page.text) for page in found.pages] == [
        (1, "First page"),
        (2, "Second page"),
    ]
    assert (found.title, found.author, found.tags, found.lines) == (
        "Title",
        "Author",
        "harbour, ferry",
        False,
    )
    assert found.date == "2000-01-01"


def test_a_pdf_that_anyone_may_open_is_read(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        lambda canvas: canvas.drawString(50, 700, "open to all"),
        encrypt=StandardEncryption("", "owner"),
    )
    assert found.pages[0].text == "open to all"


def test_an_encrypted_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="it is encrypted"):
        written(
            tmp_path,
            lambda canvas: canvas.drawString(50, 700, "secret"),
            encrypt=StandardEncryption("password"),
        )


def test_one_of_pictures_is_taken_for_a_scan(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableFile, match=r"there is no text in it: a scan\?"):
        written(tmp_path, lambda canvas: canvas.drawImage(str(tmp_path / "a.png"), 50, 700))


def test_an_empty_one_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"there is no text in it$"):
        written(tmp_path, lambda canvas: canvas.showPage())


# -- Words and lines


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("The accumu-\nlator and the regu-\nlator", "The accumulator and the regulator"),
        ("It is a well-\nknown fact", "It is a well-known fact"),
        ("So up-to-\ndate that it is up-to-date", "So up-to-date that it is up-to-date"),
        ("Write an E-\nMail", "Write an E-Mail"),
        ("The Vor-\nund Nachteile", "The Vor- und Nachteile"),
        ("Pages 10-\n20", "Pages 10- 20"),
    ],
)
def test_divided_words_are_whole(tmp_path: Path, lines: str, text: str) -> None:
    (found,) = pages(tmp_path, lines)
    assert " ".join(found.split()) == text


PROSE = """The committee met in the old town hall on the third of May and decided that
the harbour basin shall be dredged before the winter storms, so that the ferry
Ada can be moored at the inner quay, where the depth is four metres at ebb.
Nobody spoke against it."""


def test_the_lines_of_a_paragraph_are_one(tmp_path: Path) -> None:
    (found,) = pages(tmp_path, PROSE)
    assert found == PROSE.replace("\n", " ").replace("ebb. ", "ebb.\n")


def test_lines_of_chinese_are_joined_without_spaces(tmp_path: Path) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    lines = (
        "委员会五月三日在旧市政厅开会并决定",
        "港口应在冬季风暴之前进行疏浚以便渡",
        "轮停靠在内码头。",
    )

    def draw(canvas: Canvas) -> None:
        canvas.setFont("STSong-Light", 12)
        for number, line in enumerate(lines):
            canvas.drawString(72, 700 - 14 * number, line)

    assert written(tmp_path, draw).pages[0].text == "".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace\n12 Harbour Street\nLeith\n• nine\n• ten",
        "Maria Schmidt\nPeter Schulze\nAnnas Schwarz",
        # No line of the first is full.
        "The Society of the Keepers of Lighthouses\n"
        "Harbour Street 12, on the northern quay of the town of Leith\nScotland",
        "• to vent the accumulator before work\n• to open the regulators slowly by hand\n"
        "• to write the pressure into the book",
        "1. Vent the accumulator before the work\n2. Open the regulators slowly by hand\n"
        "3. Write the pressure into the book now",
    ],
)
def test_short_lines_and_lists_stay_lines(tmp_path: Path, text: str) -> None:
    assert pages(tmp_path, text) == [text]


def test_an_item_is_one_line_with_its_mark(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "•")
        canvas.drawString(110, 700, "to write the pressure into the book that")
        canvas.drawString(110, 686, "lies on the shelf")

    assert written(tmp_path, draw).pages[0].text == (
        "• to write the pressure into the book that lies on the shelf"
    )


@pytest.mark.parametrize(("size", "below"), [(20, 22), (10, 40)], ids=["larger", "apart"])
def test_headings_stay_lines(tmp_path: Path, size: int, below: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        canvas.drawString(72, 700, "The pump in the cellar of the house")
        canvas.setFont("Helvetica", 10)
        canvas.drawString(72, 700 - below, "to be checked once a week by the caretaker")

    assert written(tmp_path, draw).pages[0].text == (
        "The pump in the cellar of the house\nto be checked once a week by the caretaker"
    )


# -- Columns and tables

LEFT = [
    "The hydraulic pump in the cellar",
    "must be checked once a week by",
    "the caretaker, who writes the",
    "pressure into the green book,",
    "which lies on the shelf above.",
]
RIGHT = [
    "Visitors of the museum may use",
    "the lift on the north side that",
    "stops at all floors except the",
    "third one, where the archive is,",
    "which opens on Tuesdays at ten.",
]
THIRD = [
    "Members of the club pay eight",
    "crowns for each day that they",
    "stay, and nothing at all if the",
    "harbour is closed because of ice",
    "or of a storm from the north.",
]


def assert_in_order(text: str, *parts: list[str]) -> None:
    words = " ".join(text.split())
    places = [words.index(" ".join(part)) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("columns", [(LEFT, RIGHT), (LEFT, RIGHT, THIRD)], ids=[2, 3])
def test_columns_drawn_row_by_row_are_read_one_by_one(
    tmp_path: Path, columns: tuple[list[str], ...]
) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFontSize(11)
        canvas.drawString(50, 760, "Notes for the staff and all visitors of the house on the hill")
        row_by_row(canvas, *columns, width=510 // len(columns))
        canvas.drawString(50, 600, "The end goes over the whole width of the page, as it began.")

    found = written(tmp_path, draw).pages[0].text
    assert_in_order(found, ["Notes for the staff"], *columns, ["The end goes over"])


def test_columns_whose_lines_are_not_level_are_read_one_by_one(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
            canvas.drawString(50, 700 - 14 * number, left)
            canvas.drawString(310, 697 - 14 * number, right)

    assert_in_order(written(tmp_path, draw).pages[0].text, LEFT, RIGHT)


def test_columns_of_different_length_are_read_one_by_one(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        row_by_row(canvas, LEFT[:4], RIGHT[:4])
        canvas.drawString(50, 700 - 14 * 4, LEFT[4])
        canvas.drawString(50, 560, "Conclusion")

    found = written(tmp_path, draw).pages[0].text
    assert_in_order(found, LEFT, RIGHT[:4], ["Conclusion"])


def test_a_word_divided_in_a_column_is_whole(tmp_path: Path) -> None:
    left = [*LEFT[:3], "pressure into the pres-", "sure book on the shelf above"]
    right = [*RIGHT[:3], "third one, where the ar-", "chive opens on Tuesdays at ten"]
    found = written(tmp_path, lambda canvas: row_by_row(canvas, left, right)).pages[0].text
    assert "pressure book" in found
    assert "the archive opens" in found


@pytest.mark.parametrize(
    "columns",
    [
        (["Item", "Apples", "Sour cherries", "Plums"], ["Price", "5.20", "9.10", "6.00"]),
        (["apples", "cherries", "plums"], ["red or green", "red", "blue"]),
        (
            ["apples of the northern farm", "cherries of the old mill", "plums of the parish"],
            ["520", "910", "600"],
        ),
        (
            ["Opening hours", "Telephone", "Address", "Contact person"],
            ["Monday to Friday, nine to five", "7731 or 7732", "12 Harbour Street, Leith", "Ada"],
        ),
        (
            ["Salmon of the season", "Soup with white beans", "Bread and salted butter", "Tea"],
            ["North Farm and Sons", "South Farm and Sons", "Old Mill of the Parish", "Quay"],
        ),
    ],
)
def test_tables_are_read_row_by_row(tmp_path: Path, columns: tuple[list[str], ...]) -> None:
    found = written(tmp_path, lambda canvas: row_by_row(canvas, *columns)).pages[0].text
    assert found == "\n".join(" ".join(row) for row in zip(*columns, strict=True))


def test_leaders_are_short(tmp_path: Path) -> None:
    assert pages(tmp_path, "Contents . . . . . . . . . . . . 3") == ["Contents … 3"]


# -- From page to page

FIRST = "The deputy mayor was asked to write to the office in the capital, which is"
SECOND = "to answer within a month. The second point was the library.\nIts roof leaks."


def test_a_sentence_over_two_pages_is_on_the_first(tmp_path: Path) -> None:
    first, second = pages(tmp_path, f"We met. {FIRST}", SECOND)
    assert first == f"We met. {FIRST} to answer within a month."
    assert second == "The second point was the library.\nIts roof leaks."


def test_a_sentence_goes_on_with_a_capital_where_lines_are_full(tmp_path: Path) -> None:
    first, second = pages(
        tmp_path,
        "The costs were shared by the parish of Leith and by the people of the northern\n"
        "quay, as they had been in the years before, but not any longer by the state's",
        "Ministry of Culture. The end.",
    )
    assert first.endswith("state's Ministry of Culture.")
    assert second == "The end."


def test_a_word_over_two_pages_is_on_the_first(tmp_path: Path) -> None:
    first, second = pages(tmp_path, "We must vent the accumu-", "lator first. Then go.")
    assert (first, second) == ("We must vent the accumulator first.", "Then go.")


def test_heads_feet_and_footnotes_are_not_in_the_sentence(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number, text in enumerate((FIRST, "to answer soon. Well.", "All is done."), 1):
            canvas.drawString(72, 800, "Harbour Council")
            canvas.drawRightString(520, 800, f"Page {number} of 3")
            canvas.drawString(72, 740, text)
            canvas.setFontSize(8)
            if number == 1:
                canvas.drawString(72, 100, "* A footnote.")
            canvas.showPage()

    found = [page.text for page in written(tmp_path, draw).pages]
    assert found[0].split("\n")[-2:] == [f"{FIRST} to answer soon.", "* A footnote."]
    assert found[1:] == ["Well.", "All is done."]


@pytest.mark.parametrize(
    ("head", "foot"),
    [
        ("Minutes of the council", "{}"),
        ("Minutes of the council", "- {} -"),
        ("{}/3", "Minutes of the council"),
        ("Minutes of the council", "Seite {} von 3"),
        ("Minutes of the council", "Page {}"),
    ],
)
def test_what_pages_repeat_is_in_the_first_only(tmp_path: Path, head: str, foot: str) -> None:
    found = pages(tmp_path, "One.", "Two.", "Three.", heads=(head, foot))
    assert "Minutes of the council" in found[0]
    assert found[1:] == ["Two.", "Three."]
    assert not any(character.isdigit() for character in found[0])


def test_rows_of_frequent_values_stay(tmp_path: Path) -> None:
    rows = [("Leith", "yes"), ("Leith", "no"), ("Skye", "yes"), ("Skye", "no")]

    def draw(canvas: Canvas) -> None:
        for row in rows:
            canvas.drawString(72, 700, row[0])
            canvas.drawString(300, 700, row[1])
            canvas.showPage()

    found = [page.text for page in written(tmp_path, draw).pages]
    assert found == [" ".join(row) for row in rows]


def test_roman_numbers_of_pages_are_left_out(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in ("iv", "v", "vi"):
            canvas.drawString(72, 740, f"Text of {number}.")
            canvas.drawString(300, 30, number)
            canvas.showPage()

    found = [page.text for page in written(tmp_path, draw).pages]
    assert found == ["Text of iv.", "Text of v.", "Text of vi."]


def test_numbers_that_do_not_count_pages_stay(tmp_path: Path) -> None:
    found = pages(tmp_path, "One.", "Two.", "Three.", heads=("Lesson {}", "{}7 crowns"))
    assert [page.split("\n")[:2] for page in found] == [
        ["Lesson 1", "17 crowns"],
        ["Lesson 2", "27 crowns"],
        ["Lesson 3", "37 crowns"],
    ]


@pytest.mark.parametrize(
    ("end", "start"),
    [
        ("This is the end.", "this begins in lower case"),
        ("Chapter one", "The next chapter. More."),
        (FIRST, "• an item. More."),
        (FIRST, "2. Second item. More."),
        (FIRST, "to answer " + "and to answer again " * 40 + "at last. More."),
    ],
)
def test_what_does_not_go_on_stays_on_its_page(tmp_path: Path, end: str, start: str) -> None:
    assert pages(tmp_path, end, start) == [end, start]


def test_the_sentence_is_in_one_snippet_of_its_first_page(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for text in (PROSE + "\n" + FIRST, SECOND):
            lines = canvas.beginText(72, 740)
            lines.textLines(text)
            canvas.drawText(lines)
            canvas.showPage()

    sentence = f"{FIRST} to answer within a month."
    found = snippets(written(tmp_path, draw), 300)
    assert [snippet.page for snippet in found if sentence in snippet.text] == [1]


# -- What was written into it


def test_filled_fields_are_read_with_their_labels_and_names(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        form = canvas.acroForm
        canvas.drawString(72, 700, "Where to:")
        form.textfield(name="destination", x=150, y=694, width=200, height=20, value="Reykjavik")
        form.textfield(name="reason", x=150, y=654, width=200, height=20, value="")
        form.textfield(name="t1", tooltip="Name", x=150, y=600, width=90, height=20, value="Ada")
        form.choice(
            name="meal",
            x=150,
            y=554,
            width=90,
            height=20,
            value="s",
            options=[("Soup of the day", "s"), ("Fish", "f")],
        )
        form.textfield(name="code", y=300, value="SECRET", fieldFlags="password")
        form.textfield(name="draft", y=260, value="SECRET", annotationFlags="hidden")
        form.checkbox(name="window seat", x=150, y=524, checked=True)
        form.checkbox(name="aisle seat", x=150, y=494, checked=False)
        form.radio(name="class", value="first", x=150, y=464, selected=True)
        form.radio(name="class", value="second", x=190, y=464, selected=False)

    text = written(tmp_path, draw).pages[0].text
    assert text.split("\n") == [
        "Where to: Reykjavik",
        "destination: Reykjavik",
        "Name: Ada",
        "meal: Soup of the day",
        "window seat: Yes",
        "class: first",
    ]


def test_fields_are_on_their_page(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.showPage()
        canvas.acroForm.textfield(name="city", x=72, y=700, width=90, height=20, value="Leith")
        canvas.showPage()

    assert [page.text for page in written(tmp_path, draw).pages] == ["", "city: Leith"]


def test_notes_are_read(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "The plan")
        canvas.textAnnotation("Ask the harbour master first", (100, 600, 200, 700))
        canvas.freeTextAnnotation("Too dear", "/Helv 12 Tf", Rect=(100, 500, 200, 600))

    assert written(tmp_path, draw).pages[0].text.split("\n") == [
        "The plan",
        "Ask the harbour master first",
        "Too dear",
    ]
