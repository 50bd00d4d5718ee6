"""The process that keeps collections as their folders are."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from localdocs import watching_process
from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh
from localdocs.watching_process import WatchingProcess

from .server import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "folder")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short ones before the process is started again."""
    monkeypatch.setattr(watching_process, "_SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(watching_process, "_LONGEST_PAUSE", 0.04)


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
    """Waits, for a change has half a minute to get into the answers."""
    end = time.monotonic() + 30
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


def not_there(folder: Path) -> None:
    """The folder is gone."""


def a_file(folder: Path) -> None:
    folder.write_text("in the way")


def a_loop(folder: Path) -> None:
    folder.symlink_to(folder)


@pytest.mark.parametrize("trouble", [not_there, a_file, a_loop])
def test_the_trouble_of_one_collection_stays_its_own(
    collections: Collections,
    folder: Path,
    neighbour: Neighbour,
    trouble: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    collections.create("Twin", folder)
    # Not by a fixture: only in the test does a process inherit what capfd captures.
    with WatchingProcess(collections.folder, Limits()):
        neighbour.wait_for("apples")
        folder.rename(folder.with_name("away"))
        trouble(folder)
        for text in ("plums", "cherries", "quinces"):
            neighbour.change(text)
            neighbour.wait_for(text)
        folder.unlink(missing_ok=True)
        folder.with_name("away").rename(folder)
        (folder / "b.txt").write_text("pears")
        wait_until(lambda: found(collections, "pears") == ["b.txt"])
        wait_until(lambda: found(collections, "pears", "Twin") == ["b.txt"])
    log = capfd.readouterr().err
    assert [log.count(f"of {name!r}") for name in ("Fruit", "Twin")] == [1, 1]


def deleted_and_made(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def moved_and_made(folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.mkdir()


@pytest.mark.parametrize("replace", [deleted_and_made, moved_and_made])
def test_a_folder_that_is_replaced_at_once_is_watched(
    collections: Collections,
    folder: Path,
    watching: WatchingProcess,
    replace: Callable[[Path], None],
) -> None:
    for _ in range(3):  # there is nothing to wait for until the new folder is watched
        wait_until(lambda: found(collections, "apples") == ["a.txt"])
        replace(folder)
        wait_until(lambda: found(collections, "apples") == [])
        (folder / "a.txt").write_text("apples")
        shutil.rmtree(folder.with_name("away"), ignore_errors=True)


def test_a_refresh_that_fails_is_tried_again(
    collections: Collections, folder: Path, neighbour: Neighbour, watching: WatchingProcess
) -> None:
    neighbour.wait_for("apples")
    [lock] = collections.folder.glob("Fruit-*/lock")
    lock.unlink()
    lock.mkdir()
    (folder / "b.txt").write_text("pears")
    neighbour.change("plums")
    neighbour.wait_for("plums")  # the process has tried
    assert found(collections, "pears") == []
    lock.rmdir()
    wait_until(lambda: found(collections, "pears") == ["b.txt"])


def test_a_fault_that_nobody_thought_of_stays_its_collections_own(
    collections: Collections, neighbour: Neighbour, capfd: pytest.CaptureFixture[str]
) -> None:
    [settings] = collections.folder.glob("Fruit-*/collection.json")
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "folder": "a\0b"}))
    with WatchingProcess(collections.folder, Limits()):
        for text in ("plums", "cherries"):
            neighbour.change(text)
            neighbour.wait_for(text)
    assert capfd.readouterr().err.count("'Fruit' cannot be kept up to date: ValueError") == 1


def open_files(process: WatchingProcess) -> Iterator[str]:
    for path in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime
            yield str(path.readlink())


@pytest.mark.skipif(sys.platform != "linux", reason="looks for open files as Linux does")
def test_no_deleted_file_of_an_index_stays_open(
    collections: Collections, folder: Path, watching: WatchingProcess
) -> None:
    for text in ("apples", "pears", "plums"):  # each segment takes the place of the last one
        (folder / "a.txt").write_text(text)
        wait_until(lambda text=text: found(collections, text) == ["a.txt"])  # type: ignore[misc]
    wait_until(lambda: not any(name.endswith(".seg (deleted)") for name in open_files(watching)))


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


def log_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_it_is_started_again_after_a_kill(
    collections: Collections,
    folder: Path,
    watching: WatchingProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wait_until(lambda: found(collections, "apples") == ["a.txt"])
    assert watching.state == "running"
    assert watching.pid is not None
    os.kill(watching.pid, signal.SIGKILL)
    wait_until(lambda: watching.state == "restarting")
    (folder / "b.txt").write_text("pears")
    wait_until(lambda: found(collections, "pears") == ["b.txt"])
    assert watching.state == "running"
    [line] = log_of(caplog)
    assert line.endswith("was killed by SIGKILL. It starts again in 1 seconds.")


def test_the_pauses_before_it_is_started_again_grow(
    collections: Collections, tmp_path: Path, caplog: pytest.LogCaptureFixture, pauses: None
) -> None:
    away = collections.folder.rename(tmp_path / "away")
    collections.folder.write_text("in the way")
    with WatchingProcess(collections.folder, Limits()):
        wait_until(lambda: len(log_of(caplog)) == 4)
        ends = [line.rpartition("ended with the status ")[2] for line in log_of(caplog)]
        assert ends == [f"1. It starts again in {n} seconds." for n in (0.01, 0.02, 0.04, 0.04)]
        collections.folder.unlink()
        away.rename(collections.folder)
        wait_until(lambda: found(collections, "apples") == ["a.txt"])


def test_after_a_long_run_the_pause_is_short_again(
    collections: Collections,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pauses: None,
) -> None:
    monkeypatch.setattr(watching_process, "_LONG", 0)
    collections.folder.rename(collections.folder.with_name("away"))
    collections.folder.write_text("in the way")
    with WatchingProcess(collections.folder, Limits()):
        wait_until(lambda: len(log_of(caplog)) == 2)
    assert all("again in 0.01 seconds" in line for line in log_of(caplog))


def test_if_it_cannot_be_started_that_is_tried_again(
    collections: Collections,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pauses: None,
) -> None:
    monkeypatch.setattr(sys, "executable", str(collections.folder / "gone"))
    with WatchingProcess(collections.folder, Limits()) as process:
        wait_until(lambda: len(log_of(caplog)) > 2)
        assert process.state == "restarting"
    assert "cannot be started: [Errno 2]" in caplog.text


SERVER = """
import sys, time
from pathlib import Path
from localdocs.limits import Limits
from localdocs.watching_process import WatchingProcess
process = WatchingProcess(Path(sys.argv[1]), Limits())
while process.pid is None:
    time.sleep(0.01)
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


LIMITED = (
    "from pathlib import Path\n"
    "Path('/proc/sys/user/max_inotify_watches').write_text('5')\n" + SERVER
)


@pytest.mark.skipif(sys.platform != "linux", reason="limits watches as Linux does")
def test_folders_are_watched_again_after_watchdog_has_failed(
    collections: Collections, folder: Path
) -> None:
    # It ends with a KeyError where it may watch a new folder, but not those in it.
    server = subprocess.Popen(
        ["unshare", "-Ur", sys.executable, "-c", LIMITED, str(collections.folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        if not server.stdout.readline():
            pytest.skip("makes no user namespaces here")
        wait_until(lambda: found(collections, "apples") == ["a.txt"])
        for i in range(6):
            write(folder / f"{i}/sub/b.txt")
        wait_until(lambda: len(found(collections, "apples")) == 7)
        write(folder / "c.txt")
        wait_until(lambda: len(found(collections, "apples")) == 8)
    finally:
        server.kill()
        server.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="has other priorities")
def test_it_lets_others_go_first(watching: WatchingProcess) -> None:
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, watching.pid or 0) == 19)


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
