"""Every format, in real files that well-known programs' libraries wrote."""

import contextlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from localdocs.errors import UnreadableFile
from localdocs.readers import READERS, read
from localdocs.snippets import Document, snippets

GERMAN = "Grüße aus Köln: für zwölf Äpfel müssen Sie heute fünf Euro bezahlen, sagt Frau Müßig."


def text(document: Document) -> str:
    return "\n".join(page.text for page in document.pages)


def write_pdf(path: Path, text: str, lock: str = "") -> None:
    how = {"encrypt": StandardEncryption(lock)} if lock else {}
    canvas = Canvas(str(path), **how)
    canvas.drawString(50, 700, text)
    canvas.save()


@pytest.mark.parametrize("suffix", [".txt", ".md", ".markdown", ".rst", ".csv", ".TXT"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_any_encoding(tmp_path: Path, suffix: str, encoding: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes((GERMAN * 5).encode(encoding))
    assert text(read(path)) == GERMAN * 5


def test_all_line_ends_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\rthree\nfour")
    assert text(read(path)) == "one\ntwo\nthree\nfour"


def test_a_docx_keeps_headings_tables_and_their_order(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = "Title", "Author"
    document.add_heading("Prices", level=2)
    document.add_paragraph("All in euros.")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Apples", "5"
    document.add_paragraph("Without tax.")
    document.save(str(tmp_path / "a.docx"))
    found = read(tmp_path / "a.docx")
    assert text(found) == "## Prices\n\nAll in euros.\n\nApples\t5\n\nWithout tax."
    assert (found.title, found.author) == ("Title", "Author")
    assert [s.headings for s in snippets(found, 512)] == ["Prices"]


def broken(path: Path) -> None:
    path.write_bytes(b"%PDF-1.4\nrubbish" if path.suffix == ".pdf" else b"PK\x03\x04rubbish")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def encrypted_pdf(path: Path) -> None:
    write_pdf(path, "secret", lock="password")


def no_document(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


def no_text(path: Path) -> None:
    if path.suffix == ".pdf":
        write_pdf(path, "")
    else:
        docx.Document().save(str(path))


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("a.pdf", broken, "damaged"),
        ("a.pdf", empty, "damaged"),
        ("a.pdf", encrypted_pdf, "encrypted"),
        ("a.pdf", no_text, "no text"),
        ("a.docx", broken, "no docx"),
        ("a.docx", empty, "no docx"),
        ("a.docx", no_document, "damaged"),
        ("a.docx", no_text, "no text"),
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
