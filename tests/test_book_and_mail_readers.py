"""E-books and mail."""

import mailbox
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from localdocs.errors import UnreadableFile
from localdocs.readers import read
from localdocs.snippets import snippets

OPF = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>Tea</dc:title><dc:creator>Ann</dc:creator><dc:creator>Bo</dc:creator>
<dc:date>{date}</dc:date><dc:subject>leaves</dc:subject><dc:subject>cups</dc:subject></metadata>
<manifest><item id="b" href="text/b%20c.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="b"/><itemref idref="gone"/><itemref idref="a" linear="no"/></spine>
</package>"""
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"""
CHAPTER = """<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head>
<title>no</title></head><body><h2>{0}</h2><p>About {0}, \u00e9.</p></body></html>"""


def text(path: Path) -> str:
    return "\n\n".join(page.text for page in read(path).pages)


def book(path: Path, date: str = "2021-03-04T10:00:00Z", **more: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/book.opf", OPF.format(date=date))
        archive.writestr("OEBPS/nav.xhtml", CHAPTER.format("contents"))
        archive.writestr("OEBPS/text/a.xhtml", CHAPTER.format("cups"))
        archive.writestr("OEBPS/text/b c.xhtml", CHAPTER.format("leaves"))
        for name, content in more.items():
            archive.writestr(f"META-INF/{name}.xml", content)


def test_the_chapters_of_a_book_are_in_the_order_of_reading(tmp_path: Path) -> None:
    book(tmp_path / "a.epub")
    found = read(tmp_path / "a.epub")
    assert [page.text.split() for page in found.pages] == [
        ["##", "leaves", "About", "leaves,", "é."],
        ["##", "cups", "About", "cups,", "é."],
    ]
    assert [s.headings for s in snippets(found, 512)] == ["leaves", "cups"]
    assert (found.title, found.author, found.date, found.tags) == (
        "Tea",
        "Ann, Bo",
        "2021-03-04",
        "leaves, cups",
    )


def test_a_year_is_no_day(tmp_path: Path) -> None:
    book(tmp_path / "a.epub", date="1865")
    assert read(tmp_path / "a.epub").date == ""


@pytest.mark.parametrize(
    ("file", "readable"), [("OEBPS/text/b%20c.xhtml", False), ("OEBPS/font.otf", True)]
)
def test_a_book_with_encrypted_chapters_says_so(tmp_path: Path, file: str, readable: bool) -> None:
    encryption = (
        '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        f'<enc:CipherData><enc:CipherReference URI="{file}"/></enc:CipherData>'
        "</enc:EncryptedData></encryption>"
    )
    book(tmp_path / "a.epub", encryption=encryption)
    if readable:
        assert "leaves" in text(tmp_path / "a.epub")
    else:
        with pytest.raises(UnreadableFile, match=r"^it is encrypted$"):
            read(tmp_path / "a.epub")


def message(body: str = "The tea is here.") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Grüße: your tea"
    mail["From"] = "Ann Müller <ann@example.org>"
    mail["To"] = "bo@example.org, Cem <cem@example.org>"
    mail["Cc"] = "di@example.org"
    mail["Date"] = "Thu, 04 Mar 2021 23:59:00 -0800"
    mail.set_content(body)
    return mail


def test_a_mail_has_its_headers_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(bytes(message("Für Köln.\n" * 2)))
    found = read(tmp_path / "a.eml")
    assert text(tmp_path / "a.eml") == (
        "Subject: Grüße: your tea\n"
        "From: Ann Müller <ann@example.org>\n"
        "To: bo@example.org, Cem <cem@example.org>\n"
        "Cc: di@example.org\n"
        "Date: Thu, 04 Mar 2021 23:59:00 -0800\n\n"
        "Für Köln.\nFür Köln."
    )
    assert (found.title, found.author, found.date, found.lines) == (
        "Grüße: your tea",
        "Ann Müller <ann@example.org>",
        "2021-03-04",
        False,
    )


@pytest.mark.parametrize("transfer", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252"])
def test_a_mail_in_any_encoding(tmp_path: Path, charset: str, transfer: str) -> None:
    mail = message()
    mail.set_content("Für Köln, fünf Äpfel.", charset=charset, cte=transfer)
    (tmp_path / "a.eml").write_bytes(bytes(mail))
    assert text(tmp_path / "a.eml").endswith("\n\nFür Köln, fünf Äpfel.")


@pytest.mark.parametrize(
    "declared",
    ["", *(f"; charset={c}" for c in ("us-ascii", "unknown-8bit", "idna", "undefined", "a\0"))],
)
def test_a_mail_that_does_not_say_its_charset(tmp_path: Path, declared: str) -> None:
    (tmp_path / "a.eml").write_bytes(
        f"Subject: x\nContent-Type: text/plain{declared}\n"
        "Content-Transfer-Encoding: 8bit\n\nFür Köln, fünf Äpfel.".encode()
    )
    assert text(tmp_path / "a.eml").endswith("\n\nFür Köln, fünf Äpfel.")


def test_the_plain_text_of_a_mail_is_preferred(tmp_path: Path) -> None:
    mail = message()
    mail.add_alternative("<p>The same in HTML</p>", subtype="html")
    (tmp_path / "a.eml").write_bytes(bytes(mail))
    assert text(tmp_path / "a.eml").endswith("The tea is here.")


def test_a_mail_in_html_only_is_read_as_it_is_shown(tmp_path: Path) -> None:
    mail = message()
    mail.set_content(
        "<head><meta charset=utf-16><style>gone</style></head><p>Für <b>Köln</b></p>",
        subtype="html",
        charset="iso-8859-1",
    )
    (tmp_path / "a.eml").write_bytes(bytes(mail))
    assert "Für Köln" in text(tmp_path / "a.eml")
    assert "gone" not in text(tmp_path / "a.eml")


def test_attachments_are_read_where_they_are_text_and_named_where_not(tmp_path: Path) -> None:
    inner = message("Inner text.")
    inner.replace_header("Subject", "Inner subject")
    inner.add_attachment("Innermost.", filename="notes.txt")
    mail = message()
    mail.add_alternative("<p>HTML</p>", subtype="html")
    mail.add_attachment(
        bytes(3000), maintype="application", subtype="pdf", filename="Übersicht.pdf"
    )
    mail.add_attachment("a,b", subtype="csv", filename="list.csv")
    mail.add_attachment(inner)
    (tmp_path / "a.eml").write_bytes(bytes(mail))
    found = text(tmp_path / "a.eml").split("\n\n")
    assert found[1:5] == [
        "The tea is here.",
        "Attachment: Übersicht.pdf",
        "Attachment: list.csv",
        "a,b",
    ]
    assert found[5].startswith("Subject: Inner subject\n")
    assert found[6:] == ["Inner text.", "Attachment: notes.txt", "Innermost."]


def test_headers_that_are_not_well_formed_are_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(
        b"Subject: =?utf-8?B?VGVl?=\n and\tcups\nFrom: <\nTo: =?utf-8?q?x=?=, (\nDate: soon\n\nText"
    )
    found = read(tmp_path / "a.eml")
    assert (found.title, found.author, found.date) == ("Tee and cups", "<", "")
    assert found.pages[0].text == ("Subject: Tee and cups\nFrom: <\nTo: x=, (\nDate: soon\n\nText")


def test_a_mailbox_has_a_page_for_each_message(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "a.mbox")
    for number in range(3):
        box.add(message(f"Number {number}\n\nFrom here"))
    box.close()
    found = [(page.number, page.text.split("\n\n")[1]) for page in read(tmp_path / "a.mbox").pages]
    assert found == [(1, "Number 0"), (2, "Number 1"), (3, "Number 2")]


@pytest.mark.parametrize("suffix", [".eml", ".mbox", ".rtf"])
@pytest.mark.parametrize("content", [b"", b"Hello", bytes(range(256))])
def test_what_is_no_mail_says_so(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"it is not an? "):
        read(tmp_path / f"a{suffix}")
