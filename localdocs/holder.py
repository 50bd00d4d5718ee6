"""Who reads a collection, and how far it has come: a file that other processes look into."""

import os
from pathlib import Path

import psutil


class Holder:
    """The process that has a collection's lock, as the file at ``path`` names it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, *progress: int) -> None:
        """Says that it is this process, and how many files it has read, of how many."""
        text = " ".join(map(str, (os.getpid(), *progress)))
        self._path.write_text(text, encoding="ascii")

    def forget(self) -> None:
        """Says that no process reads the collection any more."""
        self._path.unlink(missing_ok=True)

    @property
    def process(self) -> str:
        """Its number, or a question mark if it has not said so."""
        return (self._words() or ["?"])[0]

    @property
    def progress(self) -> tuple[int, int] | None:
        """How many files it has read and how many there are, or None if nothing is known."""
        match self._words():
            # A process that was killed has left its file.
            case [process, done, all_] if psutil.pid_exists(int(process)):
                return int(done), int(all_)
        return None

    def _words(self) -> list[str]:
        try:
            return self._path.read_text(encoding="ascii").split()
        except OSError:
            return []
