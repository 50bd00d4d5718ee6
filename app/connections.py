"""What waitress lacks: limits for slow connections, answers to half-closed ones, an orderly end."""

import select
import socket
import time
from collections.abc import Mapping

from waitress import wasyncore
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer

# Seconds in which a request must have come, from its first byte to its last.
_ARRIVAL = 60
# So many connections before waitress accepts no more, one makes room for each new one.
_SPARE = 8
# At the end: seconds that the last answers have, and between two looks at them.
_LAST_ANSWERS, _LOOK = 5, 0.05


def use_in_waitress(most_body_bytes: int) -> None:
    """Makes all servers of waitress in this process use `Channel`.

    Of a larger body, the application gets only the length.
    """
    _Body.most_bytes = most_body_bytes
    BaseWSGIServer.channel_class = Channel


def answer_the_last(sockets: Mapping[int, object]) -> None:
    """Lets nobody else connect, and waits until all whose requests have come are answered.

    ``sockets`` is the map of a running server of waitress. Another thread than its own may call it.
    A connection that is only closed at the server's end gets no answer, and a balancer cannot tell
    that its request was never begun. Where nobody listens, it asks another server.
    """

    def close(listener: BaseWSGIServer) -> None:
        while select.select([listener.socket], [], [], 0)[0]:
            listener.handle_accept()
        wasyncore.dispatcher.close(listener)  # not its trigger, which the last answers need

    for each in list(sockets.values()):
        if isinstance(each, BaseWSGIServer):
            each.trigger.pull_trigger(lambda listener=each: close(listener))
    end = time.monotonic() + _LAST_ANSWERS
    time.sleep(_LOOK)  # what was accepted last is read meanwhile
    while time.monotonic() < end and any(
        isinstance(each, Channel) and not each.waits_for_client for each in list(sockets.values())
    ):
        time.sleep(_LOOK)


class _Body(OverflowableBuffer):  # type: ignore[misc]
    """Counts all bytes of a body, and keeps them unless they are too many."""

    most_bytes = 0
    _dropped = 0

    def append(self, data: bytes) -> None:
        if len(self) + len(data) <= self.most_bytes:
            super().append(data)
        else:
            self._dropped += len(data)

    def __len__(self) -> int:
        return int(super().__len__()) + self._dropped


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header: bytes) -> None:
        super().parse_header(header)
        if self.body_rcv is not None:
            self.body_rcv.buf = _Body(self.adj.inbuf_overflow)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that keeps no others out, and may be closed on the client's side.

    A request must come within a minute. If there are too many connections, the one closes that has
    waited longest for its client, so that no number of idle or slow ones locks others out.

    waitress looks for the end of the client's data while a request is answered
    (``channel_request_lookahead``). It takes that end to mean that the client has left. But the
    client may just have nothing more to say (RFC 9112, 9.6). To tell, a byte is sent out of band:
    a client that has left refuses it, and a program that waits does not see it.
    """

    parser_class = _Parser
    connected: bool
    half_closed = False
    _request_began = 0.0

    def __init__(self, server: BaseWSGIServer, *how: object, **more: object) -> None:
        super().__init__(server, *how, **more)
        if len(self._map) > self.adj.connection_limit - _SPARE:
            waiting = [c for c in server.active_channels.values() if c.waits_for_client]
            min(waiting, key=lambda channel: channel.waits_since).will_close = True

    @property
    def waits_for_client(self) -> bool:
        """Whether nothing is done for the client until it sends more."""
        return not (self.requests or self.total_outbufs_len or self.will_close)

    @property
    def waits_since(self) -> float:
        """When the client's request began to come, or else when it last did anything."""
        return self._request_began if self.request is not None else self.last_activity

    def received(self, data: bytes) -> bool:
        """Takes what the client has sent."""
        if self.request is None:
            self._request_began = time.time()  # as waitress measures last_activity
        return bool(super().received(data))

    def readable(self) -> bool:
        """Whether the client can send more. Called at least once a second."""
        if self.request is not None and time.time() - self._request_began > _ARRIVAL:
            self.will_close = True
        return not self.half_closed and bool(super().readable())

    def handle_read(self) -> None:
        """Reads what the client has sent, or that it has closed its side."""
        if not (self.requests and self._at_end()):
            super().handle_read()
            return
        self.half_closed = True
        if not self.requests:
            self.close_when_flushed = True  # the answer ended meanwhile, and did not know
        try:
            self.socket.send(b"\0", socket.MSG_OOB)
        except OSError:  # already refused
            self.handle_close()

    def check_client_disconnected(self) -> bool:
        """Whether the client has left."""
        if self.half_closed and self.connected:
            self.connected = not self._refused()
        return not self.connected

    def service(self) -> None:
        """Answers one request."""
        super().service()
        if self.half_closed and not self.requests:
            self.close_when_flushed = True
            self.server.pull_trigger()

    def _at_end(self) -> bool:
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK) == b"")
        except OSError:
            return False  # reading raises it again

    def _refused(self) -> bool:
        try:
            return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        except OSError:  # already closed
            return True
