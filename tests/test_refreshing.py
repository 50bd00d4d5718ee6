import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from localdocs import contents as contents_module
from localdocs import refreshing
from localdocs.collections import Collections
from localdocs.errors import CollectionBusy, CollectionError
from localdocs.limits import Limits
from localdocs.reading import Text
from localdocs.refreshing import refresh

from .server import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("apples and pears")
    (folder / "b.md").write_text("# Fruit\n\nplums")
    return folder


def read(collections: Collections, **limits: Any) -> int:
    """How many files a refresh reads."""
    done: list[tuple[int, int]] = []
    contents = refresh(collections, "Fruit", Limits(**limits), lambda *n: done.append(n))
    assert done == [(i + 1, len(done)) for i in range(len(done))]
    assert collections.contents("Fruit") == contents
    return len(done)


def found(collections: Collections, question: str) -> list[str]:
    sources = collections.search([collections.find("Fruit")], question, 10)
    return [source.hit.file.name for source in sources]


def test_a_new_collection_is_read(collections: Collections) -> None:
    assert collections.contents("Fruit") is None
    new = collections.find("Fruit")
    contents = refresh(collections, "Fruit", Limits())
    assert collections.find("Fruit") == new
    assert (len(contents.files), contents.snippets, contents.words) == (2, 2, 6)
    assert contents.problems == {}
    assert found(collections, "plums") == ["b.md"]


def test_what_has_not_changed_is_never_read_again(collections: Collections, folder: Path) -> None:
    read(collections)
    (folder / "c.txt").write_text("cherries")
    assert read(collections) == 1
    assert read(collections) == 0


def test_what_has_changed_is_read_again(collections: Collections, folder: Path) -> None:
    read(collections)
    (folder / "a.txt").write_text("cherries")
    assert read(collections) == 1
    assert (found(collections, "apples"), found(collections, "cherries")) == ([], ["a.txt"])


def test_a_file_that_was_moved_is_found_at_its_new_place(
    collections: Collections, folder: Path
) -> None:
    read(collections)
    (folder / "sub").mkdir()
    (folder / "a.txt").rename(folder / "sub/x.txt")
    read(collections)
    assert found(collections, "apples") == ["sub/x.txt"]


def test_a_file_that_is_gone_is_not_found(collections: Collections, folder: Path) -> None:
    read(collections)
    (folder / "a.txt").unlink()
    contents = refresh(collections, "Fruit", Limits())
    assert list(contents.files) == ["b.md"]
    assert found(collections, "apples") == []


def test_a_broken_file_never_stops_the_others(collections: Collections, folder: Path) -> None:
    (folder / "0.pdf").write_bytes(b"rubbish")
    (folder / "empty.txt").write_bytes(b"")
    contents = refresh(collections, "Fruit", Limits())
    assert contents.problems.keys() == {"0.pdf", "empty.txt"}
    assert found(collections, "plums") == ["b.md"]
    assert read(collections) == 0


def test_a_broken_file_that_is_mended_is_read(collections: Collections, folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"")
    read(collections)
    (folder / "a.txt").write_text("cherries")
    read(collections)
    assert found(collections, "cherries") == ["a.txt"]


def test_a_file_that_breaks_leaves_the_answers(collections: Collections, folder: Path) -> None:
    read(collections)
    (folder / "a.txt").write_bytes(b"")
    assert refresh(collections, "Fruit", Limits()).problems == {"a.txt": "there is no text in it"}
    assert found(collections, "apples") == []


def test_a_large_file_is_not_read_until_the_limit_allows_it(
    collections: Collections, folder: Path
) -> None:
    (folder / "large.txt").write_text("cherries " * 100)
    contents = refresh(collections, "Fruit", Limits(file_size=100))
    assert contents.problems == {"large.txt": "it is larger than 100 bytes"}
    assert read(collections, file_size=100) == 0
    assert read(collections) == 1
    assert found(collections, "cherries")
    refresh(collections, "Fruit", Limits(file_size=100))
    assert found(collections, "cherries") == []


