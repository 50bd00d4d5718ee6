"""HTML pages, as their readers see them."""

import time

import pytest

from localdocs.readers.html import html_document
from localdocs.snippets import Document


def shown(page: str) -> str:
    """The text of a page with ``page`` in its body."""
    return html_document(page.encode()).pages[0].text


def test_a_page_is_markdown_with_its_title_and_what_it_says_of_itself() -> None:
    document = html_document(
        b"<html><head><meta charset=utf-8><title> My\n Title</title>"
        b"<meta name=Author content='Oduya Brandt'><meta name=keywords content='harbour, ferry'>"
        b"<meta property='article:published_time' content='2024-09-05T10:00:00+02:00'>"
        b"<meta property='article:tag' content=quay></head>"
        b"<body><h2>Prices</h2><p>All &lt;5&gt; in\n <b>euros</b>.</body></html>"
    )
    assert document == Document(
        document.pages,
        "My Title",
        "Oduya Brandt",
        "2024-09-05",
        "harbour, ferry, quay",
        markdown=True,
        lines=False,
    )
    assert document.pages[0].text == "## Prices\n\nAll <5> in euros."


@pytest.mark.parametrize("date", ["soon", "2024-13-45", "9999-01-01", "0001-01-01", ""])
def test_a_date_that_cannot_be_true_is_none(date: str) -> None:
    assert html_document(f"<meta name=date content='{date}'><p>x".encode()).date == ""


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>HIDDEN</p>",
        "<p hidden=hidden>a<b>HIDDEN</b></p>",
        "<div hidden><p hidden>HIDDEN</p>HIDDEN</div>",
        "<div style='color: red; DISPLAY : None !important'><p>HIDDEN<p>HIDDEN</div>",
        "<span style='visibility:hidden'>HIDDEN</span>",
        "<script>HIDDEN()</script>",
        "<style>HIDDEN {}</style>",
        "<template><p>HIDDEN</p></template>",
        "<noscript><p>HIDDEN</p></noscript>",
        "<input type=hidden value=HIDDEN>",
        "<input type=password value=HIDDEN>",
        "<select><option>HIDDEN<option selected>x</select>",
        "<video>HIDDEN</video>",
        "<dialog>HIDDEN</dialog>",
        "<table><tr hidden><td>HIDDEN<td>HIDDEN</table>",
        "<!-- HIDDEN -->",
    ],
)
def test_what_is_hidden_is_left_out(hidden: str) -> None:
    text = shown(f"<p>before</p>{hidden}<p>after</p>")
    assert "HIDDEN" not in text
    assert "before" in text
    assert "after" in text


@pytest.mark.parametrize(
    "page",
    ["<p aria-hidden=true>SEEN", "<details>a<p>SEEN</details>", "<p hidden=until-found>SEEN"],
)
def test_what_can_be_seen_stays(page: str) -> None:
    assert "SEEN" in shown(page)


def test_words_are_whole_whatever_stands_in_them() -> None:
    page = (
        "<p>re&shy;frig&shy;er&shy;a&shy;tor max<wbr>_retry<wbr>_count tele&#8203;phone <b>w</b>ord"
    )
    assert shown(page).replace("\xad", "").replace("\u200b", "") == (
        "refrigerator max_retry_count telephone word"
    )


def test_markdowns_own_characters_are_not_escaped() -> None:
    assert shown("<p>Set max_retry_count to *nine* in C:\\dir [1] #2") == (
        "Set max_retry_count to *nine* in C:\\dir [1] #2"
    )


@pytest.mark.parametrize(
    ("link", "text"),
    [
        (
            "<a href='mailto:office@example.org?subject=Hi'>Ask</a>",
            "[Ask](mailto:office@example.org)",
        ),
        ("<a href='tel:+447731'>Call</a>", "[Call](tel:+447731)"),
        ("<a href='https://example.org/fees'>Fees</a>", "[Fees](https://example.org/fees)"),
        ("<a href='https://example.org/?id=7#top'>Fees</a>", "[Fees](https://example.org/?id=7)"),
        # What the text says already is not said again.
        ("<a href='https://example.org/'>example.org</a>", "example.org"),
        ("<a href='mailto:a@example.org'>a@example.org</a>", "a@example.org"),
        # What is made for programs would drown the text.
        (f"<a href='https://example.org/a?utm={'x' * 300}'>A</a>", "[A](https://example.org/a)"),
        (f"<a href='https://example.org/{'x' * 300}'>A</a>", "A"),
        ("<a href='#top'>Top</a>", "Top"),
        ("<a href='other.html'>Other</a>", "Other"),
        ("<a href='javascript:go()'>Go</a>", "Go"),
        ("<a href='http://[broken'>Broken</a>", "Broken"),
        ("<a name=here>Here</a>", "Here"),
        ("<a href='https://example.org'><img src=x alt=''></a>", ""),
    ],
)
def test_addresses_are_shown_where_they_say_something(link: str, text: str) -> None:
    assert shown(f"<p>x {link}") == f"x {text}".strip()


def test_pictures_are_what_their_alternative_text_says() -> None:
    assert shown("<p>See <img src=a.png alt='a red cat'>!") == "See a red cat !"


def test_a_tables_rows_have_the_names_of_their_columns() -> None:
    page = (
        "<table><caption>Prices</caption><thead><tr><th>Fruit<th>Price</thead>"
        "<tr><td>Apples<td>5 <br> each<tr><td>Pears<td></table>"
    )
    assert shown(page) == "Prices\n\nFruit: Apples; Price: 5 each\nFruit: Pears"


