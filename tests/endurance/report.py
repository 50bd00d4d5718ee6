"""What a long run counts, and what did not hold."""

import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

_SHOWN = 20  # faults of each run
_ROWS = 10  # of the table of memory
_WARM = 300  # seconds after which memory should not grow any more
_GROWTH = 1.05


class Report:
    """Outcomes by kind, and faults. Many threads may use it."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._slowest: defaultdict[str, float] = defaultdict(float)

    def count(self, kind: str, outcome: str, seconds: float = 0.0) -> None:
        with self._lock:
            self._outcomes[kind][outcome] += 1
            self._slowest[kind] = max(seconds, self._slowest[kind])

    def fault(self, text: str) -> None:
        """Notes what should not have happened."""
        with self._lock:
            self.faults.append(text)
        print(f"FAULT: {text}", flush=True)

    def number(self, ending: str) -> int:
        """How many outcomes of all kinds end like that."""
        with self._lock:
            counts = [c for kind in self._outcomes.values() for c in kind.items()]
        return sum(count for outcome, count in counts if outcome.endswith(ending))

    def end(self) -> int:
        """Prints the outcomes and the faults. Returns the exit status."""
        print("\n| kind | number | outcomes | slowest, s |\n|---|---|---|---|")
        for kind, counts in sorted(self._outcomes.items()):
            outcomes = ", ".join(f"{name}: {count:,}" for name, count in counts.most_common())
            print(f"| {kind} | {counts.total():,} | {outcomes} | {self._slowest[kind]:.2f} |")
        print(f"\n{len(self.faults)} faults")
        for fault in self.faults[:_SHOWN]:
            print(f"- {fault}")
        return 1 if self.faults else 0


class Memory(threading.Thread):
    """Samples the resident memory of processes once a second. They may come and go."""

    def __init__(self, processes: Mapping[str, Callable[[], int]]) -> None:
        super().__init__(daemon=True)
        self._processes = processes
        self._samples: dict[str, list[tuple[float, int]]] = {name: [] for name in processes}
        self._ended = threading.Event()

    def run(self) -> None:
        start = time.monotonic()
        while not self._ended.wait(1):
            for name, pid in self._processes.items():
                with suppress(OSError, ValueError):  # it is being replaced
                    sample = time.monotonic() - start, resident(pid())
                    self._samples[name].append(sample)

    def end(self, report: Report) -> None:
        """Prints the samples. Growth after the first minutes is a fault."""
        self._ended.set()
        self.join()
        end = max((samples[-1][0] for samples in self._samples.values() if samples), default=0.0)
        print("\n| memory (RSS), MB, until minute |", " | ".join(self._samples), "|")
        print("|---|" + "---|" * len(self._samples))
        for row in range(_ROWS):
            begin, until = end * row / _ROWS, end * (row + 1) / _ROWS
            cells = (self._median(name, begin, until) for name in self._samples)
            print(f"| {until / 60:.1f} |", " | ".join(f"{cell / 1e6:.0f}" for cell in cells), "|")
        if end < 2 * _WARM:
            return
        for name in self._samples:
            part = (end - _WARM) / 5
            first = self._median(name, _WARM, _WARM + part)
            last = self._median(name, end - part, end)
            if last > first * _GROWTH:
                report.fault(f"the {name} grew from {first / 1e6:.0f} to {last / 1e6:.0f} MB")

    def _median(self, name: str, begin: float, end: float) -> float:
        sizes = [size for at, size in self._samples[name] if begin <= at <= end]
        return statistics.median(sizes) if sizes else 0


def resident(pid: int) -> int:
    """The bytes of memory that a process has. Raises `OSError` if it is gone."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    if not sizes:
        raise ProcessLookupError(pid)  # it has ended, and its parent does not know yet
    return int(sizes[0]) << 10
