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
    """The record of one request. Times are in seconds.

    ``waited`` until it had the model, ``first_piece`` until the first text or call left, ``took``
    in all. ``error`` is the kind of what ended it early.
    """

    endpoint: str
    model: str = ""
    waited: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    sources: int = 0
    first_piece: float | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None
    took: float | None = None
    _start: float = field(default_factory=time.monotonic, repr=False)

    def has_the_model(self) -> None:
        """Its turn has come."""
        self.waited = self._seconds()

    def begins(self, begun: Begun) -> None:
        """The model has accepted it."""
        self.prompt_tokens = begun.prompt_tokens

    def passes(self, delta: Delta) -> None:
        """A delta is on its way to the client."""
        if delta.pieces and self.first_piece is None:
            self.first_piece = self._seconds()
        self.cached_tokens += delta.cached
        self.completion_tokens += delta.tokens
        if delta.finish_reason:
            self.finish_reasons.append(delta.finish_reason)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Closes the record at the end of the ``with`` block, however that comes."""
        try:
            yield
        except Exception as error:
            self.error = type(error).__name__
            raise
        finally:
            self.took = self._seconds()
            _log.debug("%s", self)

    def _seconds(self) -> float:
        return time.monotonic() - self._start
