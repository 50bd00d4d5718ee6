"""Reads files in a separate process, which is killed if it takes too much time or memory.

A crafted PDF can make its reader hang, and a crafted docx can fill the memory.
"""

import concurrent.futures
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from pebble import CONSTS, ProcessExpired, ProcessPool

from .errors import NoReader, UnreadableFile
from .readers import read
from .snippets import Snippet, bounded, snippets

# Seconds between pebble's checks of its process. With pebble's own 0.1, a refresh of one file
# would spend half of its time waiting for the process to end.
CONSTS.sleep_unit = 0.02
# For what takes no CPU time, such as a network folder that does not answer.
_SECONDS = 600
# Characters. Each snippet has a copy of these.
_LONGEST_NAME, _LONGEST_TAGS = 200, 500


@dataclass(frozen=True)
class Text:
    """What was read from a file: its snippets and their number of words, or a ``problem``.

    ``opened`` is False if the operating system refused to open it, which may be temporary.
    """

    title: str = ""
    author: str = ""
    date: str = ""
    tags: str = ""
    snippets: tuple[Snippet, ...] = ()
    words: int = 0
    problem: str | None = None
    opened: bool = True


class ReadingProcess:
    """A process that reads files, to be used in a ``with`` block.

    Each file may take ``cpu_seconds``, and the process ``memory_bytes``. On Windows there is only a
    time limit of ten minutes. The process may take ``start_seconds`` before it reads.
    """

    def __init__(
        self, cpu_seconds: int = 60, memory_bytes: int = 2 << 30, start_seconds: float = 30
    ) -> None:
        self._start_seconds = start_seconds
        self._cpu_seconds = cpu_seconds
        self._memory_bytes = memory_bytes

    def __enter__(self) -> "ReadingProcess":
        self._pool = ProcessPool(
            max_workers=1,
            initializer=_prepare,
            initargs=[self._memory_bytes],
            context=multiprocessing.get_context("spawn"),
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def read(self, paths: Iterable[Path], snippet_size: int) -> Iterator[Text]:
        """The text of each file.

        The process reads ahead while the caller uses the last result. Raises `NoReader` if it
        cannot be started.
        """
        try:
            futures = [
                self._pool.schedule(
                    _read, args=[path, snippet_size, self._cpu_seconds], timeout=_SECONDS
                )
                for path in paths
            ]
        except RuntimeError as error:  # pebble's, if the process has ended already
            raise NoReader(f"The process that reads files cannot be started: {error}.") from error
        for future in futures:
            yield self._result(future)

    def _result(self, future: "concurrent.futures.Future[Text]") -> Text:
        # Pebble counts the time of a file from where it is begun, and waits for ever for that.
        while not concurrent.futures.wait([future], self._start_seconds).done:
            if not future.running():
                raise NoReader(
                    f"The process that reads files has not started in {self._start_seconds:g} "
                    "seconds."
                )
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise NoReader("The process that reads files ends before it reads one.") from error
        except (ProcessExpired, MemoryError, concurrent.futures.TimeoutError):
            return Text(
                problem=f"reading it takes more than {self._cpu_seconds} seconds or "
                f"{self._memory_bytes >> 20} MiB of memory, or crashes its reader"
            )


def _read(path: Path, snippet_size: int, cpu_seconds: int) -> Text:
    _limit_time(cpu_seconds)
    try:
        document = read(path)
    except UnreadableFile as error:
        return Text(problem=str(error), opened=not isinstance(error.__cause__, OSError))
    pieces = tuple(snippets(document, snippet_size))
    words = sum(len(piece.text.split()) for piece in pieces)
    return Text(
        title=bounded(document.title, _LONGEST_NAME),
        author=bounded(document.author, _LONGEST_NAME),
        date=document.date,
        tags=bounded(document.tags, _LONGEST_TAGS),
        snippets=pieces,
        words=words,
    )


def _prepare(memory_bytes: int) -> None:
    _silence()
    _limit_memory(memory_bytes)


def _silence() -> None:
    """Keeps tracebacks of crashes off the terminal, because the result already says it."""
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)


def _limit_memory(limit: int) -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _limit_time(seconds: int) -> None:
    """Limits the CPU time of the next file. Waiting for a busy CPU does not count."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
