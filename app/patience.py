"""How long a request waits and works."""

from collections.abc import Callable
from dataclasses import dataclass

from .exceptions import Cancelled, QueueTimeout, RequestTimeout, ServerStopping
from .exchange import Exchange
from .stopping import Stopping


@dataclass(frozen=True)
class Patience:
    """Ends a request whose client has left, or that takes too long, or with the server.

    ``queue_timeout`` and ``request_timeout`` are seconds from when the request came, or None.
    """

    exchange: Exchange
    disconnected: Callable[[], bool]
    stopping: Stopping
    queue_timeout: float | None
    request_timeout: float | None

    def while_waiting(self) -> None:
        """Raises `Cancelled`, `ServerStopping`, `QueueTimeout` or `RequestTimeout` to give up."""
        self.stopping.check()
        limit = self.queue_timeout
        if limit is not None and self.exchange.seconds > limit:
            raise QueueTimeout(
                f"The request has waited for the model for {limit:g} seconds "
                "(GPT4ALL_QUEUE_TIMEOUT)."
            )
        self.while_working()

    def while_working(self) -> None:
        """Raises `Cancelled`, `ServerStopping` or `RequestTimeout` to give up."""
        if self.disconnected():
            raise Cancelled("The client has left.")
        if self.stopping.overdue:
            raise ServerStopping("The server is stopping, and the answer is not complete.")
        limit = self.request_timeout
        if limit is not None and self.exchange.seconds > limit:
            raise RequestTimeout(
                f"The answer took more than {limit:g} seconds (GPT4ALL_REQUEST_TIMEOUT)."
            )