def test_what_is_excluded_leaves_the_answers(collections: Collections) -> None:
    read(collections)
    refresh(collections, "Fruit", Limits(exclude=("*.txt",)))
    assert (found(collections, "apples"), found(collections, "plums")) == ([], ["b.md"])


def test_another_snippet_size_reads_all_again(collections: Collections, folder: Path) -> None:
    (folder / "long.txt").write_text("Cherries are red. " * 50)
    before = refresh(collections, "Fruit", Limits())
    assert read(collections, snippet_size=100) == 3
    after = collections.contents("Fruit")
    assert after is not None
    assert after.files["long.txt"].snippets > 2 * before.files["long.txt"].snippets


def test_an_index_of_an_older_form_is_made_anew(
    collections: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(collections)
    monkeypatch.setattr(contents_module, "_FORMAT", 999)
    assert collections.contents("Fruit") is None
    assert read(collections) == 2


def test_a_damaged_index_is_made_anew(
    collections: Collections, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read(collections)
    for path in tmp_path.glob("localdocs/*/index-*/manifest-*"):
        path.write_text("{")
    fresh = Collections(tmp_path / "localdocs")
    refresh(fresh, "Fruit", Limits())
    assert "damaged" in caplog.text
    assert found(fresh, "plums") == ["b.md"]


def test_an_index_that_fails_in_a_search_is_made_anew_by_the_next_refresh(
    collections: Collections, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read(collections)
    for path in tmp_path.glob("localdocs/*/index-*/*.seg"):
        path.write_bytes(b"\7" * path.stat().st_size)
    fresh = Collections(tmp_path / "localdocs")
    assert found(fresh, "plums") == []
    assert "Refresh 'Fruit' to build it again" in caplog.text
    refresh(fresh, "Fruit", Limits())
    assert found(fresh, "plums") == ["b.md"]


def test_an_index_that_lost_snippets_is_made_anew(
    collections: Collections, caplog: pytest.LogCaptureFixture
) -> None:
    contents = refresh(collections, "Fruit", Limits())
    index = collections.index("Fruit")
    index.write(["a.txt"], [], index.snapshot().manifest)
    assert refresh(collections, "Fruit", Limits()) == contents
    assert "1 snippets instead of 2" in caplog.text
    assert found(collections, "apples") == ["a.txt"]


def test_a_folder_that_is_not_there_loses_nothing(collections: Collections, folder: Path) -> None:
    read(collections)
    folder.rename(folder.with_name("unmounted"))
    with pytest.raises(CollectionError, match="is not there; its index is kept"):
        refresh(collections, "Fruit", Limits())
    assert found(collections, "apples") == ["a.txt"]


def test_what_is_ready_can_be_asked_before_the_rest(collections: Collections, folder: Path) -> None:
    for i in range(600):
        (folder / f"f{i}.txt").write_text(f"cherries {i}")
    ready: list[int] = []

    def progress(done: int, all_: int) -> None:
        if done == all_:
            ready.append(len(Collections(folder.parent / "localdocs").contents("Fruit").files))

    refresh(collections, "Fruit", Limits(), progress)
    assert 500 <= ready[0] < 602


def test_who_does_not_wait_is_told_who_is_at_work(collections: Collections) -> None:
    with (
        collections.locked("Fruit", wait=True),
        pytest.raises(CollectionBusy, match=f"Process {os.getpid()} is already reading 'Fruit'"),
    ):
        refresh(Collections(collections.folder), "Fruit", Limits(), wait=False)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("")])
def test_it_may_not_have_said_yet_who_it_is(
    collections: Collections, spoil: Callable[[Path], object]
) -> None:
    with collections.locked("Fruit", wait=True):
        [said] = collections.folder.glob("*/lock.process")
        spoil(said)
        with pytest.raises(CollectionBusy, match=r"Process \? is already reading 'Fruit'"):
            refresh(Collections(collections.folder), "Fruit", Limits(), wait=False)


def test_others_are_told_how_far_it_has_come(collections: Collections) -> None:
    other = Collections(collections.folder)
    told: list[object] = [other.progress("Fruit")]
    refresh(collections, "Fruit", Limits(), lambda *_: told.append(other.progress("Fruit")))
    assert [*told, other.progress("Fruit")] == [None, (1, 2), (2, 2), None]


def test_a_reader_that_was_killed_tells_nothing(collections: Collections) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with collections.locked("Fruit", wait=True):
        [holder] = collections.folder.glob("*/lock.process")
        holder.write_text(f"{os.getpid()} 1 3")
        assert collections.progress("Fruit") == (1, 3)
        holder.write_text(f"{gone.pid} 1 3")
        assert collections.progress("Fruit") is None


KILLED = """
import sys
from pathlib import Path
from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh
if __name__ == "__main__":
    refresh(Collections(Path(sys.argv[1])), "Fruit", Limits(), lambda *n: print(*n, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_kill_at_any_moment_loses_no_file(collections: Collections, folder: Path) -> None:
    for i in range(1100):
        (folder / f"f{i}.txt").write_text(f"cherries {i}")
    ready = 0
    for lines in (10, 505, 505):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(collections.folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        contents = collections.contents("Fruit")
        count = len(contents.files) if contents else 0
        assert count >= ready
        ready = count
    assert ready >= 500
    assert len(refresh(collections, "Fruit", Limits()).files) == 1102
    assert found(collections, "1099") == ["f1099.txt"]


def test_odd_names_are_read(collections: Collections, folder: Path) -> None:
    names = ["ü 日本.txt", "a'b\"c.txt", "x" * 200 + ".txt", "[b].txt"]
    if sys.platform != "win32":
        names += ["line\nbreak.txt", "caf\udce9.txt"]
    for name in names:
        (folder / name).write_text("cherries")
    read(collections)
    assert set(found(collections, "cherries")) == set(names)
    for name in names:
        (folder / name).unlink()
    read(collections)
    assert found(collections, "cherries") == []


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int = errno.EIO) -> None:
    """Lets the operating system refuse a folder of that name, as a network disk may."""
    scandir = os.scandir

    def refusing(path: Path) -> Any:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


def test_what_is_in_a_folder_that_cannot_be_read_now_stays(
    collections: Collections, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/c.txt").write_text("cherries")
    read(collections)
    with monkeypatch.context() as patched:
        refuse(patched, "sub")
        (folder / "b.md").write_text("quinces")
        contents = refresh(collections, "Fruit", Limits())
    assert contents.problems == {"sub/": "the folder cannot be read: Input/output error"}
    assert (found(collections, "cherries"), found(collections, "quinces")) == (
        ["sub/c.txt"],
        ["b.md"],
    )
    assert read(collections) == 0
    contents = collections.contents("Fruit")
    assert contents is not None
    assert contents.problems == {}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_collections_folder_that_cannot_be_read_loses_nothing(
    collections: Collections, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    read(collections)
    refuse(monkeypatch, folder.name, number)
    with pytest.raises(CollectionError, match=r"cannot be read \(.*\); its index is kept"):
        refresh(collections, "Fruit", Limits())
    assert found(collections, "apples") == ["a.txt"]


def test_a_file_that_cannot_be_opened_now_stays_and_is_tried_again(
    collections: Collections, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(collections)

    class Refusing:
        def __enter__(self) -> "Refusing":
            return self

        def __exit__(self, *exception: object) -> None:
            pass

        def read(self, paths: list[Path], size: int) -> list[Text]:
            return [Text(problem="it cannot be opened", opened=False) for _ in paths]

    (folder / "a.txt").write_text("cherries")
    (folder / "c.txt").write_text("cherries")
    with monkeypatch.context() as patched:
        patched.setattr(refreshing, "ReadingProcess", Refusing)
        contents = refresh(collections, "Fruit", Limits())
    assert contents.problems == {"c.txt": "it cannot be opened"}
    assert found(collections, "apples") == ["a.txt"]
    assert read(collections) == 2
    assert found(collections, "cherries") == ["a.txt", "c.txt"]


def test_files_of_other_kinds_are_counted_anew(collections: Collections, folder: Path) -> None:
    for name in ("a.mp4", "b.zip", "c.zip", "d"):
        (folder / name).write_bytes(b"x")
    others = refresh(collections, "Fruit", Limits()).others
    assert list(others.items()) == [(".zip", 2), (".mp4", 1), ("", 1)]
    (folder / "a.mp4").unlink()
    assert read(collections) == 0
    assert collections.contents("Fruit").others == {".zip": 2, "": 1}


def test_titles_authors_and_tags_have_a_bound(collections: Collections, folder: Path) -> None:
    long = "word " * 2000
    (folder / "c.md").write_text(f"---\ntitle: {long}\nauthor: {long}\ntags: {long}\n---\ncherry\n")
    read(collections)
    [source] = collections.search([collections.find("Fruit")], "cherry", 1)
    file = source.hit.file
    assert [len(file.title), len(file.author), len(file.tags)] == [200, 200, 500]


def no_settings(place: Path) -> None:
    (place / "collection.json").unlink()
    (place / "collection.json").mkdir()


def no_index(place: Path) -> None:
    [index] = place.glob("index-*")
    index.rename(place / "away")
    index.write_text("")


@pytest.mark.parametrize("break_", [no_settings, no_index])
def test_a_collection_that_cannot_be_read_is_left_out_until_it_is_back(
    collections: Collections,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    break_: Callable[[Path], None],
) -> None:
    collections.create("Other", folder)
    for name in ("Fruit", "Other"):
        refresh(collections, name, Limits())
    [place] = collections.folder.glob("Other-*")
    before = (place / "collection.json").read_text()
    break_(place)
    fresh = Collections(collections.folder)
    for _ in range(3):
        sources = fresh.search(fresh.all(), "apples", 5)
        assert [source.collection.name for source in sources] == ["Fruit"]
    assert caplog.text.count("cannot be read") == 1
    with pytest.raises(CollectionError, match="cannot be read"):
        fresh.contents("Other")
    if (place / "away").exists():
        [index] = place.glob("index-*")
        index.unlink()
        (place / "away").rename(index)
    else:
        (place / "collection.json").rmdir()
        (place / "collection.json").write_text(before)
    sources = fresh.search(fresh.all(), "apples", 5)
    assert [source.collection.name for source in sources] == ["Fruit", "Other"]


def test_an_index_whose_disk_goes_in_a_search_is_left_out(
    collections: Collections,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    collections.create("Other", folder)
    for name in ("Fruit", "Other"):
        refresh(collections, name, Limits())
    gone = collections.snapshot("Other")

    def fail(number: int) -> NoReturn:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(gone, "stored", fail)
    sources = collections.search(collections.all(), "apples", 5)
    assert [source.collection.name for source in sources] == ["Fruit"]
    assert "The index of 'Other' cannot be read: Stale" in caplog.text
    assert collections.contents("Other") is not None


def test_an_index_that_cannot_be_listed_is_not_discarded(
    collections: Collections, caplog: pytest.LogCaptureFixture
) -> None:
    read(collections)
    assert found(collections, "apples") == ["a.txt"]
    [place] = collections.folder.glob("Fruit-*")
    no_index(place)
    assert found(collections, "apples") == []
    assert "The index of 'Fruit' cannot be read" in caplog.text
    with pytest.raises(CollectionError, match="cannot be read"):
        refresh(collections, "Fruit", Limits())
    [index] = place.glob("index-*")
    index.unlink()
    (place / "away").rename(index)
    assert found(collections, "apples") == ["a.txt"]
