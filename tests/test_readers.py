"""Every format, in real files that well-known programs' libraries wrote."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from localdocs.errors import UnreadableFile
from localdocs.readers import READERS, read
from localdocs.snippets import Document

GERMAN = "Grüße aus Köln: für zwölf Äpfel müssen Sie heute fünf Euro bezahlen, sagt Frau Müßig."


def text(document: Document) -> str:
    return "\n".join(page.text for page in document.pages)


def write_pdf(path: Path, *pages: str, title: str = "", author: str = "", lock: str = "") -> None:
    how = {"encrypt": StandardEncryption(lock)} if lock else {}
    canvas = Canvas(str(path), **how)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    for page in pages:
        lines = canvas.beginText(50, 700)
        lines.textLines(page)
        canvas.drawText(lines)
        canvas.showPage()
    canvas.save()


@pytest.mark.parametrize("suffix", [".txt", ".md", ".markdown", ".rst", ".csv", ".TXT"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_any_encoding(tmp_path: Path, suffix: str, encoding: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes((GERMAN * 5).encode(encoding))
    assert text(read(path)) == GERMAN * 5


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("cp1251", "Договоры хранятся в синей папке у главного бухгалтера. " * 5),
        ("shift_jis", "社員食堂は午前十一時に開きます。会議室の鍵は受付にあります。" * 5),
        ("gb18030", "年假申请需要提前两周提交给部门经理。会议室的钥匙在前台。" * 5),
    ],
)
def test_text_in_other_scripts_own_encodings(tmp_path: Path, encoding: str, content: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode(encoding))
    assert text(read(path)) == content


def test_all_line_ends_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\rthree\nfour")
    assert text(read(path)) == "one\ntwo\nthree\nfour"


def test_a_pdf_has_pages_a_title_and_an_author(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    write_pdf(path, "First page\nsecond line", "Second page", title="Title", author="Author")
    document = read(path)
    assert [(page.number, page.text) for page in document.pages] == [
        (1, "First page\nsecond line"),
        (2, "Second page"),
    ]
    assert (document.title, document.author, document.lines) == ("Title", "Author", False)


def test_a_pdf_that_anyone_may_open_is_read(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), encrypt=StandardEncryption("", "owner"))
    canvas.drawString(50, 700, "open to all")
    canvas.save()
    assert text(read(tmp_path / "a.pdf")) == "open to all"


def test_html_gives_what_a_reader_sees(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(
        "<html><head><meta charset=utf-8><title>Title</title><meta name=author content=Author>"
        "<style>b{}</style></head><body><script>x()</script><h2>Prices</h2><p>All &lt;5&gt; in "
        "<b>euros</b>.<p><a href='https://example.org'>More</a><img src=x alt=no>"
        "<table><tr><td>Apples<td>5</table></body>",
        encoding="utf-8",
    )
    document = read(path)
    shown = text(document)
    assert "## Prices" in shown
    assert "All <5> in **euros**." in shown
    assert "Apples" in shown
    assert not any(hidden in shown for hidden in ("x()", "b{}", "example.org", "Title"))
    assert (document.title, document.author, document.lines) == ("Title", "Author", False)


def test_htmls_own_encoding_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.htm"
    path.write_bytes(b"<meta charset=iso-8859-1><p>" + "Müßig".encode("latin-1"))
    assert "Müßig" in text(read(path))


def broken(path: Path) -> None:
    path.write_bytes(b"%PDF-1.4\nrubbish")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def encrypted_pdf(path: Path) -> None:
    write_pdf(path, "secret", lock="password")


def no_text(path: Path) -> None:
    write_pdf(path, "")


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("a.pdf", broken, "damaged"),
        ("a.pdf", empty, "damaged"),
        ("a.pdf", encrypted_pdf, "encrypted"),
        ("a.pdf", no_text, "no text"),
        ("a.txt", empty, "no text"),
        ("a.txt", binary, "no text"),
        ("a.md", binary, "no text"),
        ("a.html", empty, "no text"),
        ("gone.txt", lambda path: None, "cannot be opened: No such file"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, name: str, write: Callable[[Path], None], reason: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(UnreadableFile, match=reason):
        read(tmp_path / name)


@pytest.mark.parametrize("suffix", READERS)
def test_random_bytes_never_crash_a_reader(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for seed in range(20):
        path.write_bytes(bytes((seed * i * i + i // 7) % 251 for i in range(500)))
        with contextlib.suppress(UnreadableFile):
            read(path)
