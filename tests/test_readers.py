"""Every format, in real files that well-known programs' libraries wrote."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from localdocs.errors import UnreadableFile
from localdocs.readers import read
from localdocs.readers.formats import READERS
from localdocs.snippets import Document

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


def unseen(path: Path) -> None:
    path.write_text("\u200b\x1b[0m\u00ad\n", encoding="utf-8")


def nested(path: Path) -> None:
    path.write_text("Subject: a\nContent-Type: message/rfc822\n\n" * 5000)


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("a.pdf", broken, "damaged"),
        ("a.pdf", empty, "damaged"),
        ("a.pdf", encrypted_pdf, "encrypted"),
        ("a.pdf", no_text, "no text"),
        ("a.txt", empty, "no text"),
        ("a.txt", binary, "not text"),
        ("a.md", binary, "not text"),
        ("a.html", empty, "no text"),
        ("a.txt", unseen, "no text"),
        ("a.eml", nested, "nested too deeply"),
        ("gone.txt", lambda path: None, "cannot be opened: No such file"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, name: str, write: Callable[[Path], None], reason: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(UnreadableFile, match=reason):
        read(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes, and a privilege for links")
@pytest.mark.parametrize("suffix", READERS)
def test_only_files_are_opened(tmp_path: Path, suffix: str) -> None:
    pipe, link = tmp_path / f"pipe{suffix}", tmp_path / f"link{suffix}"
    os.mkfifo(pipe)
    (tmp_path / "a.txt").write_text("text")
    link.symlink_to("a.txt")
    for path in (pipe, link):
        with pytest.raises(UnreadableFile, match="no longer a file"):
            read(path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="Windows and root may read all")
def test_a_refusal_of_the_system_is_told_from_damage(tmp_path: Path) -> None:
    for suffix in READERS:
        path = tmp_path / f"a{suffix}"
        path.write_text("text")
        path.chmod(0)
        with pytest.raises(UnreadableFile, match="cannot be opened: Permission denied") as raised:
            read(path)
        assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize("suffix", READERS)
def test_random_bytes_never_crash_a_reader(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for seed in range(20):
        path.write_bytes(bytes((seed * i * i + i // 7) % 251 for i in range(500)))
        with contextlib.suppress(UnreadableFile):
            read(path)
