"""What happened to a request: one record, filled along the line and closed once."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Flask, Response, g, request

from .logs import logfmt
from .pieces import Delta

_log = logging.getLogger(__name__)

_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
# Seconds. Pieces of an answer come together if they follow each other fast.
_SHORTEST = 0.2
# What programs ask for again and again is not worth a line each time.
_QUIET = ("/health", "/health/ready", "/metrics", "/page/collections", "/page/server-chat")


@dataclass
class Exchange:
    """The record of one request. Times are in seconds since it came.

    ``waited`` until it had the model, ``first_piece`` until the first text or call left, ``took``
    until its end. ``error`` is the name of what ended it early. ``route`` is the rule of its path.
    """

    id: str
    method: str
    route: str
    status: int = 0
    model: str = ""
    engine: str = ""
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

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self._start

    @property
    def tokens_per_second(self) -> float | None:
        """Of the answer, after its first piece; None if it is too short to say."""
        if self.took is None or self.first_piece is None:
            return None
        seconds = self.took - self.first_piece
        return round(self.completion_tokens / seconds, 1) if seconds > _SHORTEST else None

    @property
    def line(self) -> dict[str, Any]:
        """What the log says of it: no text of anybody's."""
        said = {"id": self.id, "method": self.method, "route": self.route, "status": self.status}
        said |= {"model": self.model, "engine": self.engine}
        if self.waited is not None:
            said |= {
                "queue_ms": _milliseconds(self.waited),
                "prompt_tokens": self.prompt_tokens,
                "cached_tokens": self.cached_tokens,
                "answer_tokens": self.completion_tokens,
                "first_ms": _milliseconds(self.first_piece),
                "tokens_per_second": self.tokens_per_second,
                "sources": self.sources,
                "finish": ",".join(self.finish_reasons),
            }
        said |= {"took_ms": _milliseconds(self.took), "error": self.error}
        return {name: value for name, value in said.items() if value not in (None, "")}

    def has_the_model(self) -> None:
        """Its turn has come."""
        self.waited = self.seconds

    def passing(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        """The deltas, on their way to the client."""
        with self.noted():
            for delta in deltas:
                if delta.pieces and self.first_piece is None:
                    self.first_piece = self.seconds
                self.prompt_tokens += delta.prompt_tokens
                self.cached_tokens += delta.cached
                self.completion_tokens += delta.tokens
                if delta.finish_reason:
                    self.finish_reasons.append(delta.finish_reason)
                yield delta

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Notes what ends the ``with`` block early."""
        try:
            yield
        except GeneratorExit:
            self.error = "Cancelled"  # a stream that nobody reads any more
            raise
        except Exception as error:
            self.error = type(error).__name__
            raise

    def close(self) -> None:
        """Says that it has ended."""
        self.took = self.seconds


def record_exchanges(app: Flask, closed: Callable[[Exchange], None]) -> None:
    """Keeps a record of each request, which `exchange` returns, and logs it at its end.

    ``closed`` is told of its end too. A client may give the request an id, and gets it back.
    """

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        id_ = given if _ID.fullmatch(given) else uuid.uuid4().hex
        # The rules are few. Paths are not.
        route = request.url_rule.rule if request.url_rule is not None else "other"
        g.exchange = Exchange(id_, request.method, route)

    @app.after_request
    def answer(response: Response) -> Response:
        current = exchange()
        current.status = response.status_code
        response.headers["X-Request-Id"] = current.id

        def end() -> None:
            current.close()
            level = logging.DEBUG if current.route in _QUIET else logging.INFO
            _log.log(level, "%s", logfmt(current.line), extra=current.line)
            closed(current)

        response.call_on_close(end)
        return response


def exchange() -> Exchange:
    """The record of the current request."""
    return cast(Exchange, g.exchange)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
