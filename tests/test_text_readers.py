"""Files that are text: tables, data, front matter, source code, logs."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from localdocs.readers import read
from localdocs.readers.tables import named_rows
from localdocs.snippets import Document, snippets

Read = Callable[[str, str], Document]


@pytest.fixture
def read_text(tmp_path: Path) -> Read:
    """A function that writes a file of some name and text, and reads it."""

    def read_text(name: str, text: str) -> Document:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return read(path)

    return read_text


def text(document: Document) -> str:
    return "\n".join(page.text for page in document.pages)


HEADER_CASES = {
    "numbers below": "id,name,balance|1,Anna,5.10|2,Bob,6.20",
    "dates below": "day,what|2024-01-02,Rain|2024-01-03,Sun",
    "codes below": "Code,Meaning|E17,Pump blocked|E18,Door open",
    "words below, three columns": "Name,Department,Town|Anna,Sales,Bonn|Bob,IT,Ulm",
    "a word comes again": "Name,Fruit|Anna,Apple|Bob,Pear|Carl,Pear",
    "small letters": "term,meaning|Alpha,First letter|Beta,Second letter",
    "years": "Country,2019,2020|Chad,5.1,5.2|Mali,7.5,7.6",
    "months": "Country,2024-01,2024-02|Chad,5,6|Mali,7,8",
    "an empty corner": ",Q1,Q2|Anna,5,6|Bob,7,8",
    "trailing empty cells": "Name,Age,,|Anna,5,,|Bob,7,,",
}
OTHER_CASES = {
    "numbers above": "1,Anna,5.10|2,Bob,6.20",
    "names on the left": "Name,Anna Miller|Street,High Street 5|Born,1990|Phone,030 1234",
    "two columns of words": "Anna,Bonn|Bob,Ulm",
    "the first row's words come again": "Anna,Sales,Bonn|Bob,IT,Ulm|Carl,Sales,Bonn",
    "a name twice": "Name,Name,Age|Anna,Miller,5|Bob,Smith,6",
    "one row": "Name,Age,Town",
    "long texts": f"{'A long text. ' * 20}End.,Anna,Bonn|Short.,Bob,Ulm",
}


def table(text: str) -> list[list[str]]:
    return [row.split(",") for row in text.split("|")]


@pytest.mark.parametrize("rows", HEADER_CASES.values(), ids=HEADER_CASES)
def test_each_row_has_the_names_of_its_columns(rows: str) -> None:
    names, *values = table(rows)
    expected = [
        "; ".join(f"{n}: {v}" if n else v for n, v in zip(names, row, strict=True) if v)
        for row in values
    ]
    assert list(named_rows(table(rows))) == expected


@pytest.mark.parametrize("rows", OTHER_CASES.values(), ids=OTHER_CASES)
def test_without_a_header_the_values_stand_alone(rows: str) -> None:
    assert list(named_rows(table(rows))) == ["; ".join(row) for row in table(rows)]


def test_a_tables_title_may_stand_above_its_header() -> None:
    rows = [["Staff 2024", "", ""], [], ["Name", "Age", "Town"], ["Anna", "5", "Bonn"]]
    assert list(named_rows(rows)) == ["Staff 2024", "Name: Anna; Age: 5; Town: Bonn"]


def test_rows_may_be_ragged_and_cells_empty_or_of_several_lines() -> None:
    rows = [["Name", "Age"], ["Anna"], ["", "5", "x"], ["", ""], ["Bob\nSmith", "7", "", "y"]]
    expected = ["Name: Anna", "Age: 5; x", "Name: Bob Smith; Age: 7; y"]
    assert list(named_rows(rows)) == expected


def test_a_header_may_be_long_but_a_name_is_not() -> None:
    question = "How satisfied are you with the answers that our hotline gave to you last year?"
    [row] = named_rows([[question, "Town"], ["4", "Bonn"]])
    assert row == "How satisfied are you with the answers that our hotline…: 4; Town: Bonn"


ROWS = [["name", "note", "price"], ["Anna", 'a "b", c;d|e\tf', "1,5"], ["Bob", "two\nlines", "2,5"]]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "A.CSV"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_row_of_a_csv_has_names_at_its_line(
    read_text: Read, name: str, delimiter: str
) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows([*ROWS, ["Carl", "", "3,5"]])
    document = read_text(name, written.getvalue())
    assert text(document).split("\n") == [
        "",
        f"name: Anna; note: {' '.join(ROWS[1][1].split())}; price: 1,5",
        "name: Bob; note: two lines; price: 2,5",
        "",
        "name: Carl; price: 3,5",
    ]
    assert document.lines


def test_excels_first_line_names_the_delimiter(read_text: Read) -> None:
    document = read_text("a.csv", "sep=;\nname;a,b\nAnna;1,2\n")
    assert text(document) == "\n\nname: Anna; a,b: 1,2"


def test_empty_cells_at_the_end_of_rows_may_be_missing(read_text: Read) -> None:
    document = read_text("a.csv", "name,age,town,note\nAnna,5\nBob,7,Ulm\nCarl,8\nEve,9,Bonn\n")
    assert "name: Bob; age: 7; town: Ulm" in text(document)


def test_a_title_above_a_csv_costs_nothing(read_text: Read) -> None:
    document = read_text("a.csv", "Staff of 2024\n\nname;age\nAnna;5\nBob;7\n")
    assert text(document).split("\n") == [
        "Staff of 2024",
        *("", "", "name: Anna; age: 5", "name: Bob; age: 7"),
    ]


@pytest.mark.parametrize("prose", ["Only one line, really.", "No table.\nA list, of a kind.\nEnd."])
def test_a_csv_that_is_no_table_is_text(read_text: Read, prose: str) -> None:
    assert text(read_text("a.csv", prose)) == prose


def test_a_quotation_mark_that_nothing_ends_costs_nothing(read_text: Read) -> None:
    rows = "".join(f"Nut {i},{i}\n" for i in range(500))
    document = read_text("a.csv", f'name,size\nPear,"6 inch\n{rows}')
    assert "name: Nut 499; size: 499" in text(document).split("\n")


@pytest.mark.parametrize("size", [100, 128, 512])
def test_a_snippet_never_begins_inside_a_row(read_text: Read, size: int) -> None:
    words = ["Alpha.", "Beta?", "1.5\nGamma;", "Delta"]
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(["id", "what", "note"])
    writer.writerows([i, words[i % 4], " ".join(words[: i % 5])] for i in range(3000))
    found = [*snippets(read_text("a.csv", written.getvalue()), size)]
    assert all(line.startswith("id: ") for s in found for line in s.text.split("\n") if line)
    assert len(found) < 3000 * 60 / size * 1.7


def test_json_records_become_lines_under_what_is_above_them(read_text: Read) -> None:
    people = [{"name": f"P{i}", "address": {"town": "Ulm"}, "tags": ["a", "b"]} for i in range(20)]
    data = {"staff": people, "limits": {"max": 1.50, "on": True, "off": None}}
    document = read_text("a.json", json.dumps(data))
    staff, limits = document.pages
    assert staff.headings == ("staff",)
    assert staff.text.split("\n")[19] == "name: P19; address.town: Ulm; tags: a, b"
    assert (limits.headings, limits.text) == ((), "limits: max: 1.5; on: true")
    assert not document.lines


def test_long_values_in_json_are_under_their_names(read_text: Read) -> None:
    data = [{"id": 7, "title": "First", "body": "Long text. " * 99}, {"title": "Second"}]
    found = [*snippets(read_text("a.json", json.dumps(data)), 512)]
    assert {s.headings for s in found if "Long text" in s.text} == {"First > body"}
    assert found[-1].text == "title: Second"


def test_a_list_in_json_is_one_text(read_text: Read) -> None:
    [words] = read_text("a.json", json.dumps({"words": ["a", None, "b"] * 200})).pages
    assert (words.headings, words.text) == (("words",), ", ".join("ab" * 200))
    [lines] = read_text("a.json", json.dumps({"lines": ["Some sentence. " * 20, "More."]})).pages
    assert lines.text == f"{'Some sentence. ' * 20}\nMore."


def test_numbers_in_json_are_as_they_are_written(read_text: Read) -> None:
    digits = "9" * 5000
    assert text(read_text("a.json", f'{{"a": 1.50, "b": {digits}}}')).startswith("a: 1.50")


@pytest.mark.parametrize(
    "damaged", ["[1, 2", '// with comments\n{"a": 1,}', "[" * 100_000, "{" * 9], ids=range(4)
)
def test_damaged_json_is_text(read_text: Read, damaged: str) -> None:
    assert text(read_text("a.json", damaged)) == damaged


def test_half_a_surrogate_pair_is_replaced(read_text: Read) -> None:
    assert text(read_text("a.json", r'{"a": "x\ud83dy \ud83d\ude00"}')) == "a: x\ufffdy 😀"


def test_json_lines_stay_lines(read_text: Read) -> None:
    document = read_text("a.jsonl", '{"a": {"b": 1}, "c": [2, 3]}\nbroken\n\n{"a": "x\\ny"}\n')
    assert text(document) == "a.b: 1; c: 2, 3\nbroken\n\na: x y\n"
    assert document.lines


def test_xml_has_the_names_of_its_elements(read_text: Read, tmp_path: Path) -> None:
    root = ElementTree.Element("rss")
    channel = ElementTree.SubElement(root, "channel")
    ElementTree.SubElement(channel, "title").text = "News"
    for i in range(20):
        item = ElementTree.SubElement(channel, "item", {"id": str(i)})
        ElementTree.SubElement(item, "title").text = f"Number {i}"
        ElementTree.SubElement(item, "text").text = "Some words."
    ElementTree.ElementTree(root).write(tmp_path / "a.xml", "iso-8859-1", xml_declaration=True)
    [page] = read(tmp_path / "a.xml").pages
    assert page.headings == ("channel News",)
    assert page.text.split("\n")[3] == "item: id: 2; title: Number 2; text: Some words."


def test_markup_inside_a_text_does_not_divide_it(read_text: Read) -> None:
    document = read_text("a.xml", "<d><!-- no --><p>Some <b>bold</b> words</p><p>More</p></d>")
    assert text(document) == "p: Some bold words\np: More"


BOMB = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))


@pytest.mark.parametrize(
    ("entities", "content"),
    [(f'<!ENTITY a0 "lol">{BOMB}', "&a11;"), ('<!ENTITY x SYSTEM "file:{secret}">', "&x;")],
)
def test_entities_do_no_harm(read_text: Read, tmp_path: Path, entities: str, content: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("IGUANA")
    entities = entities.replace("{secret}", str(secret))
    found = text(read_text("a.xml", f"<!DOCTYPE d [{entities}]><d>{content}</d>"))
    assert "IGUANA" not in found
    assert len(found) < 10_000


def test_entities_of_the_document_are_text(read_text: Read) -> None:
    assert text(read_text("a.xml", '<!DOCTYPE d [<!ENTITY c "Acme">]><d>&c; Ltd</d>')) == "Acme Ltd"


@pytest.mark.parametrize("damaged", ["<a><b>unclosed", "<a>" * 100_000], ids=["open", "deep"])
def test_damaged_xml_is_text(read_text: Read, damaged: str) -> None:
    assert text(read_text("a.xml", damaged)) == damaged


def test_a_notebook_has_its_text_code_and_what_that_wrote(read_text: Read) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Apples\n", "They are red."]},
        {
            "cell_type": "code",
            "source": "# no heading\nprint(42)",
            "outputs": [{"text": ["42\n"]}, {"data": {"text/plain": ["7"], "image/png": "iVBO"}}],
        },
    ]
    document = read_text("a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    [snippet] = snippets(document, 512)
    parts = ["# Apples\nThey are red.", "```\n# no heading\nprint(42)\n```", "```\n42\n```"]
    assert snippet.text == "\n\n".join([*parts, "```\n7\n```"])
    assert snippet.headings == "Apples"


RST = """\
======
Apples
======

