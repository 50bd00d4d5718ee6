"""Documents of office programs, as their programs and libraries write them."""

import datetime
import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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
from localdocs.snippets import Document, snippets

OFFICE = "http://schemas.openxmlformats.org"
NAMESPACES = (
    f'xmlns:w="{OFFICE}/wordprocessingml/2006/main" xmlns:a="{OFFICE}/drawingml/2006/main" '
    f'xmlns:r="{OFFICE}/officeDocument/2006/relationships" xmlns:v="urn:schemas-microsoft-com:vml" '
    f'xmlns:m="{OFFICE}/officeDocument/2006/math" '
    f'xmlns:mc="{OFFICE}/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)


Reread = Callable[..., Document]


@pytest.fixture
def reread(tmp_path: Path) -> Reread:
    """A function that saves a document and reads it.

    ``change`` gets the name and the content of each part, and returns the new ones, or None to
    leave the part out.
    """

    def reread(
        document: Any,
        suffix: str = ".docx",
        change: Callable[[str, bytes], tuple[str, bytes] | None] | None = None,
    ) -> Document:
        path = tmp_path / f"a{suffix}"
        document.save(str(path))
        if change is not None:
            with zipfile.ZipFile(path) as archive:
                parts = [change(name, archive.read(name)) for name in archive.namelist()]
            with zipfile.ZipFile(path, "w") as archive:
                for part in filter(None, parts):
                    archive.writestr(*part)
        return read(path)

    return reread


def text(found: Document) -> str:
    return "\n\n".join(page.text for page in found.pages)


def pages(found: Document) -> list[tuple[int | None, str]]:
    return [(page.number, page.text) for page in found.pages]


def properties(found: Document) -> tuple[str, str, str, str]:
    return found.title, found.author, found.date, found.tags


def small_docx() -> bytes:
    """python-docx's empty document without the styles of tables, which are most of it."""
    document = docx.Document()
    for style in [style for style in document.styles if style.type == WD_STYLE_TYPE.TABLE]:
        style.delete()
    relations = document.part.rels
    for name in [name for name in relations if "stylesWithEffects" in relations[name].reltype]:
        del relations[name]
    saved = io.BytesIO()
    document.save(saved)
    return saved.getvalue()


SMALL_DOCX = small_docx()


def word() -> WordDocument:
    return docx.Document(io.BytesIO(SMALL_DOCX))


def opendocument(kind: str, *content: str) -> odfdo.Document:
    """A document whose body has the elements ``content``."""
    document = odfdo.Document(kind)
    document.body.clear()
    for element in content:
        document.body.append(odfdo.Element.from_tag(element))
    return document


EMPTY: dict[str, Callable[[], Any]] = {
    ".docx": word,
    ".pptx": pptx.Presentation,
    ".odt": partial(opendocument, "text"),
    ".ods": partial(opendocument, "spreadsheet"),
    ".odp": partial(opendocument, "presentation"),
}


def fill(grid: Any, *rows: str) -> None:
    """Writes the words of each row into the cells of a table."""
    for number, values in enumerate(rows):
        for column, value in enumerate(values.split()):
            grid.cell(number, column).text = value


def run(content: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{content}</w:t></w:r>'


def paragraph(*content: str) -> str:
    """A paragraph; plain text in ``content`` becomes a run."""
    return f"<w:p>{''.join(each if each[:1] == '<' else run(each) for each in content)}</w:p>"


def row(*cells: str, properties: str = "") -> str:
    """A row; a cell that is plain text becomes a paragraph."""
    filled = (each if each[:1] == "<" else paragraph(each) for each in cells)
    return f"<w:tr>{properties}{''.join(f'<w:tc>{each}</w:tc>' for each in filled)}</w:tr>"


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr/><w:tblGrid/>{''.join(rows)}</w:tbl>"


def control(content: str) -> str:
    return f"<w:sdt><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>"


def deletion(content: str) -> str:
    return f'<w:del w:id="1" w:author="x">{content}</w:del>'


DELETED = deletion("<w:r><w:delText>gone</w:delText></w:r>")
HEADER = "<w:trPr><w:tblHeader/></w:trPr>"


def text_box(content: str) -> str:
    """As Word writes it: once for today's versions, once more for old ones."""
    box = f"<w:txbxContent>{content}</w:txbxContent>"
    return (
        "<w:r><mc:AlternateContent>"
        f'<mc:Choice Requires="wps"><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>'
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r>"
    )


def field(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def add(document: WordDocument, content: str) -> None:
    """Adds ``content`` to the end of the body."""
    body = parse_xml(f"<w:body {NAMESPACES}>{content}</w:body>")
    for element in list(body):
        document.element.body.insert(len(document.element.body) - 1, element)


def add_notes(document: WordDocument, content: str, kind: str = "footnote") -> None:
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
    add(document, paragraph("Noted.", f'<w:r><w:{kind}Reference w:id="1"/></w:r>'))


def add_header(document: WordDocument, content: str) -> None:
    header = document.sections[0].header
    header.is_linked_to_previous = False
    for element in list(parse_xml(f"<w:hdr {NAMESPACES}>{content}</w:hdr>")):
        header._element.append(element)


HERE = "<here/>"
# How content is added to a document, and the elements around it.
PLACES: dict[str, tuple[Callable[[WordDocument, str], None], str]] = {
    "body": (add, HERE),
    "block content control": (add, control(HERE)),
    "table": (add, table(row("left", HERE), row("below", ""))),
    "table in a table": (add, table(row("left", table(row("in", HERE))))),
    "cell in a content control": (
        add,
        table(f"<w:tr>{control(f'<w:tc>{HERE}</w:tc>')}<w:tc>{paragraph('right')}</w:tc></w:tr>"),
    ),
    "text box": (add, paragraph(text_box(HERE))),
    "header": (add_header, HERE),
    "text box in a header": (add_header, paragraph(text_box(HERE))),
    "footnote": (add_notes, HERE),
    "endnote": (partial(add_notes, kind="endnote"), HERE),
}
SHOWN = run("shown")
# Word shows each as "shown".
CONSTRUCTS = {
    "content control": control(SHOWN),
    "insertion": f'<w:ins w:id="1" w:author="x">{SHOWN}</w:ins>',
    "deletion": f"{run('sho')}{DELETED}{run('wn')}",
    "deletion of a text box": deletion(text_box(paragraph("gone"))) + SHOWN,
    "moved text": f'<w:moveFrom w:id="1" w:author="x">{SHOWN}</w:moveFrom>'
    f'<w:moveTo w:id="2" w:author="x">{SHOWN}</w:moveTo>',
    "link": f'<w:hyperlink w:anchor="x">{SHOWN}</w:hyperlink>',
    "field": f"{field('begin')}<w:r><w:instrText>gone</w:instrText></w:r>{field('separate')}"
    f"{SHOWN}{field('end')}",
    "simple field": f'<w:fldSimple w:instr="gone">{SHOWN}</w:fldSimple>',
    "smart tag": f'<w:smartTag w:element="x">{SHOWN}</w:smartTag>',
    "formula": "<m:oMath><m:r><m:t>shown</m:t></m:r></m:oMath>",
    "hidden text": run("gone", "<w:vanish/>") + SHOWN,
    "text that is not hidden": run("shown", '<w:vanish w:val="0"/>'),
    "text hidden by its style": run("gone", '<w:rStyle w:val="Unseen"/>') + SHOWN,
    "text box": text_box(paragraph("shown")),
    "characters": "<w:r><w:t>sh</w:t><w:softHyphen/><w:t>own,</w:t><w:noBreakHyphen/><w:tab/>"
    "<w:t>x</w:t><w:br/><w:t>y</w:t><w:cr/><w:t>z</w:t><w:ptab/><w:t>0</w:t></w:r>",
    "reading of Chinese characters": f"<w:r><w:ruby><w:rt>{run('gone')}</w:rt><w:rubyBase>{SHOWN}"
    "</w:rubyBase></w:ruby></w:r>",
}
# What else it shows.
MORE = {"characters": ",- x y z 0"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_docx_shows_what_word_shows_wherever_it_is(
    reread: Reread, place: str, construct: str
) -> None:
    document = word()
    unseen = document.styles.add_style("Unseen", WD_STYLE_TYPE.CHARACTER)
    unseen.font.hidden = True
    put, around = PLACES[place]
    put(document, around.replace(HERE, paragraph(CONSTRUCTS[construct])))
    found = " ".join(text(reread(document)).split())
    assert found.count("shown") == 1
    assert f"shown{MORE.get(construct, '')}" in found
    assert "gone" not in found


def test_a_docx_keeps_headings_and_the_order_of_what_is_below(reread: Reread) -> None:
    document = word()
    document.add_heading("Prices", level=2)
    document.add_paragraph("All in euros.")
    fill(document.add_table(rows=1, cols=2), "Apples 5")
    document.add_paragraph("Without tax.")
    found = reread(document)
    assert text(found) == "## Prices\n\nAll in euros.\n\nApples; 5\n\nWithout tax."
    assert [s.headings for s in snippets(found, 512)] == ["Prices"]
    assert not found.lines


def test_headings_of_a_docx_are_known_in_any_language(reread: Reread) -> None:
    document = word()
    document.add_heading("The report", level=0)
    # What German Word writes: a name in English, and an id in German.
    german = document.styles["Heading 1"]
    german.element.set(german.element.attrib.keys()[-1], "berschrift1")
    document.add_paragraph("Einleitung").style = german
    own = document.styles.add_style("Firmenkopf", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 3"]
    document.add_paragraph("Zweck", style=own)
    level = '<w:pPr><w:outlineLvl w:val="{}"/></w:pPr>'
    add(document, paragraph(level.format(1), "By its level"))
    add(document, paragraph(level.format(9), "Plain by its level"))
    add(document, paragraph(level.format(7), "Deep", "<w:r><w:br/></w:r>", "one"))
    assert text(reread(document)).split("\n\n") == [
        "# The report",
        "# Einleitung",
        "### Zweck",
        "## By its level",
        "Plain by its level",
        "###### Deep one",
    ]


def test_text_of_a_docx_that_looks_like_markdown_is_none(reread: Reread) -> None:
    document = word()
    for line in ("# 5 pieces", "```", "<!-- see", "Sum\n---", "#hashtag", "5 # 6"):
        document.add_paragraph(line)
    document.add_heading("Real", level=1)
    document.add_paragraph("Below.")
    found = reread(document)
    headings = [snippet.headings for snippet in snippets(found, 30)]
    assert set(headings) == {"", "Real"}
    assert headings[-1] == "Real"
    assert "\n\n#hashtag\n\n5 # 6\n\n" in text(found)


def test_items_of_lists_are_marked(reread: Reread) -> None:
    document = word()
    document.add_paragraph("By its style", style="List Bullet")
    numbers = '<w:pPr><w:numPr><w:numId w:val="{}"/></w:numPr></w:pPr>'
    add(document, paragraph(numbers.format(1), "By itself"))
    add(document, paragraph(numbers.format(0), "No item"))
    assert text(reread(document)) == "- By its style\n\n- By itself\n\nNo item"


def test_headers_and_footers_are_read_once_in_all_their_variants(reread: Reread) -> None:
    document = word()
    document.settings.odd_and_even_pages_header_footer = True
    for number in range(2):
        section = document.add_section() if number else document.sections[0]
        section.different_first_page_header_footer = True
        for name in ("header", "first_page_header", "even_page_header"):
            for part in (name, name.replace("header", "footer")):
                place = getattr(section, part)
                place.is_linked_to_previous = False
                place.paragraphs[0].text = f"The {part}"
    document.add_paragraph("Body")
    found = text(reread(document)).split("\n\n")
    assert sorted(found[:3]) == ["The even_page_header", "The first_page_header", "The header"]
    assert found[3] == "Body"
    assert sorted(found[4:]) == ["The even_page_footer", "The first_page_footer", "The footer"]


def test_notes_follow_the_paragraph_that_refers_to_them(reread: Reread) -> None:
    document = word()
    add_notes(document, paragraph("The footnote."))
    add_notes(document, paragraph("The endnote."), "endnote")
    assert text(reread(document)) == "Noted.\n\nThe footnote.\n\nNoted.\n\nThe endnote."


def test_a_note_to_a_cell_of_a_table_is_in_the_cell(reread: Reread) -> None:
    document = word()
    add_notes(document, paragraph("while it lasts"))
    tea = paragraph("Tea", '<w:r><w:footnoteReference w:id="1"/></w:r>')
    add(document, table(row(tea, "3")) + table(row("Rum", "9")))
    assert "Tea while it lasts; 3\n\nRum; 9" in text(reread(document))


def test_comments_are_not_text(reread: Reread) -> None:
    document = word()
    document.add_comment(document.add_paragraph("shown").runs, text="gone")
    assert text(reread(document)) == "shown"


def test_rows_of_a_table_have_the_names_of_its_header(reread: Reread) -> None:
    tall = f'<w:tcPr><w:vMerge w:val="restart"/></w:tcPr>{paragraph("Ann")}'
    below = f"<w:tcPr><w:vMerge/></w:tcPr>{paragraph('Ann')}"
    wide = f'<w:tcPr><w:gridSpan w:val="2"/></w:tcPr>{paragraph("Everyone else")}'
    rows = (
        row("Who", "Where", properties=HEADER),
        *(row(tall, "Rome"), row(below, "Paris"), control(row("Bo", "")), row(wide)),
        row(paragraph(DELETED), ""),
    )
    document = word()
    add(document, table(*rows))
    assert text(reread(document)).splitlines() == [
        "Who: Ann; Where: Rome",
        "Where: Paris",
        "Who: Bo",
        "Who: Everyone else",
    ]


def test_a_header_without_rows_is_text(reread: Reread) -> None:
    document = word()
    add(document, table(row("Who", "Where", properties=HEADER)))
    assert text(reread(document)) == "Who; Where"


def test_a_cell_over_columns_keeps_the_next_ones_in_theirs(reread: Reread) -> None:
    document = word()
    grid = document.add_table(rows=3, cols=3)
    fill(grid, "Item Kind Price", "Coffee is 7", "Tea green 3")
    grid.cell(1, 0).merge(grid.cell(1, 1)).text = "Coffee"
    assert text(reread(document)).splitlines() == [
        "Item: Coffee; Price: 7",
        "Item: Tea; Kind: green; Price: 3",
    ]


def test_a_table_that_is_there_for_the_layout_keeps_its_headings(reread: Reread) -> None:
    document = word()
    left, right = document.add_table(rows=1, cols=2).rows[0].cells
    left.text = "long " * 150
    right.paragraphs[0].text, right.paragraphs[0].style = "Contact", "Heading 1"
    right.add_paragraph("Phone 5")
    assert text(reread(document)).endswith("long\n\n# Contact\n\nPhone 5")


def test_a_frame_of_one_column_keeps_its_paragraphs(reread: Reread) -> None:
    document = word()
    cell = document.add_table(rows=2, cols=1).cell(0, 0)
    cell.paragraphs[0].text, cell.paragraphs[0].style = "Notice", "Heading 1"
    cell.add_paragraph("No entry.")
    assert text(reread(document)) == "# Notice\n\nNo entry."


def test_a_docx_in_the_strict_variant_is_read(reread: Reread) -> None:
    strict = {
        f"{OFFICE}/officeDocument/2006": "http://purl.oclc.org/ooxml",
        f"{OFFICE}/wordprocessingml/2006": "http://purl.oclc.org/ooxml/wordprocessingml",
    }

    def change(name: str, content: bytes) -> tuple[str, bytes]:
        for old, new in strict.items():
            content = content.replace(old.encode(), new.encode())
        return name, content

    document = word()
    document.core_properties.title = "Title"
    document.add_heading("Strict", level=1)
    found = reread(document, change=change)
    assert (found.title, text(found)) == ("Title", "# Strict")


@pytest.mark.parametrize("renamed", [str.upper, lambda name: name.replace("/", "\\")])
@pytest.mark.parametrize("suffix", [".docx", ".pptx"])
def test_parts_are_found_under_names_that_differ_in_case_or_slashes(
    reread: Reread, suffix: str, renamed: Callable[[str], str]
) -> None:
    document = presentation() if suffix == ".pptx" else word()
    if suffix == ".docx":
        document.add_heading("Prices")
    found = reread(document, suffix, lambda name, content: (renamed(name), content))
    assert found == reread(document, suffix)


def test_a_part_that_is_missing_costs_only_itself(reread: Reread) -> None:
    document = word()
    add_header(document, paragraph("gone"))
    document.add_paragraph("shown")
    found = reread(document, change=lambda name, c: None if "header" in name else (name, c))
    assert text(found) == "shown"


def test_a_file_that_was_never_changed_is_of_the_day_it_was_made(reread: Reread) -> None:
    document = word()
    document.add_paragraph("x")
    document.core_properties.created = datetime.datetime(2020, 1, 2)
    core = document.core_properties._element
    core.remove(core.find("{*}modified"))
    assert reread(document).date == "2020-01-02"


def test_styles_that_are_based_on_each_other_end(reread: Reread) -> None:
    document = word()
    one, other = (document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH) for name in "ab")
    one.base_style, other.base_style = other, one
    document.add_paragraph("shown", style=one)
    assert text(reread(document)) == "shown"


WHEN = datetime.datetime(2021, 3, 4, 23, 59)
ABOUT = ("Title", "Ann", "2021-03-04", "tea, cups")


@pytest.mark.parametrize("suffix", [".docx", ".pptx"])
def test_office_files_say_who_wrote_them_about_what_and_when(reread: Reread, suffix: str) -> None:
    document = EMPTY[suffix]()
    if suffix == ".docx":
        document.add_paragraph("x")
    else:
        add_slide(document, 0, "x")
    about = document.core_properties
    about.title, about.author, about.keywords = "Title", "Ann", "tea, cups"
    about.modified = WHEN
    assert properties(reread(document, suffix)) == ABOUT


def test_a_spreadsheet_says_who_wrote_it_about_what_and_when(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet().write("A1", "x")
        about = {"title": "Title", "author": "Ann", "keywords": "tea, cups", "created": WHEN}
        book.set_properties(about)
    assert properties(read(tmp_path / "a.xlsx")) == ABOUT


def add_slide(show: Any, layout: int = 6, title: str = "") -> Any:
    slide = show.slides.add_slide(show.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def presentation() -> Any:
    show = pptx.Presentation()
    first = add_slide(show, 1, "Our\nplan")
    first.placeholders[1].text = "Begin\nEnd"
    first.notes_slide.notes_text_frame.text = "Speak slowly."
    second = add_slide(show)
    group = second.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "In groups\vof two"
    grid = second.shapes.add_table(3, 2, 0, 0, Inches(4), Inches(1)).table
    fill(grid, "Item Price", "Tea 3", "Rum 9")
    data = CategoryChartData()
    data.categories = ["East"]
    data.add_series("Sales", (1,))
    frame = second.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Sales of tea"
    second._element.set("show", "0")
    return show


def test_a_pptx_has_a_page_for_each_slide_hidden_ones_too(reread: Reread) -> None:
    assert pages(reread(presentation(), ".pptx")) == [
        (1, "# Our plan\n\nBegin\n\nEnd\n\nSpeak slowly."),
        (2, "In groups\nof two\n\nItem: Tea; Price: 3\nItem: Rum; Price: 9\n\nSales of tea"),
    ]


def test_joined_cells_of_a_slide_are_read_once(reread: Reread) -> None:
    show = pptx.Presentation()
    grid = add_slide(show).shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    grid.cell(0, 0).merge(grid.cell(0, 1))
    # PowerPoint keeps what was in a cell before, and does not show it.
    fill(grid, "a under", "c d")
    assert text(reread(show, ".pptx")) == "a\nc; d"


def test_the_text_of_a_diagram_is_read(reread: Reread) -> None:
    show = pptx.Presentation()
    slide = add_slide(show)
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
    assert text(reread(show, ".pptx")) == "Plan\n\nDo"


def test_slides_are_in_the_order_of_the_show(reread: Reread) -> None:
    show = pptx.Presentation()
    for title in ("made first", "made second"):
        add_slide(show, 0, title)
    listed = show.slides._sldIdLst
    listed.append(listed[0])
    assert text(reread(show, ".pptx")) == "# made second\n\n# made first"


def test_what_is_on_every_slide_is_read_once(reread: Reread) -> None:
    show = pptx.Presentation()
    kinds = {"ftr": "Confidential", "sldNum": "gone", "dt": "gone", "hdr": "gone"}
    for title in ("One", "Two"):
        slide = add_slide(show, 5, title)
        for kind, content in kinds.items():
            box = slide.shapes.add_textbox(0, 0, 1, 1)
            box.text_frame.text = content
            box._element.nvSpPr.nvPr.append(
                parse_xml(f'<p:ph xmlns:p="{OFFICE}/presentationml/2006/main" type="{kind}"/>')
            )
    assert text(reread(show, ".pptx")) == "# One\n\nConfidential\n\n# Two"


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
    assert pages(found) == [
        (
            1,
            "# Prices\n\n"
            "Name: Tea; Count: 5; Since: 2024-03-09; At: 08:30:00; Paid: TRUE; Total: 10\n"
            "Name: Rum; Count: 2.25; Since: 2024-03-09 14:05; At: 30:00:00",
        ),
        (4, "# Old ones\n\n\\# of items"),
    ]
    assert [s.headings for s in snippets(found, 512)] == ["Prices", "Old ones"]


@pytest.mark.parametrize("suffix", [".xls", ".ods"])
def test_a_spreadsheet_is_known_by_its_content(tmp_path: Path, suffix: str) -> None:
    workbook(tmp_path / "a.xlsx")
    path = (tmp_path / "a.xlsx").rename(tmp_path / f"a{suffix}")
    assert "Name: Tea" in text(read(path))


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


def test_an_ods_is_read_like_an_xlsx(reread: Reread) -> None:
    book = opendocument("spreadsheet")
    sheet = odfdo.Table("Prices")
    sheet.set_values(
        [["Name", "Count", "Since"], ["Tea", 5, datetime.date(2024, 3, 9)], ["Rum", 2.5, None]]
    )
    book.body.append(sheet)
    book.meta.title, book.meta.initial_creator = "Title", "Ann"
    found = reread(book, ".ods")
    assert pages(found) == [
        (1, "# Prices\n\nName: Tea; Count: 5; Since: 2024-03-09\nName: Rum; Count: 2.5")
    ]
    assert (found.title, found.author) == ("Title", "Ann")


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
def test_an_odt_shows_what_writer_shows(reread: Reread, construct: str) -> None:
    content, shown = SHOWN_IN_ODT[construct]
    deletions = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
    )
    document = opendocument("text", deletions, f"<text:section>{content}</text:section>")
    hidden = (
        '<style:style style:name="T9" style:family="text">'
        '<style:text-properties text:display="none"/></style:style>'
    )
    styles = document.content.get_element("//office:automatic-styles")
    styles.append(odfdo.Element.from_tag(hidden))
    assert text(reread(document, ".odt")) == shown


def test_an_odt_has_its_headers_once_and_its_properties(reread: Reread) -> None:
    document = opendocument("text", "<text:p>Body</text:p>")
    places = {"header": "Head", "header-left": "Head", "footer": "Foot", "footer-first": "First"}
    for master in document.styles.get_elements("//style:master-page"):
        master.clear()
        for name, content in places.items():
            master.append(
                odfdo.Element.from_tag(f"<style:{name}><text:p>{content}</text:p></style:{name}>")
            )
    about = document.meta
    about.title, about.initial_creator, about.keyword = "Title", "Ann", "tea"
    about.date = WHEN
    found = reread(document, ".odt")
    assert text(found) == "Head\n\nBody\n\nFoot\n\nFirst"
    assert properties(found) == ("Title", "Ann", "2021-03-04", "tea")


def test_an_odp_has_a_page_for_each_slide(reread: Reread) -> None:
    def frame(kind: str, content: str) -> str:
        return (
            f'<draw:frame presentation:class="{kind}"><draw:text-box><text:p>{content}</text:p>'
            "</draw:text-box></draw:frame>"
        )

    show = opendocument(
        "presentation",
        f"<draw:page><draw:g>{frame('subtitle', 'In a group')}</draw:g>"
        f"{frame('title', 'Our plan')}{frame('page-number', 'gone')}<presentation:notes>"
        f"{frame('notes', 'Speak slowly.')}{frame('header', 'gone')}</presentation:notes>"
        "</draw:page>",
        f"<draw:page>{frame('outline', 'Second')}</draw:page>",
    )
    assert pages(reread(show, ".odp")) == [
        (1, "# Our plan\n\nIn a group\n\nSpeak slowly."),
        (2, "Second"),
    ]


def test_the_text_of_an_rtf_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title gone}}"
        rb"\pard Gr\'fc\'dfe \u8364?5\par\trowd\cellx100\cellx200 a\cell b\cell\row}"
    )
    assert text(read(path)).split() == ["Grüße", "€5", "a|b|"]
    path.write_text(r"{\rtf1 Grüße}", encoding="utf-8")  # by tools that err
    assert text(read(path)) == "Grüße"


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
ZIPPED = [".docx", ".docm", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub"]


def other_archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    return archive.getvalue()


@pytest.mark.parametrize("suffix", ZIPPED)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a {} file, or damaged"),
        (b"Hello", "it is not a {} file, or damaged"),
        (other_archive(), "it is not a {} file, or damaged"),
        (SMALL_DOCX[:2000], "it is not a {} file, or damaged"),
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
def test_a_locked_opendocument_says_so(reread: Reread, suffix: str) -> None:
    end = b"</manifest:manifest>"
    with pytest.raises(UnreadableFile, match=r"^it is encrypted$"):
        reread(
            EMPTY[suffix](),
            suffix,
            lambda name, content: (
                name,
                content.replace(end, b"<manifest:encryption-data/>" + end),
            ),
        )


@pytest.mark.parametrize("suffix", ZIPPED)
@pytest.mark.parametrize("written", [".docx", ".pptx", ".odt", ".odp"])
def test_one_format_under_the_name_of_another_is_told(
    reread: Reread, written: str, suffix: str
) -> None:
    reason = "no text" if written[:4] == suffix[:4] else f"it is not a {suffix} file"
    with pytest.raises(UnreadableFile, match=reason):
        reread(EMPTY[written](), suffix)


@pytest.mark.parametrize("suffix", [suffix for suffix in ZIPPED if suffix not in {".xlsx", ".ods"}])
def test_a_spreadsheet_under_another_name_is_told(tmp_path: Path, suffix: str) -> None:
    workbook(tmp_path / f"a{suffix}")
    with pytest.raises(UnreadableFile, match=f"it is not a {suffix} file"):
        read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        "<!DOCTYPE x [<!ENTITY a0 'ha'>"
        + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
        + "<!ENTITY e '&a11;'>]>",
    ],
)
def test_entities_reach_neither_files_nor_all_memory(reread: Reread, declaration: str) -> None:
    body = f"<w:document {NAMESPACES}><w:body>{paragraph('&e;')}</w:body></w:document>"

    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name, (declaration + body).encode() if name == "word/document.xml" else content

    with pytest.raises(UnreadableFile, match="damaged"):
        reread(word(), change=change)
