"""Turns tokens into the text of an answer, and releases it as soon as it can be shown."""

import codecs
from collections.abc import Sequence


class Detokenizer:
    """Turns the bytes of tokens into complete characters, and watches for stop strings.

    Text that may be the beginning of a stop string is held back. A stop string and what follows it
    are never released. Bytes that are not UTF-8 become U+FFFD. ``decoded`` and ``released`` count
    characters.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False
        self.decoded = self.released = 0  # characters

    def add(self, data: bytes) -> str:
        """Takes a token's bytes, and returns the text that can be shown now.

        Sets ``stopped`` if a stop string is complete.
        """
        text = self._decoder.decode(data)
        self.decoded += len(text)
        self._held += text
        found = [at for at in map(self._held.find, self._stop) if at >= 0]
        if found:
            self.stopped = True
            return self._release(min(found))
        return self._release(len(self._held) - self._possible_stop())

    def finish(self) -> str:
        """The text that is still held back at the end. An incomplete character is dropped."""
        return "" if self.stopped else self._release(len(self._held))

    def _release(self, length: int) -> str:
        text, self._held = self._held[:length], self._held[length:]
        self.released += length
        return text

    def _possible_stop(self) -> int:
        """How many characters at the end of the held text may begin a stop string."""
        return max((overlap(self._held, stop) for stop in self._stop), default=0)


def overlap(text: str, wanted: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of ``wanted``."""
    for length in range(min(len(wanted) - 1, len(text)), 0, -1):
        if text.endswith(wanted[:length]):
            return length
    return 0
