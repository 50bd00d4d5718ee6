"""The processes of a server, as Linux's /proc shows them."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def tree(pid: int) -> list[int]:
    """The process and all its descendants that are still there, parents first."""
    found = [pid]
    for parent in found:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                found += [int(child) for child in task.read_text(encoding="ascii").split()]
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to those of the processes that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def memory(pids: Iterable[int]) -> int:
    """The bytes that the processes take: what several share counts in parts (PSS)."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        [pss] = (line.split()[1] for line in lines if line.startswith("Pss:"))
        total += int(pss) << 10
    return total
