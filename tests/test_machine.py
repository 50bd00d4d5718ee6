from pathlib import Path

import psutil
import pytest

from app import machine
from app.machine import available_memory, default_threads


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 2), (4, 4), (6, 4), (8, 4), (16, 8)])
def test_the_threads_are_all_cpus_up_to_four_then_half_of_them(
    monkeypatch: pytest.MonkeyPatch, cpus: int, threads: int
) -> None:
    monkeypatch.setattr(machine, "usable_cpus", lambda: cpus)
    assert default_threads() == threads


def write(folder: Path, limit: str, used: str, stat: str) -> Path:
    for name, text in (("memory.max", limit), ("memory.current", used), ("memory.stat", stat)):
        (folder / name).write_text(text)
    return folder


def test_a_control_group_limits_the_memory(tmp_path: Path) -> None:
    # What the group has of files that can be read again counts as free.
    folder = write(tmp_path, "5000000\n", "3000000\n", "anon 1\ninactive_file 400000\n")
    assert available_memory(folder) == 2_400_000


def test_a_limit_of_the_older_kind_counts_too(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("5000000")
    (folder / "memory.usage_in_bytes").write_text("3000000")
    (folder / "memory.stat").write_text("total_inactive_file 0")
    assert available_memory(tmp_path) == 2_000_000


@pytest.mark.parametrize("limit", ["max", str(2**62)])
def test_without_a_limit_the_machines_memory_counts(tmp_path: Path, limit: str) -> None:
    folder = write(tmp_path, limit, "0", "inactive_file 0")
    assert 0 < available_memory(folder) <= psutil.virtual_memory().total


def test_a_group_that_uses_more_than_it_may_has_nothing_left(tmp_path: Path) -> None:
    assert available_memory(write(tmp_path, "5", "9", "inactive_file 0")) == 0
