import os
import sys
import zipfile
from pathlib import Path

import docx
import pytest
import xlsxwriter

from localdocs.errors import NoReader
from localdocs.reading import ReadingProcess

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def bomb(folder: Path) -> Path:
    """A small docx whose text is 400 MB."""
    path, big = folder / "good.docx", folder / "bomb.docx"
    document = docx.Document()
    document.add_paragraph("HERE")
    document.save(str(path))
    with (
        zipfile.ZipFile(path) as good,
        zipfile.ZipFile(big, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bad,
    ):
        for entry in good.infolist():
            data = good.read(entry)
            if entry.filename != "word/document.xml":
                bad.writestr(entry, data)
                continue
            before, after = data.split(b"HERE")
            with bad.open(entry.filename, "w") as out:
                out.write(before)
                for _ in range(400):
                    out.write(b"x" * 1_000_000)
                out.write(after)
    return big


def test_files_come_back_in_their_order_with_their_words(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{i}.txt", f"text number {i}") for i in range(20)]
    with ReadingProcess() as reading:
        texts = list(reading.read(paths, 512))
    assert [text.snippets[0].text for text in texts] == [f"text number {i}" for i in range(20)]
    assert {text.words for text in texts} == {3}


def test_what_the_system_refuses_is_told_from_what_is_damaged(tmp_path: Path) -> None:
    damaged, empty = write(tmp_path, "a.pdf", "x"), write(tmp_path, "a.txt", "")
    with ReadingProcess() as reading:
        texts = list(reading.read([tmp_path / "gone.txt", damaged, empty], 512))
    assert [text.opened for text in texts] == [False, True, True]
    assert all(text.problem for text in texts)


@posix_only
def test_a_file_that_takes_too_much_memory_is_given_up(tmp_path: Path) -> None:
    paths = [write(tmp_path, "a.txt", "before"), bomb(tmp_path), write(tmp_path, "b.txt", "after")]
    with ReadingProcess(memory_bytes=256 << 20) as reading:
        before, bad, after = reading.read(paths, 512)
    assert (before.problem, after.problem) == (None, None)
    assert bad.problem is not None
    assert "damaged" in bad.problem or "256 MiB of memory" in bad.problem


@pytest.mark.parametrize("script", ["exec sleep 600", "exit 0", "exit 1", None])
@posix_only
def test_a_reader_that_cannot_start_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    path, python = write(tmp_path, "a.txt", "text"), tmp_path / "python"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode(python))
    with ReadingProcess(start_seconds=2) as reading, pytest.raises(NoReader):
        list(reading.read([path], 512))


@posix_only
def test_what_crashes_the_reader_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write(0, 0, "first")
        sheet.write(1_048_575, 16_383, "last")  # so many cells would be in between
    with ReadingProcess(memory_bytes=256 << 20) as reading:
        [bad] = reading.read([path], 512)
    assert bad.problem is not None
    assert capfd.readouterr().err == ""


@posix_only
def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    # Its encoding is searched for, again and again.
    slow = tmp_path / "slow.txt"
    slow.write_bytes("Grüße an alle Väter. ".encode("latin-1") * 1_500_000)
    paths = [write(tmp_path, "a.txt", "before"), slow, write(tmp_path, "b.txt", "after")]
    with ReadingProcess(cpu_seconds=1) as reading:
        before, bad, after = reading.read(paths, 64)
    assert (before.problem, after.problem) == (None, None)
    assert bad.problem is not None
    assert "more than 1 seconds" in bad.problem
