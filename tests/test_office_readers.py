"""Documents of office programs, as their programs and libraries write them."""

import datetime
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import odfdo
import pptx
import pytest
import xlsxwriter
from docx.document import Document as WordDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from localdocs.errors import UnreadableFile
from localdocs.readers import read
from localdocs.snippets import snippets

OFFICE = "http://schemas.openxmlformats.org"
NAMESPACES = (
    f'xmlns:w="{OFFICE}/wordprocessingml/2006/main" xmlns:a="{OFFICE}/drawingml/2006/main" '
    f'xmlns:r="{OFFICE}/officeDocument/2006/relationships" xmlns:v="urn:schemas-microsoft-com:vml" '
    f'xmlns:m="{OFFICE}/officeDocument/2006/math" '
    f'xmlns:mc="{OFFICE}/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)


def text(path: Path) -> str:
    return "\n\n".join(page.text for page in read(path).pages)


def run(content: str, properties: str = "") -> str:
    return (
        f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{content}</w:t></w:r>'
        if properties
        else f'<w:r><w:t xml:space="preserve">{content}</w:t></w:r>'
    )


def paragraph(*runs: str) -> str:
    return f"<w:p>{''.join(runs)}</w:p>"


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr/><w:tblGrid/>{''.join(rows)}</w:tbl>"


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"


def text_box(content: str) -> str:
    """As Word writes it: once for today's versions, once more for old ones."""
    box = f"<w:txbxContent>{content}</w:txbxContent>"
    return (
        "<w:r><mc:AlternateContent>"
        f'<mc:Choice Requires="wps"><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>'
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )


def deleted(content: str) -> str:
    return f"<w:r><w:delText>{content}</w:delText></w:r>"


def field(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def add(document: WordDocument, content: str) -> None:
    """Adds ``content`` to the end of the body."""
    body = parse_xml(f"<w:body {NAMESPACES}>{content}</w:body>")
    for element in list(body):
        document.element.body.insert(len(document.element.body) - 1, element)


def add_notes(document: WordDocument, kind: str, content: str) -> None:
    """Adds a note with ``content``, and a paragraph that refers to it."""
    notes = f"""<w:{kind}s {NAMESPACES}><w:{kind} w:type="separator" w:id="0">
        {paragraph("<w:r><w:separator/></w:r>")}</w:{kind}>
        <w:{kind} w:id="1">{content}</w:{kind}></w:{kind}s>"""
    part = Part(
        PackURI(f"/word/{kind}s.xml"),
        f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}s+xml",
        notes.encode(),
        document.part.package,
    )
    document.part.relate_to(part, f"{OFFICE}/officeDocument/2006/relationships/{kind}s")
    add(document, paragraph(run("Noted."), f'<w:r><w:{kind}Reference w:id="1"/></w:r>'))


def add_header(document: WordDocument, content: str) -> None:
    header = document.sections[0].header
    header.is_linked_to_previous = False
    for element in list(parse_xml(f"<w:hdr {NAMESPACES}>{content}</w:hdr>")):
        header._element.append(element)


PLACES: dict[str, Callable[[WordDocument, str], None]] = {
    "body": add,
    "block content control": lambda document, content: add(
        document, f"<w:sdt><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>"
    ),
    "table": lambda document, content: add(
        document, table(row(paragraph(run("left")), content), row(paragraph(run("below")), ""))
    ),
    "table in a table": lambda document, content: add(
        document, table(row(paragraph(run("left")), table(row(paragraph(run("in")), content))))
    ),
    "cell in a content control": lambda document, content: add(
        document,
        table(
            f"<w:tr><w:sdt><w:sdtContent><w:tc>{content}</w:tc></w:sdtContent></w:sdt>"
            f"<w:tc>{paragraph(run('right'))}</w:tc></w:tr>"
        ),
    ),
    "text box": lambda document, content: add(document, paragraph(text_box(content))),
    "header": add_header,
    "text box in a header": lambda document, content: add_header(
        document, paragraph(text_box(content))
    ),
    "footnote": lambda document, content: add_notes(document, "footnote", content),
    "endnote": lambda document, content: add_notes(document, "endnote", content),
}
CONSTRUCTS: dict[str, tuple[str, str]] = {
    "content control": (
        f"<w:sdt><w:sdtPr/><w:sdtContent>{run('shown')}</w:sdtContent></w:sdt>",
        "shown",
    ),
    "insertion": (f'<w:ins w:id="1" w:author="x">{run("shown")}</w:ins>', "shown"),
    "deletion": (
        f'{run("sho")}<w:del w:id="1" w:author="x">{deleted("gone")}</w:del>{run("wn")}',
        "shown",
    ),
    "deletion of a text box": (
        f'<w:del w:id="1" w:author="x">{text_box(paragraph(run("gone")))}</w:del>{run("shown")}',
        "shown",
    ),
    "moved text": (
        f'<w:moveFrom w:id="1" w:author="x">{run("shown")}</w:moveFrom>'
        f'<w:moveTo w:id="2" w:author="x">{run("shown")}</w:moveTo>',
        "shown",
    ),
    "link": (f'<w:hyperlink w:anchor="x">{run("shown")}</w:hyperlink>', "shown"),
    "field": (
        f"{field('begin')}<w:r><w:instrText>gone</w:instrText></w:r>{field('separate')}"
        f"{run('shown')}{field('end')}",
        "shown",
    ),
    "simple field": (f'<w:fldSimple w:instr="gone">{run("shown")}</w:fldSimple>', "shown"),
    "smart tag": (f'<w:smartTag w:element="x">{run("shown")}</w:smartTag>', "shown"),
    "formula": ("<m:oMath><m:r><m:t>shown</m:t></m:r></m:oMath>", "shown"),
    "hidden text": (run("gone", "<w:vanish/>") + run("shown"), "shown"),
    "text that is not hidden": (run("shown", '<w:vanish w:val="0"/>'), "shown"),
    "text hidden by its style": (run("gone", '<w:rStyle w:val="Unseen"/>') + run("shown"), "shown"),
    "text box": (text_box(paragraph(run("shown"))), "shown"),
    "characters": (
        "<w:r><w:t>sh</w:t><w:softHyphen/><w:t>own,</w:t><w:noBreakHyphen/><w:tab/><w:t>x</w:t>"
        "<w:br/><w:t>y</w:t><w:cr/><w:t>z</w:t><w:ptab/><w:t>0</w:t></w:r>",
        "shown,- x y z 0",
    ),
    "reading of Chinese characters": (
        f"<w:r><w:ruby><w:rt>{run('gone')}</w:rt><w:rubyBase>{run('shown')}</w:rubyBase>"
        "</w:ruby></w:r>",
        "shown",
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_docx_shows_what_word_shows_wherever_it_is(
    tmp_path: Path, place: str, construct: str
) -> None:
    content, shown = CONSTRUCTS[construct]
    document = docx.Document()
    unseen = document.styles.add_style("Unseen", WD_STYLE_TYPE.CHARACTER)
    unseen.font.hidden = True
    PLACES[place](document, paragraph(content))
    document.save(str(tmp_path / "a.docx"))
    found = " ".join(text(tmp_path / "a.docx").split())
    assert found.count(shown) == 1
    assert found.count("shown") == 1
    assert "gone" not in found


def test_a_docx_keeps_headings_and_the_order_of_what_is_below(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Prices", level=2)
    document.add_paragraph("All in euros.")
    cells = document.add_table(rows=1, cols=2).rows[0].cells
    cells[0].text, cells[1].text = "Apples", "5"
    document.add_paragraph("Without tax.")
    document.save(str(tmp_path / "a.docx"))
    found = read(tmp_path / "a.docx")
    assert text(tmp_path / "a.docx") == "## Prices\n\nAll in euros.\n\nApples; 5\n\nWithout tax."
    assert [s.headings for s in snippets(found, 512)] == ["Prices"]
    assert not found.lines


def test_headings_of_a_docx_are_known_in_any_language(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("The report", level=0)
    # What German Word writes: a name in English, and an id in German.
    german = document.styles["Heading 1"]
    german.element.set(german.element.attrib.keys()[-1], "berschrift1")
    document.add_paragraph("Einleitung").style = german
    own = document.styles.add_style("Firmenkopf", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 3"]
    document.add_paragraph("Zweck", style=own)
    level = '<w:pPr><w:outlineLvl w:val="{}"/></w:pPr>'
    add(document, paragraph(level.format(1), run("By its level")))
    add(document, paragraph(level.format(9), run("Plain by its level")))
    add(document, paragraph(level.format(7), run("Deep"), "<w:r><w:br/></w:r>", run("one")))
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx").split("\n\n") == [
        "# The report",
        "# Einleitung",
        "### Zweck",
        "## By its level",
        "Plain by its level",
        "###### Deep one",
    ]


def test_text_of_a_docx_that_looks_like_markdown_is_none(tmp_path: Path) -> None:
    document = docx.Document()
    for line in ("# 5 pieces", "```", "<!-- see", "Sum\n---", "#hashtag", "5 # 6"):
        document.add_paragraph(line)
    document.add_heading("Real", level=1)
    document.add_paragraph("Below.")
    document.save(str(tmp_path / "a.docx"))
    found = [snippet.headings for snippet in snippets(read(tmp_path / "a.docx"), 30)]
    assert set(found) == {"", "Real"}
    assert found[-1] == "Real"
    assert "\n\n#hashtag\n\n5 # 6\n\n" in text(tmp_path / "a.docx")


def test_items_of_lists_are_marked(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("By its style", style="List Bullet")
    numbers = '<w:pPr><w:numPr><w:numId w:val="{}"/></w:numPr></w:pPr>'
    add(document, paragraph(numbers.format(1), run("By itself")))
    add(document, paragraph(numbers.format(0), run("No item")))
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx") == "- By its style\n\n- By itself\n\nNo item"


def test_headers_and_footers_are_read_once_in_all_their_variants(tmp_path: Path) -> None:
    document = docx.Document()
    document.settings.odd_and_even_pages_header_footer = True
    for number in range(2):
        section = document.sections[0] if number == 0 else document.add_section()
        section.different_first_page_header_footer = True
        for name in ("header", "first_page_header", "even_page_header"):
            for part in (name, name.replace("header", "footer")):
                place = getattr(section, part)
                place.is_linked_to_previous = False
                place.paragraphs[0].text = f"The {part}"
    document.add_paragraph("Body")
    document.save(str(tmp_path / "a.docx"))
    found = text(tmp_path / "a.docx").split("\n\n")
    assert sorted(found[:3]) == ["The even_page_header", "The first_page_header", "The header"]
    assert found[3] == "Body"
    assert sorted(found[4:]) == ["The even_page_footer", "The first_page_footer", "The footer"]


def test_notes_follow_the_paragraph_that_refers_to_them(tmp_path: Path) -> None:
    document = docx.Document()
    for kind in ("footnote", "endnote"):
        add_notes(document, kind, paragraph(run(f"The {kind}.")))
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx") == "Noted.\n\nThe footnote.\n\nNoted.\n\nThe endnote."


def test_a_note_to_a_cell_of_a_table_is_in_the_cell(tmp_path: Path) -> None:
    document = docx.Document()
    add_notes(document, "footnote", paragraph(run("while it lasts")))
    reference = '<w:r><w:footnoteReference w:id="1"/></w:r>'
    add(
        document,
        table(row(paragraph(run("Tea"), reference), paragraph(run("3"))))
        + table(row(paragraph(run("Rum")), paragraph(run("9")))),
    )
    document.save(str(tmp_path / "a.docx"))
    assert "Tea while it lasts; 3\n\nRum; 9" in text(tmp_path / "a.docx")


def test_comments_are_not_text(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_comment(document.add_paragraph("shown").runs, text="gone")
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx") == "shown"


def test_rows_of_a_table_have_the_names_of_its_header(tmp_path: Path) -> None:
    document = docx.Document()
    names = row(paragraph(run("Who")), paragraph(run("Where"))).replace(
        "<w:tr>", "<w:tr><w:trPr><w:tblHeader/></w:trPr>"
    )
    gone = row(paragraph(f'<w:del w:id="1" w:author="x">{deleted("gone")}</w:del>'), paragraph())
    tall = '<w:tcPr><w:vMerge w:val="restart"/></w:tcPr>' + paragraph(run("Ann"))
    below = "<w:tcPr><w:vMerge/></w:tcPr>" + paragraph(run("Ann"))
    rows = (row(tall, paragraph(run("Rome"))), row(below, paragraph(run("Paris"))))
    control = f"<w:sdt><w:sdtContent>{row(*map(paragraph, (run('Bo'), '')))}</w:sdtContent></w:sdt>"
    wide = row('<w:tcPr><w:gridSpan w:val="2"/></w:tcPr>' + paragraph(run("Everyone else")))
    add(document, table(names, *rows, control, wide, gone))
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx").splitlines() == [
        "Who: Ann; Where: Rome",
        "Where: Paris",
        "Who: Bo",
        "Who: Everyone else",
    ]


def test_a_header_without_rows_is_text(tmp_path: Path) -> None:
    document = docx.Document()
    alone = row(paragraph(run("Who")), paragraph(run("Where"))).replace(
        "<w:tr>", "<w:tr><w:trPr><w:tblHeader/></w:trPr>"
    )
    add(document, table(alone))
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx") == "Who; Where"


def test_a_cell_over_columns_keeps_the_next_ones_in_theirs(tmp_path: Path) -> None:
    document = docx.Document()
    grid = document.add_table(rows=3, cols=3)
    for place, value in enumerate(["Item", "Kind", "Price", "", "", "7", "Tea", "green", "3"]):
        grid.cell(place // 3, place % 3).text = value
    grid.cell(1, 0).merge(grid.cell(1, 1)).text = "Coffee"
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx").splitlines() == [
        "Item: Coffee; Price: 7",
        "Item: Tea; Kind: green; Price: 3",
    ]


def test_a_table_that_is_there_for_the_layout_keeps_its_headings(tmp_path: Path) -> None:
    document = docx.Document()
    cells = document.add_table(rows=1, cols=2).rows[0].cells
    cells[0].paragraphs[0].text = "long " * 150
    cells[1].paragraphs[0].text = "Contact"
    cells[1].paragraphs[0].style = "Heading 1"
    cells[1].add_paragraph("Phone 5")
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx").endswith("long\n\n# Contact\n\nPhone 5")


def test_a_frame_of_one_column_keeps_its_paragraphs(tmp_path: Path) -> None:
    document = docx.Document()
    cell = document.add_table(rows=2, cols=1).rows[0].cells[0]
    cell.paragraphs[0].text, cell.paragraphs[0].style = "Notice", "Heading 1"
    cell.add_paragraph("No entry.")
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx") == "# Notice\n\nNo entry."


def test_a_docx_in_the_strict_variant_is_read(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title = "Title"
    document.add_heading("Strict", level=1)
    saved = io.BytesIO()
    document.save(saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "a.docx", "w") as new:
        for name in old.namelist():
            strict = (
                old.read(name)
                .replace(f"{OFFICE}/officeDocument/2006".encode(), b"http://purl.oclc.org/ooxml")
                .replace(
                    f"{OFFICE}/wordprocessingml/2006".encode(),
                    b"http://purl.oclc.org/ooxml/wordprocessingml",
                )
            )
            new.writestr(name, strict)
    assert text(tmp_path / "a.docx") == "# Strict"
    assert read(tmp_path / "a.docx").title == "Title"


@pytest.mark.parametrize("renamed", [str.upper, lambda name: name.replace("/", "\\")])
@pytest.mark.parametrize("suffix", [".docx", ".pptx"])
def test_parts_are_found_under_names_that_differ_in_case_or_slashes(
    tmp_path: Path, suffix: str, renamed: Callable[[str], str]
) -> None:
    if suffix == ".docx":
        document = docx.Document()
        document.add_heading("Prices")
        document.save(str(tmp_path / "good"))
    else:
        presentation(tmp_path / "good")
    with (
        zipfile.ZipFile(tmp_path / "good") as old,
        zipfile.ZipFile(tmp_path / f"a{suffix}", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(renamed(name), old.read(name))
    (tmp_path / "good").rename(tmp_path / f"good{suffix}")
    assert read(tmp_path / f"a{suffix}") == read(tmp_path / f"good{suffix}")


def test_a_part_that_is_missing_costs_only_itself(tmp_path: Path) -> None:
    document = docx.Document()
    add_header(document, paragraph(run("gone")))
    document.add_paragraph("shown")
    saved = io.BytesIO()
    document.save(saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "a.docx", "w") as new:
        for name in old.namelist():
            if "header" not in name:
                new.writestr(name, old.read(name))
    assert text(tmp_path / "a.docx") == "shown"


def test_a_file_that_was_never_changed_is_of_the_day_it_was_made(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("x")
    document.core_properties.created = datetime.datetime(2020, 1, 2)
    core = document.core_properties._element
    core.remove(core.find("{*}modified"))
    document.save(str(tmp_path / "a.docx"))
    assert read(tmp_path / "a.docx").date == "2020-01-02"


def test_styles_that_are_based_on_each_other_end(tmp_path: Path) -> None:
    document = docx.Document()
    one, other = (document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH) for name in "ab")
    one.base_style, other.base_style = other, one
    document.add_paragraph("shown", style=one)
    document.save(str(tmp_path / "a.docx"))
    assert text(tmp_path / "a.docx") == "shown"


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_office_files_say_who_wrote_them_about_what_and_when(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    when = datetime.datetime(2021, 3, 4, 23, 59)
    if name == "a.xlsx":
        with xlsxwriter.Workbook(path) as book:
            book.add_worksheet().write("A1", "x")
            book.set_properties(
                {"title": "Title", "author": "Ann", "keywords": "tea, cups", "created": when}
            )
    else:
        document = docx.Document() if name == "a.docx" else pptx.Presentation()
        if name == "a.docx":
            document.add_paragraph("x")
        else:
            document.slides.add_slide(document.slide_layouts[0]).shapes.title.text = "x"
        about = document.core_properties
        about.title, about.author, about.keywords = "Title", "Ann", "tea, cups"
        about.modified = when
        document.save(str(path))
    found = read(path)
    assert (found.title, found.author, found.date, found.tags) == (
        "Title",
        "Ann",
        "2021-03-04",
        "tea, cups",
    )


def presentation(path: Path) -> None:
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text, first.placeholders[1].text = "Our\nplan", "Begin\nEnd"
    first.notes_slide.notes_text_frame.text = "Speak slowly."
    second = show.slides.add_slide(show.slide_layouts[6])
    group = second.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "In groups\vof two"
    grid = second.shapes.add_table(3, 2, 0, 0, Inches(4), Inches(1)).table
    for place, value in enumerate(["Item", "Price", "Tea", "3", "Rum", "9"]):
        grid.cell(place // 2, place % 2).text = value
    data = CategoryChartData()
    data.categories = ["East"]
    data.add_series("Sales", (1,))
    frame = second.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Sales of tea"
    second._element.set("show", "0")
    show.save(str(path))


def test_a_pptx_has_a_page_for_each_slide_hidden_ones_too(tmp_path: Path) -> None:
    presentation(tmp_path / "a.pptx")
    found = read(tmp_path / "a.pptx")
    assert [(page.number, page.text) for page in found.pages] == [
        (1, "# Our plan\n\nBegin\n\nEnd\n\nSpeak slowly."),
        (2, "In groups\nof two\n\nItem: Tea; Price: 3\nItem: Rum; Price: 9\n\nSales of tea"),
    ]


def test_joined_cells_of_a_slide_are_read_once(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    grid = slide.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    for place, value in enumerate(["a", "under a", "c", "d"]):
        grid.cell(place // 2, place % 2).text = value
    grid.cell(0, 0).merge(grid.cell(0, 1))
    # PowerPoint keeps what was in a cell before, and does not show it.
    grid.cell(0, 0).text, grid.cell(0, 1).text = "a", "under a"
    show.save(str(tmp_path / "a.pptx"))
    assert text(tmp_path / "a.pptx") == "a\nc; d"


def test_the_text_of_a_diagram_is_read(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    diagram = f"""<dgm:dataModel xmlns:dgm="{OFFICE}/drawingml/2006/diagram" {NAMESPACES}>
        <dgm:ptLst><dgm:pt><dgm:t><a:p><a:r><a:t>Plan</a:t></a:r></a:p></dgm:t></dgm:pt>
        <dgm:pt><dgm:t><a:p><a:r><a:t>Do</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst>
        </dgm:dataModel>"""
    part = pptx.opc.package.Part(
        pptx.opc.packuri.PackURI("/ppt/diagrams/data1.xml"),
        "application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml",
        slide.part.package,
        diagram.encode(),
    )
    reference = slide.part.relate_to(
        part, f"{OFFICE}/officeDocument/2006/relationships/diagramData"
    )
    slide.shapes._spTree.append(
        parse_xml(
            f'''<p:graphicFrame xmlns:p="{OFFICE}/presentationml/2006/main" {NAMESPACES}>
            <a:graphic><a:graphicData uri="{OFFICE}/drawingml/2006/diagram">
            <dgm:relIds xmlns:dgm="{OFFICE}/drawingml/2006/diagram" r:dm="{reference}"/>
            </a:graphicData></a:graphic></p:graphicFrame>'''
        )
    )
    show.save(str(tmp_path / "a.pptx"))
    assert text(tmp_path / "a.pptx") == "Plan\n\nDo"


def test_slides_are_in_the_order_of_the_show(tmp_path: Path) -> None:
    show = pptx.Presentation()
    for title in ("made first", "made second"):
        show.slides.add_slide(show.slide_layouts[0]).shapes.title.text = title
    listed = show.slides._sldIdLst
    listed.append(listed[0])
    show.save(str(tmp_path / "a.pptx"))
    assert [page.text for page in read(tmp_path / "a.pptx").pages] == [
        "# made second",
        "# made first",
    ]


def test_what_is_on_every_slide_is_read_once(tmp_path: Path) -> None:
    show = pptx.Presentation()
    for title in ("One", "Two"):
        slide = show.slides.add_slide(show.slide_layouts[5])
        slide.shapes.title.text = title
        for kind, content in (
            ("ftr", "Confidential"),
            ("sldNum", "gone"),
            ("dt", "gone"),
            ("hdr", "gone"),
        ):
            box = slide.shapes.add_textbox(0, 0, 1, 1)
            box.text_frame.text = content
            properties = box._element.nvSpPr.nvPr
            properties.append(
                parse_xml(f'<p:ph xmlns:p="{OFFICE}/presentationml/2006/main" type="{kind}"/>')
            )
    show.save(str(tmp_path / "a.pptx"))
    assert text(tmp_path / "a.pptx") == "# One\n\nConfidential\n\n# Two"


def workbook(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Prices")
        sheet.write_row("A1", ["Name", "Count", "Since", "At", "Paid", "Total"])
        forms = {
            form: book.add_format({"num_format": form})
            for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm", "hh:mm", "[h]:mm:ss")
        }
        sheet.write("A2", "Tea")
        sheet.write("B2", 5.0)
        sheet.write("C2", datetime.date(2024, 3, 9), forms["yyyy-mm-dd"])
        sheet.write("D2", datetime.time(8, 30), forms["hh:mm"])
        sheet.write("E2", True)
        sheet.write_formula("F2", "=B2*2", None, 10)
        sheet.write("A5", "Rum")
        sheet.write("B5", 2.25)
        sheet.write("C5", datetime.datetime(2024, 3, 9, 14, 5), forms["yyyy-mm-dd hh:mm"])
        sheet.write("D5", datetime.timedelta(hours=30), forms["[h]:mm:ss"])
        sheet.write_formula("F5", "=1/0", None, "#DIV/0!")
        sheet.set_row(4, None, None, {"hidden": True})
        book.add_worksheet("Empty")
        series = book.add_chart({"type": "bar"})
        series.add_series({"values": "=Prices!$B$2:$B$5"})
        book.add_chartsheet("Chart").set_chart(series)
        hidden = book.add_worksheet("Old ones")
        hidden.hide()
        hidden.merge_range("C3:D3", "# of items")


def test_a_spreadsheet_has_a_page_for_each_sheet_and_names_in_each_row(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx")
    found = read(tmp_path / "a.xlsx")
    assert [(page.number, page.text) for page in found.pages] == [
        (
            1,
            "# Prices\n\n"
            "Name: Tea; Count: 5; Since: 2024-03-09; At: 08:30:00; Paid: TRUE; Total: 10\n"
            "Name: Rum; Count: 2.25; Since: 2024-03-09 14:05; At: 30:00:00",
        ),
        (4, "# Old ones\n\n\\# of items"),
    ]
    assert [s.headings for s in snippets(found, 512)] == ["Prices", "Old ones"]


def test_a_spreadsheet_is_known_by_its_content(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").rename(tmp_path / "a.xls")
    assert "Name: Tea" in text(tmp_path / "a.xls")


def test_a_fault_of_the_library_is_a_problem_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):  # what Rust's libraries raise
        pass

    def panic(file: object) -> None:
        raise PanicException

    workbook(tmp_path / "a.xlsx")
    monkeypatch.setattr("localdocs.readers.spreadsheets._pages", panic)
    with pytest.raises(UnreadableFile, match="damaged"):
        read(tmp_path / "a.xlsx")


def test_an_ods_is_read_like_an_xlsx(tmp_path: Path) -> None:
    book = odfdo.Document("spreadsheet")
    book.body.clear()
    sheet = odfdo.Table("Prices")
    sheet.set_values(
        [["Name", "Count", "Since"], ["Tea", 5, datetime.date(2024, 3, 9)], ["Rum", 2.5, None]]
    )
    book.body.append(sheet)
    book.meta.title, book.meta.initial_creator = "Title", "Ann"
    book.save(str(tmp_path / "a.ods"))
    found = read(tmp_path / "a.ods")
    assert [(page.number, page.text) for page in found.pages] == [
        (1, "# Prices\n\nName: Tea; Count: 5; Since: 2024-03-09\nName: Rum; Count: 2.5")
    ]
    assert (found.title, found.author) == ("Title", "Ann")


def odt(path: Path, *content: str, styles: str = "") -> None:
    """Writes ``content``, elements of the body, after what LibreOffice writes."""
    document = odfdo.Document("text")
    document.body.clear()
    for element in content:
        document.body.append(odfdo.Element.from_tag(element))
    for element in filter(None, [styles]):
        document.content.get_element("//office:automatic-styles").append(
            odfdo.Element.from_tag(element)
        )
    document.save(str(path))


SHOWN_IN_ODT = {
    "headings": ('<text:h text:outline-level="2">Prices</text:h>', "## Prices"),
    "deep headings": ('<text:h text:outline-level="9">Deep</text:h>', "###### Deep"),
    "spaces": (
        "<text:p>a<text:s text:c='3'/>b<text:tab/>c<text:line-break/>d\n   e</text:p>",
        "a   b\tc\nd e",
    ),
    "spans and links": (
        "<text:p>a <text:span>b</text:span> <text:a>c</text:a> d</text:p>",
        "a b c d",
    ),
    "lists in lists": (
        "<text:list><text:list-item><text:p>a</text:p><text:list><text:list-item><text:p>b</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>",
        "- a\n\n- b",
    ),
    "notes": (
        "<text:p>Noted<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>The note.</text:p></text:note-body></text:note> here.</text:p>",
        "Noted here.\n\nThe note.",
    ),
    "frames": (
        "<text:p>a<draw:frame><draw:text-box><text:p>in it</text:p></draw:text-box>"
        "<svg:title>gone</svg:title><svg:desc>gone</svg:desc></draw:frame></text:p>",
        "a\n\nin it",
    ),
    "pictures": (
        "<text:p>a<draw:frame><draw:image><office:binary-data>Z29uZQ==</office:binary-data>"
        "</draw:image></draw:frame></text:p>",
        "a",
    ),
    "comments": (
        "<text:p>a<office:annotation><dc:creator>gone</dc:creator><text:p>gone</text:p>"
        "</office:annotation>b</text:p>",
        "ab",
    ),
    "scripts": ("<text:p>a<text:script>gone</text:script></text:p>", "a"),
    "insertions": ("<text:p>a<text:change-start/>b<text:change-end/></text:p>", "ab"),
    "hidden text": ('<text:p>a<text:span text:style-name="T9">gone</text:span>b</text:p>', "ab"),
    "hidden sections": (
        '<text:section text:display="none"><text:p>gone</text:p></text:section><text:p>a</text:p>',
        "a",
    ),
    "tables in tables": (
        "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Who"
        "</text:p></table:table-cell><table:table-cell><text:p>What</text:p></table:table-cell>"
        "</table:table-row></table:table-header-rows><table:table-row><table:table-cell>"
        "<text:h>Ann</text:h></table:table-cell><table:table-cell><table:table><table:table-row>"
        "<table:table-cell><text:p>tea</text:p></table:table-cell></table:table-row></table:table>"
        "</table:table-cell></table:table-row><table:table-row><table:covered-table-cell>"
        "<text:p>gone</text:p></table:covered-table-cell>"
        "<table:table-cell><text:p>rum</text:p></table:table-cell></table:table-row>"
        "</table:table>",
        "Who: Ann; What: tea\nWhat: rum",
    ),
    "readings": (
        "<text:p><text:ruby><text:ruby-base>a</text:ruby-base><text:ruby-text>gone</text:ruby-text>"
        "</text:ruby></text:p>",
        "a",
    ),
}


@pytest.mark.parametrize("construct", SHOWN_IN_ODT)
def test_an_odt_shows_what_writer_shows(tmp_path: Path, construct: str) -> None:
    content, shown = SHOWN_IN_ODT[construct]
    deletions = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
    )
    odt(
        tmp_path / "a.odt",
        deletions,
        f"<text:section>{content}</text:section>",
        styles='<style:style style:name="T9" style:family="text">'
        '<style:text-properties text:display="none"/></style:style>',
    )
    assert text(tmp_path / "a.odt") == shown


def test_an_odt_has_its_headers_once_and_its_properties(tmp_path: Path) -> None:
    document = odfdo.Document("text")
    document.body.clear()
    document.body.append(odfdo.Paragraph("Body"))
    for master in document.styles.get_elements("//style:master-page"):
        master.clear()
        for name, content in (
            ("header", "Head"),
            ("header-left", "Head"),
            ("footer", "Foot"),
            ("footer-first", "First foot"),
        ):
            master.append(
                odfdo.Element.from_tag(f"<style:{name}><text:p>{content}</text:p></style:{name}>")
            )
    about = document.meta
    about.title, about.initial_creator, about.keyword = "Title", "Ann", "tea"
    about.date = datetime.datetime(2021, 3, 4, 23, 59)
    document.save(str(tmp_path / "a.odt"))
    found = read(tmp_path / "a.odt")
    assert text(tmp_path / "a.odt") == "Head\n\nBody\n\nFoot\n\nFirst foot"
    assert (found.title, found.author, found.date, found.tags) == (
        "Title",
        "Ann",
        "2021-03-04",
        "tea",
    )


def test_an_odp_has_a_page_for_each_slide(tmp_path: Path) -> None:
    show = odfdo.Document("presentation")
    show.body.clear()
    frame = '<draw:frame presentation:class="{}"><draw:text-box><text:p>{}</text:p>'
    end = "</draw:text-box></draw:frame>"
    show.body.append(
        odfdo.Element.from_tag(
            f"<draw:page><draw:g>{frame.format('subtitle', 'In a group')}{end}</draw:g>"
            f"{frame.format('title', 'Our plan')}{end}"
            f"{frame.format('page-number', 'gone')}{end}<presentation:notes>"
            f"{frame.format('notes', 'Speak slowly.')}{end}{frame.format('header', 'gone')}{end}"
            "</presentation:notes></draw:page>"
        )
    )
    show.body.append(
        odfdo.Element.from_tag(f"<draw:page>{frame.format('outline', 'Second')}{end}</draw:page>")
    )
    show.save(str(tmp_path / "a.odp"))
    assert [(page.number, page.text) for page in read(tmp_path / "a.odp").pages] == [
        (1, "# Our plan\n\nIn a group\n\nSpeak slowly."),
        (2, "Second"),
    ]


def test_the_text_of_an_rtf_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.rtf").write_bytes(
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title gone}}"
        rb"\pard Gr\'fc\'dfe \u8364?5\par\trowd\cellx100\cellx200 a\cell b\cell\row}"
    )
    assert text(tmp_path / "a.rtf").split() == ["Grüße", "€5", "a|b|"]
    (tmp_path / "a.rtf").write_text(r"{\rtf1 Grüße}", encoding="utf-8")  # by tools that err
    assert text(tmp_path / "a.rtf") == "Grüße"


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
ZIPPED = [".docx", ".docm", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub"]


def other_archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    return archive.getvalue()


def broken_archive() -> bytes:
    saved = io.BytesIO()
    docx.Document().save(saved)
    return saved.getvalue()[:2000]


@pytest.mark.parametrize("suffix", ZIPPED)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a {} file, or damaged"),
        (b"Hello", "it is not a {} file, or damaged"),
        (other_archive(), "it is not a {} file, or damaged"),
        (broken_archive(), "it is not a {} file, or damaged"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "it is encrypted"),
    ],
)
def test_what_is_no_such_file_or_locked_says_so(
    tmp_path: Path, suffix: str, content: bytes, reason: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        read(path)
    assert str(caught.value) == reason.format(suffix)


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".odt"])
def test_old_formats_under_a_new_name_are_told_apart(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(OLE)
    with pytest.raises(UnreadableFile, match="Office 97"):
        read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".odt", ".ods", ".odp"])
def test_a_locked_opendocument_says_so(tmp_path: Path, suffix: str) -> None:
    kinds = {".odt": "text", ".ods": "spreadsheet", ".odp": "presentation"}
    odfdo.Document(kinds[suffix]).save(str(tmp_path / "open"))
    with (
        zipfile.ZipFile(tmp_path / "open") as old,
        zipfile.ZipFile(tmp_path / f"a{suffix}", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "META-INF/manifest.xml":
                content = content.replace(b"</manifest:manifest>", b"<manifest:encryption-data/>")
            new.writestr(name, content)
    with pytest.raises(UnreadableFile, match=r"^it is encrypted$"):
        read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", ZIPPED)
@pytest.mark.parametrize("written", [".docx", ".pptx", ".odt", ".odp", ".xlsx"])
def test_one_format_under_the_name_of_another_is_told(
    tmp_path: Path, written: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    if written == ".docx":
        docx.Document().save(str(path))
    elif written == ".pptx":
        pptx.Presentation().save(str(path))
    elif written == ".xlsx":
        workbook(path)
    else:
        odfdo.Document({".odt": "text", ".odp": "presentation"}[written]).save(str(path))
    if {written, suffix} <= {".xlsx", ".ods"}:
        assert "Name: Tea" in text(path)
        return
    reason = "no text" if written[:4] == suffix[:4] else f"it is not a {suffix} file"
    with pytest.raises(UnreadableFile, match=reason):
        read(path)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        "<!DOCTYPE x [<!ENTITY a0 'ha'>"
        + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
        + "<!ENTITY e '&a11;'>]>",
    ],
)
def test_entities_reach_neither_files_nor_all_memory(tmp_path: Path, declaration: str) -> None:
    document = docx.Document()
    saved = io.BytesIO()
    document.save(saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "a.docx", "w") as new:
        for name in old.namelist():
            if name != "word/document.xml":
                new.writestr(name, old.read(name))
        body = f"<w:document {NAMESPACES}><w:body>{paragraph(run('&e;'))}</w:body></w:document>"
        new.writestr("word/document.xml", declaration + body)
    with pytest.raises(UnreadableFile, match="damaged"):
        read(tmp_path / "a.docx")
