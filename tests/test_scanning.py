import os
import sys
from pathlib import Path

import pytest

from localdocs.names import readable
from localdocs.scanning import scan


def names(folder: Path, *exclude: str) -> set[str]:
    return {file.name for file in scan(folder, exclude).files}


def make(folder: Path, *files: str) -> None:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def test_documents_are_found_at_every_depth(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "b/c.md", "b/d/e/f.PDF", "ü/日本.docx")
    assert names(tmp_path) == {"a.txt", "b/c.md", "b/d/e/f.PDF", "ü/日本.docx"}


def test_other_formats_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.exe", "b", "c.jpg", "txt", "d.txt~")
    assert names(tmp_path) == set()


def test_known_files_without_a_suffix_are_found(tmp_path: Path) -> None:
    make(tmp_path, "README", "x/Makefile", "readme.bak")
    assert names(tmp_path) == {"README", "x/Makefile"}


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "b/c.MP4", "b/d.zip", "e", "f. of a long name", "g.txt")
    make(tmp_path, ".h.zip", ".i/j.zip", "k/l.zip", "m.bak")
    found = scan(tmp_path, ["k/", "*.bak"])
    assert found.others == {".mp4": 2, ".zip": 1, "": 2}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such names")
def test_a_name_is_readable() -> None:
    assert readable("a ü 日本.txt") == "a ü 日本.txt"
    assert readable("caf\udce9\n\x1b[2J.txt") == "caf\ufffd\ufffd\ufffd[2J.txt"


def test_what_is_hidden_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".a.txt", ".git/b.txt", "c/.d/e.txt", "f.txt")
    assert names(tmp_path) == {"f.txt"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "secret/a.txt", "folder/b.txt")
    (tmp_path / "folder/link.txt").symlink_to(tmp_path / "secret/a.txt")
    (tmp_path / "folder/links").symlink_to(tmp_path / "secret")
    (tmp_path / "folder/circle").symlink_to(tmp_path / "folder")
    assert names(tmp_path / "folder") == {"b.txt"}


@pytest.mark.skipif(sys.platform == "win32", reason="there are none")
def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    assert names(tmp_path) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="does not let such folders be made")
def test_a_folder_that_cannot_be_looked_at_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(25):  # more than a path can have
        Path("x" * 200).mkdir()
        monkeypatch.chdir("x" * 200)
    Path("a.txt").write_text("text")
    [found] = scan(tmp_path, []).files
    assert found.name.endswith("x/")
    assert found.problem == "the folder cannot be read: File name too long"


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.md"], {"a.txt", "x/c.txt", "x/y/d.txt"}),
        (["x/"], {"a.txt", "b.md"}),
        (["/x/y"], {"a.txt", "b.md", "x/c.txt"}),
        (["*", "!a.txt"], {"a.txt"}),
        (["y/d.*"], {"a.txt", "b.md", "x/c.txt", "x/y/d.txt"}),
        (["**/y/d.*"], {"a.txt", "b.md", "x/c.txt"}),
    ],
)
def test_patterns_are_those_of_gitignore(
    tmp_path: Path, patterns: list[str], left: set[str]
) -> None:
    make(tmp_path, "a.txt", "b.md", "x/c.txt", "x/y/d.txt")
    assert names(tmp_path, *patterns) == left


@pytest.mark.skipif(sys.platform == "win32", reason="has no such names")
def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    assert names(tmp_path) == {"caf\udce9.txt"}


def test_a_version_changes_with_the_file(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    path = tmp_path / "a.txt"

    def version() -> tuple[int, int, int]:
        [file] = scan(tmp_path, []).files
        return file.version

    versions = {version(), version()}
    assert len(versions) == 1
    status = path.stat()
    # The same size, and even the same time.
    other = tmp_path / "other"
    other.write_text("TEXT")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    versions.add(version())
    assert len(versions) == 2
