"""What the machine has to offer."""

import os
from contextlib import suppress
from pathlib import Path

import psutil

# The files of control groups, version 2 and 1: the limit, what is used, and the name under which
# the file with details has what of that can be given up at once.
_GROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


def usable_cpus() -> int:
    """The CPUs that this process may use. With more threads an engine all but stands still."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def default_threads() -> int:
    """All CPUs up to four, then half of them: hyper-threads slow the engine down."""
    count = usable_cpus()
    return count if count <= 4 else max(4, count // 2)


def available_memory(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """The bytes of memory that can be taken without swapping.

    In a container, ``groups`` is the folder with the limits of its control group.
    """
    available = psutil.virtual_memory().available
    for limit, used, reclaimable in _GROUPS:
        # There are no such files on other systems, and the limit may be the word "max".
        with suppress(OSError, ValueError):
            free = int((groups / limit).read_text()) - int((groups / used).read_text())
            details = (groups / used).with_name("memory.stat").read_text().split()
            free += int(details[details.index(reclaimable) + 1])
            available = min(available, free)
    return max(0, available)
