"""How many threads an engine gets."""

import os


def usable_cpus() -> int:
    """The CPUs that this process may use. With more threads, an engine almost stands still."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def default_threads() -> int:
    """All of up to four CPUs, and half of more, because hyper-threads slow the engine down."""
    count = usable_cpus()
    return count if count <= 4 else max(4, count // 2)
