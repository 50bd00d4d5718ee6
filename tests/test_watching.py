"""The process that keeps collections as their folders are."""

import os
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
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("apples")
    return folder


@pytest.fixture
def watching(collections: Collections) -> Iterator[WatchingProcess]:
    with WatchingProcess(collections.folder, Limits()) as process:
        yield process


def found(collections: Collections, question: str) -> list[str]:
    sources = collections.search([collections.find("Fruit")], question, 10)
    return sorted(source.hit.file.name for source in sources)


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits, for a change has ten seconds to get into the answers."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_collection_is_read_at_the_start(
    collections: Collections, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])


def test_every_change_gets_into_the_answers(
    collections: Collections, folder: Path, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    (folder / "sub/new.txt").write_text("pears")
    wait_until(lambda: found(collections, "pears") == ["sub/new.txt"])
    (folder / "a.txt").write_text("pears")
    wait_until(lambda: found(collections, "pears") == ["a.txt", "sub/new.txt"])
    (folder / "sub/new.txt").rename(folder / "b.txt")
    wait_until(lambda: found(collections, "pears") == ["a.txt", "b.txt"])
    (folder / "unread.part").write_text("plums")
    (folder / "unread.part").replace(folder / "b.txt")
    wait_until(lambda: found(collections, "plums") == ["b.txt"])
    (folder / "b.txt").unlink()
    wait_until(lambda: found(collections, "plums") == [])
    (folder / "made/later").mkdir(parents=True)
    (folder / "made/later/c.txt").write_text("cherries")
    wait_until(lambda: found(collections, "cherries") == ["made/later/c.txt"])
    (folder / "made").rename(folder / "moved")
    wait_until(lambda: found(collections, "cherries") == ["moved/later/c.txt"])


def test_a_collection_that_is_made_later_is_watched(
    collections: Collections, tmp_path: Path, watching: WatchingProcess
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    collections.create("Other", other)
    (other / "b.txt").write_text("pears")
    wait_until(lambda: bool(collections.search([collections.find("Other")], "pears", 1)))


def test_an_inactive_collection_is_watched_once_it_is_active(
    collections: Collections, folder: Path, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    collections.activate("Fruit", False)
    (folder / "b.txt").write_text("pears")
    time.sleep(3)  # nothing shall happen
    assert found(collections, "pears") == []
    collections.activate("Fruit", True)
    wait_until(lambda: found(collections, "pears") == ["b.txt"])


def test_a_folder_that_comes_back_is_watched_again(
    collections: Collections, folder: Path, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    folder.rename(folder.with_name("away"))
    time.sleep(2)  # so that it is noticed
    folder.with_name("away").rename(folder)
    (folder / "b.txt").write_text("pears")
    wait_until(lambda: found(collections, "pears") == ["b.txt"])


def test_a_damaged_index_is_made_anew(collections: Collections, watching: WatchingProcess) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    for path in collections.folder.glob("*/index-*/*.seg"):
        path.write_bytes(b"\7" * path.stat().st_size)
    fresh = Collections(collections.folder)
    wait_until(lambda: found(fresh, "apples") == ["a.txt"])


def test_what_another_process_reads_is_waited_for(
    collections: Collections, folder: Path, watching: WatchingProcess
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    with collections.locked("Fruit", wait=True):
        (folder / "b.txt").write_text("pears")
        time.sleep(2)  # it tries
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
