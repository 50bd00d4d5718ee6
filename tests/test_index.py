import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localdocs.errors import DamagedIndex
from localdocs.index import SnippetIndex, SourceFile
from localdocs.ranking import search
from localdocs.snippets import Snippet

from .server import ROOT


def entry(name: str, *texts: str) -> tuple[SourceFile, list[Snippet]]:
    return SourceFile(name), [Snippet(text, "", None, 1, 1) for text in texts]


def found(index: SnippetIndex, question: str) -> list[str]:
    return [hit.file.name for hit in search([index.snapshot()], question, 100)]


def test_what_was_written_is_found_by_another_process_later(tmp_path: Path) -> None:
    SnippetIndex(tmp_path).write([], [entry("a", "apples", "pears")], "the manifest")
    again = SnippetIndex(tmp_path).snapshot()
    assert (again.count, again.manifest) == (2, "the manifest")
    assert found(SnippetIndex(tmp_path), "pears") == ["a"]


def test_a_snippet_comes_back_as_it_was(tmp_path: Path) -> None:
    file = SourceFile("x/ü\udce9.md", "Title", "Author", "2024-09-05", "tag")
    piece = Snippet("täxt\n\N{PILE OF POO}", "A > B", 3, 4, 5, gap="\n")
    index = SnippetIndex(tmp_path)
    index.write([], [(file, [piece])], "")
    assert index.snapshot().stored(0) == (file, piece)


def test_an_open_index_sees_what_others_write(tmp_path: Path) -> None:
    reader, writer = SnippetIndex(tmp_path), SnippetIndex(tmp_path)
    assert found(reader, "apples") == []
    writer.write([], [entry("a", "apples")], "")
    assert found(reader, "apples") == ["a"]
    writer.write(["a"], [entry("b", "apples")], "")
    assert found(reader, "apples") == ["b"]


def test_a_snapshot_stays_as_it_is(tmp_path: Path) -> None:
    index = SnippetIndex(tmp_path)
    index.write([], [entry("a", "apples")], "")
    old = index.snapshot()
    for i in range(20):
        index.write([f"b{i - 1}"] if i else ["a"], [entry(f"b{i}", "apples")], "")
    assert [hit.file.name for hit in search([old], "apples", 9)] == ["a"]


def test_many_small_commits_are_merged_and_nothing_is_lost(tmp_path: Path) -> None:
    index = SnippetIndex(tmp_path)
    for i in range(60):
        removed = [f"f{i - 1}"] if i % 3 == 0 else []
        index.write(removed, [entry(f"f{i}", f"apples and number{i}")], "")
    names = {f"f{i}" for i in range(60) if i % 3 != 2 or i == 59}
    assert set(found(index, "apples")) == names
    assert index.snapshot().count == len(names)
    assert len(list(tmp_path.glob("*.seg"))) < 20
    assert found(index, "number58") == ["f58"]


def test_removed_snippets_leave_the_disk(tmp_path: Path) -> None:
    index = SnippetIndex(tmp_path)
    texts = [f"{i} apples are in basket {i * 7919}" for i in range(3000)]
    index.write([], [entry("large", *texts)], "")
    before = sum(path.stat().st_size for path in tmp_path.iterdir())
    index.write(["large"], [], "")
    index.write([], [entry("small", "apples")], "")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < before / 10
    assert found(index, "apples") == ["small"]


def test_a_write_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    index = SnippetIndex(tmp_path)
    index.write([], [entry("a", "apples")], "before")

    def broken():
        yield entry("b", "apples")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.write(["a"], broken(), "after")
    assert found(index, "apples") == ["a"]
    assert index.snapshot().manifest == "before"
    index.write([], [entry("c", "apples")], "")
    assert set(found(index, "apples")) == {"a", "c"}


KILLED = """
import sys
from pathlib import Path
from localdocs.index import SnippetIndex, SourceFile
from localdocs.snippets import Snippet
apples = [Snippet("apples", "", None, 1, 1)]
index = SnippetIndex(Path(sys.argv[1]))
for i in range(10_000):
    index.write([f"f{i - 3}"], [(SourceFile(f"f{i}"), apples)], str(i))
    print(i, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_kill_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    written = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(12 + written % 7)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        last = int([line for line in lines if line.strip()][-1])
        snapshot = SnippetIndex(tmp_path).snapshot()
        # What it was just writing may be there too.
        assert int(snapshot.manifest) in (last, last + 1)
        assert f"f{last}" in found(SnippetIndex(tmp_path), "apples")
        written += last


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        *((".toc", damage) for damage in ("cut", "empty", "noise")),
        *((".seg", damage) for damage in ("cut", "empty", "noise", "gone")),
    ],
)
def test_damage_is_noticed(tmp_path: Path, suffix: str, damage: str) -> None:
    index = SnippetIndex(tmp_path)
    index.write([], [entry(f"f{i}", f"apples and pears {i}") for i in range(50)], "m")
    [path] = tmp_path.glob(f"*{suffix}")
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        changed = {"cut": data[: len(data) // 2], "empty": b"", "noise": b"\x07" * len(data)}
        path.write_bytes(changed[damage])
    with pytest.raises(DamagedIndex, match=tmp_path.name):
        search([SnippetIndex(tmp_path).snapshot()], "apples", 3)