def test_cells_over_several_rows_and_columns_count_for_each() -> None:
    page = (
        "<table><tr><th rowspan=2>Fruit<th colspan=2>Price<tr><th>net<th>gross"
        "<tr><td rowspan=2>Apples<td>1<td>2<tr><td>3<td>4</table>"
    )
    assert shown(page) == (
        "Fruit: Apples; Price net: 1; Price gross: 2\nFruit: Apples; Price net: 3; Price gross: 4"
    )


def test_a_table_without_names_for_columns_is_read_row_by_row() -> None:
    assert shown("<table><tr><th>Phone<td>7731<tr><th>Fax<td>12</table>") == "Phone: 7731\nFax: 12"
    assert shown("<table><tr><td>a<td>b<tr><td>c<td>d</table>") == "a; b\nc; d"
    assert shown("<table><tr><th>A<th>B</table>") == "A; B"
    assert shown("<table><tr><th colspan=2>Ada<tr><th>Born<td>1815</table>") == "Ada\nBorn: 1815"


def test_a_table_may_have_names_on_two_sides_and_in_between() -> None:
    page = "<table><tr><th>City<th>Port<tr><th>Leith<td>yes<tr><th>In<th>Wales</table>"
    assert shown(page) == "City: Leith; Port: yes\nCity: In; Port: Wales"


def test_a_table_that_lays_out_a_page_is_no_table() -> None:
    page = "<table><tr><td><h1>Head</h1><p>One<p>Two<td><table><tr><td>a<td>b</table></table>"
    assert shown(page) == "# Head\n\nOne\n\nTwo\n\na; b"
    long = "word " * 120 + "end"
    assert shown(f"<table><tr><td>{long}<td>b</table>") == f"{long}\n\nb"


def test_lists_show_their_items() -> None:
    page = "<p>Take<ul><li>one<ol><li>a<li>b</ol><li><p>two<p>more</ul>Then"
    assert shown(page) == "Take\n\n- one\n  1. a\n  2. b\n- two\n\nmore\n\nThen"
    assert shown("<dl><dt>Hours<dd>nine<dd>ten</dl>") == "Hours:\nnine\nten"


def test_programs_keep_their_lines_and_are_no_headings() -> None:
    assert shown("<pre># no\n  x  y</pre>") == "```\n# no\n  x  y\n```"
    assert shown("<pre><div>a</div><div>b</div></pre>").split() == ["```", "a", "b", "```"]


def test_forms_show_what_is_filled_in() -> None:
    page = (
        "<label>City <input value=Leith></label> <input type=checkbox checked> meals"
        "<select><option>a<option selected>b</select><p><textarea>two\nlines</textarea>"
    )
    assert shown(page) == "City Leith [x] meals b\n\ntwo lines"


def test_raised_numbers_stay_apart() -> None:
    page = "<p>word<sup>1</sup>, 10<sup>6</sup>, H<sub>2</sub>O, 1<sup>st</sup>"
    assert shown(page) == "word^1, 10^6, H2O, 1st"


def test_empty_elements_of_xhtml_are_empty() -> None:
    document = html_document(
        b"<?xml version='1.0' encoding='utf-8'?><html xmlns='http://www.w3.org/1999/xhtml'>"
        b"<head><title/><script src='x'/></head><body><p>One<br/>two<a id='q'/></p></body></html>"
    )
    assert (document.title, document.pages[0].text) == ("", "One\ntwo")


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("<meta charset=iso-8859-1>", "cp1252"),
        ("<meta charset='windows-1251'>", "cp1251"),
        ("<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>", "koi8-r"),
        ("<?xml version='1.0' encoding='utf-8'?>", "utf-8"),
        ("<meta charset=shift_jis>", "shift_jis"),
        ("<meta charset=iso-2022-jp>", "iso-2022-jp"),
        ("<meta charset=iso-8859-1>", "utf-8"),
        ("<meta charset=iso-8859-1>", "utf-8-sig"),
        ("<meta charset=nonsense>", "utf-8"),
        ("", "utf-8"),
        ("", "utf-16"),
    ],
)
def test_the_encoding_is_the_declared_one_unless_it_cannot_be(head: str, encoding: str) -> None:
    content = {"cp1252": "Müßig €5", "cp1251": "Ключ", "koi8-r": "Ключ"}.get(encoding, "鍵は")
    page = f"{head}<title>{content}</title><p>{content}".encode(encoding)
    document = html_document(page)
    assert (document.title, document.pages[0].text) == (content, content)


@pytest.mark.parametrize("end", ["", " "])
def test_a_page_whose_declaration_can_be_read_is_not_in_utf_16(end: str) -> None:
    page = f"<meta charset=utf-16><p>Für Müller{end}"
    assert html_document(page.encode("cp1252")).pages[0].text == "Für Müller"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 10_000 + "SEEN" + "</div>" * 10_000,
        "<p>" + "<b>" * 10_000 + "SEEN",
        "<a href=http://example.org>" * 10_000 + "SEEN",
        "<ul><li>a" * 5_000 + "SEEN",
        "<table><tr><td>a" * 10_000 + "SEEN",
        f"<title>{'a b ' * 8_000}</title><h1>{'a b ' * 8_000}</h1>SEEN",
        "<table><tr>" + "<td rowspan=9999999 colspan=9999999>a" * 100 + "<tr>" * 100 + "<td>SEEN",
        "<p>a <a href=http://example.org>b</a>" * 20_000 + "SEEN",
        "<" * 100_000 + "<p>SEEN",
    ],
    ids=range(9),
)
def test_no_page_takes_long(page: str) -> None:
    start = time.process_time()
    assert "SEEN" in shown(page)
    assert time.process_time() - start < 3
