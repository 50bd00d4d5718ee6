"""Gives each of pytest-xdist's workers CPUs of its own, before the server's modules count them.

The threads of an engine wait for each other in busy loops. On a CPU that others use too, they all
but stand still.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    cpus = sorted(os.sched_getaffinity(0))
    # There may be fewer CPUs than workers.
    os.sched_setaffinity(0, cpus[number::count] or cpus)
