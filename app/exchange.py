"""What happened to a request: one record, filled along the line and closed once."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .pieces import Begun, Delta

_log = logging.getLogger(__name__)


@dataclass
class Exchange:
    """The record of one request. Times are in seconds since it came.

    ``waited`` until it had the model, ``first_piece`` until the first text or call left, ``took``
    until its end. ``error`` is the name of what ended it early.
    """

    endpoint: str
    model: str = ""
    waited: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    sources: int = 0
    first_piece: float | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None
    took: float | None = None
    _start: float = field(default_factory=time.monotonic, repr=False)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Closes the record at the end of the ``with`` block, however that comes."""
        try:
            with self._noted():
                yield
        finally:
            self.took = self._seconds()
            _log.debug("%s", self)

    def has_the_model(self) -> None:
        """Its turn has come."""
        self.waited = self._seconds()

    def begins(self, begun: Begun, sources: int) -> None:
        """The answers begin; so many sources are in the prompt."""
        self.prompt_tokens, self.sources = begun.prompt_tokens, sources

    def passing(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        """The deltas, on their way to the client."""
        with self._noted():
            for delta in deltas:
                if delta.pieces and self.first_piece is None:
                    self.first_piece = self._seconds()
                self.cached_tokens += delta.cached
                self.completion_tokens += delta.tokens
                if delta.finish_reason:
                    self.finish_reasons.append(delta.finish_reason)
                yield delta

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except GeneratorExit:
            self.error = "Cancelled"  # a stream that nobody reads any more
            raise
        except Exception as error:
            self.error = type(error).__name__
            raise

    def _seconds(self) -> float:
        return time.monotonic() - self._start