:Author: Ann Example
:Date: 2024-02-01

They *are* ``red``, says :ref:`the book <book>` of :class:`Pears`.

Kinds
=====

.. warning:: Some are |sour|.

.. versionadded:: 3.2
   Now with :func:`peel`.

.. code-block:: python
   :linenos:

   # no heading
   peel()

.. figure:: a.png
   :unknown: option

   A caption

.. toctree::

   other

.. raw:: html

   <script>

.. a comment

+-------+-----+
| Name  | Kg  |
+=======+=====+
| Gala  | 0.2 |
+-------+-----+

===== =====
broken table
===== ===

term
   what it means
"""


def test_rst_is_read_without_its_markup(read_text: Read) -> None:
    document = read_text("a.rst", RST)
    shown = text(document)
    assert (document.title, document.author) == ("Apples", "Ann Example")
    assert document.date == "2024-02-01"
    for expected in (
        "# Apples\n",
        "They are red, says the book of Pears.",
        "\n## Kinds\n",
        "Warning: Some are |sour|.",
        "versionadded: 3.2 Now with peel.",
        "```\n# no heading\npeel()\n```",
        "A caption",
        "Name: Gala; Kg: 0.2",
        "broken table",
        "term: what it means",
    ):
        assert expected in shown
    for hidden in ("other", "script", "comment", "linenos", "System Message"):
        assert hidden not in shown
    headings = {s.headings for s in snippets(document, 80)}
    assert headings == {"Apples", "Apples > Kinds"}


@pytest.mark.parametrize(
    "directive", ["include:: {}", "csv-table::\n   :file: {}", "raw:: html\n   :file: {}"]
)
def test_rst_includes_no_other_file(read_text: Read, tmp_path: Path, directive: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("IGUANA")
    document = read_text("a.rst", f"Text.\n\n.. {directive.format(secret)}\n\nMore.\n")
    assert "IGUANA" not in text(document)
    assert "More." in text(document)


@pytest.mark.parametrize("slow", ["word " * 5000, "Text.\n\n" * 200_000], ids=["line", "file"])
def test_rst_that_would_take_long_is_text(read_text: Read, slow: str) -> None:
    assert text(read_text("a.rst", slow)) == slow


@pytest.mark.parametrize(
    "front_matter",
    [
        "---\ntitle: 'On: apples'\nauthor: Ann\ndate: 2024-02-01\ntags: [red, round]\n---\n",
        "---\nTitle: 'On: apples'\nauthors:\n- name: Ann\ndate: 2024-02-01 10:00:00\n"
        "keywords: red, round\n...\n",
        '+++\ntitle = "On: apples"\nauthor = "Ann"\ndate = 2024-02-01\n'
        'tags = ["red", "round"]\n+++\n',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_front_matter_says_what_the_document_is(
    read_text: Read, front_matter: str, end: str
) -> None:
    document = read_text("a.md", f"{front_matter}# Fruit\n\nText.\n".replace("\n", end))
    about = (document.title, document.author, document.date, document.tags)
    assert about == ("On: apples", "Ann", "2024-02-01", "red, round")
    [snippet] = snippets(document, 512)
    assert (snippet.text, snippet.headings) == ("# Fruit\n\nText.", "Fruit")
    assert snippet.first_line == front_matter.count("\n") + 1


@pytest.mark.parametrize(
    "beginning",
    [
        "---\n\nA text.\n\n---\n",
        "---\nNote: a text.\n---\n",
        "---\ntitle: [unclosed\n---\n",
        "---\ntitle: x\ndate: 2024-13-41\n---\n",
        "---\ntitle: never closed\n",
        "+++\ntitle = unquoted\n+++\n",
        "\n---\ntitle: x\n---\n",
    ],
)
def test_other_beginnings_are_text(read_text: Read, beginning: str) -> None:
    document = read_text("a.md", f"{beginning}\nMore.\n")
    assert text(document) == f"{beginning}\nMore.\n"
    assert (document.title, document.date) == ("", "")


def test_aliases_in_front_matter_do_no_harm(read_text: Read) -> None:
    rows = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    document = read_text("a.md", f"---\na0: &a0 x\n{rows}title: *a11\ntags: *a11\n---\nText.\n")
    assert (document.title, document.tags) == ("", "")


@pytest.mark.parametrize(
    "name", ["a.py", "a.LOG", "a.yaml", "a.sql", "README", "Makefile", "license"]
)
def test_code_settings_and_logs_are_text(read_text: Read, name: str) -> None:
    document = read_text(name, "# one\n\ttwo = 3\n")
    assert text(document) == "# one\n\ttwo = 3\n"
    assert not document.markdown
