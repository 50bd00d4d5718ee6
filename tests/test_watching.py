"""The process that keeps collections as their folders are."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh
from localdocs.watching_process import WatchingProcess

from .server import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "folder")


@pytest.fixture
def watching(collections: Collections) -> Iterator[WatchingProcess]:
    with WatchingProcess(collections.folder, Limits()) as process:
        yield process


def make_folder(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("apples")
    return folder


def found(collections: Collections, question: str, name: str = "Fruit") -> list[str]:
    sources = collections.search([collections.find(name)], question, 10)
    return sorted(source.hit.file.name for source in sources)


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits, for a change has ten seconds to get into the answers."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Neighbour:
    """A second collection, which is refreshed after "Fruit" because its name comes later."""

    def __init__(self, collections: Collections, folder: Path) -> None:
        self._collections = collections
        self._file = make_folder(folder) / "a.txt"
        collections.create("Neighbour", folder)

    def change(self, text: str) -> None:
        """Wakes the process that watches."""
        self._file.write_text(text)

    def wait_for(self, text: str) -> None:
        """Waits until ``text``, to which it was changed, is found."""
        wait_until(lambda: bool(found(self._collections, text, "Neighbour")))


@pytest.fixture
def neighbour(collections: Collections, tmp_path: Path) -> Neighbour:
    return Neighbour(collections, tmp_path / "neighbour")


def test_a_collection_is_read_at_the_start(
    collections: Collections, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("apples")


def replace(path: Path) -> None:
    (path.parent / "unread.part").write_text("plums")
    (path.parent / "unread.part").replace(path)


# What is done to a folder, and which of its files then have apples.
CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "new file": (
        lambda folder: write(folder / "sub/new.txt"),
        ["a.txt", "sub/b.txt", "sub/new.txt"],
    ),
    "change": (lambda folder: (folder / "a.txt").write_text("pears"), ["sub/b.txt"]),
    "moved file": (
        lambda folder: (folder / "sub/b.txt").rename(folder / "c.txt"),
        ["a.txt", "c.txt"],
    ),
    "replaced file": (lambda folder: replace(folder / "a.txt"), ["sub/b.txt"]),
    "deleted file": (lambda folder: (folder / "sub/b.txt").unlink(), ["a.txt"]),
    "new folder": (
        lambda folder: write(folder / "made/later/c.txt"),
        ["a.txt", "made/later/c.txt", "sub/b.txt"],
    ),
    "moved folder": (
        lambda folder: (folder / "sub").rename(folder / "moved"),
        ["a.txt", "moved/b.txt"],
    ),
}


def test_every_change_gets_into_the_answers(tmp_path: Path) -> None:
    collections = Collections(tmp_path / "localdocs")
    for name in CHANGES:
        write(make_folder(tmp_path / name) / "sub/b.txt")
        collections.create(name, tmp_path / name)
    with WatchingProcess(collections.folder, Limits()):
        wait_until(lambda: all(len(found(collections, "apples", name)) == 2 for name in CHANGES))
        for name, (change, _) in CHANGES.items():
            change(tmp_path / name)
        then = {name: files for name, (_, files) in CHANGES.items()}
        wait_until(lambda: {name: found(collections, "apples", name) for name in then} == then)


def test_a_collection_that_is_made_later_is_watched(
    collections: Collections, tmp_path: Path, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    other = make_folder(tmp_path / "other")
    collections.create("Other", other)
    (other / "b.txt").write_text("pears")
    wait_until(lambda: found(collections, "pears", "Other") == ["b.txt"])


def test_an_inactive_collection_is_watched_once_it_is_active(
    collections: Collections, folder: Path, neighbour: Neighbour, watching: WatchingProcess
) -> None:
    neighbour.wait_for("apples")
    collections.activate("Fruit", False)
    (folder / "b.txt").write_text("pears")
    neighbour.change("plums")
    neighbour.wait_for("plums")
    assert found(collections, "apples pears") == ["a.txt"]
    collections.activate("Fruit", True)
    neighbour.change("cherries")
    wait_until(lambda: found(collections, "pears") == ["b.txt"])


def test_a_folder_that_comes_back_is_watched_again(
    collections: Collections, folder: Path, neighbour: Neighbour, watching: WatchingProcess
) -> None:
    neighbour.wait_for("apples")
    folder.rename(folder.with_name("away"))
    neighbour.change("plums")
    neighbour.wait_for("plums")  # the process has seen that the folder is gone
    shutil.copytree(folder.with_name("away"), folder)  # another one of that name
    neighbour.change("cherries")
    neighbour.wait_for("cherries")
    (folder / "b.txt").write_text("pears")
    wait_until(lambda: found(collections, "apples pears") == ["a.txt", "b.txt"])


def test_a_damaged_index_is_made_anew(collections: Collections, watching: WatchingProcess) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    for path in collections.folder.glob("*/index-*/*.seg"):
        path.write_bytes(b"\7" * path.stat().st_size)
    fresh = Collections(collections.folder)
    wait_until(lambda: found(fresh, "apples") == ["a.txt"])


def test_what_another_process_reads_is_waited_for(
    collections: Collections, folder: Path, neighbour: Neighbour, watching: WatchingProcess
) -> None:
    neighbour.wait_for("apples")
    with collections.locked("Fruit", wait=True):
        (folder / "b.txt").write_text("pears")
        neighbour.change("plums")
        neighbour.wait_for("plums")  # the process has tried
        assert found(collections, "pears") == []
    wait_until(lambda: found(collections, "pears") == ["b.txt"])


SERVER = """
import sys, time
from pathlib import Path
from localdocs.limits import Limits
from localdocs.watching_process import WatchingProcess
process = WatchingProcess(Path(sys.argv[1]), Limits())
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="looks for processes as POSIX does")
def test_it_ends_with_the_server_however_that_ends(collections: Collections) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(collections.folder)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    os.kill(pid, 0)
    server.kill()
    server.communicate()

    def gone() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"  # nobody is there to wait for it

    wait_until(gone)


@pytest.mark.skipif(sys.platform == "win32", reason="has other priorities")
def test_it_lets_others_go_first(watching: WatchingProcess) -> None:
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, watching.pid) == 19)


def test_of_two_one_watches_and_the_other_takes_over(
    collections: Collections, folder: Path
) -> None:
    with WatchingProcess(collections.folder, Limits()) as first:
        wait_until(lambda: found(collections, "apples") == ["a.txt"])
        with WatchingProcess(collections.folder, Limits()):
            first.close()
            (folder / "b.txt").write_text("pears")
            wait_until(lambda: found(collections, "pears") == ["b.txt"])


def test_reading_by_hand_and_watching_agree(
    collections: Collections, folder: Path, watching: WatchingProcess
) -> None:
    for i in range(50):
        (folder / f"f{i}.txt").write_text("pears")
        if i % 10 == 0:
            refresh(collections, "Fruit", Limits())
    refresh(collections, "Fruit", Limits())
    contents = collections.contents("Fruit")
    assert contents is not None
    assert len(contents.files) == contents.snippets == 51
