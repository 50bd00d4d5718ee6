"""What waitress lacks: answers to clients that close their own side of the connection."""

import socket

from waitress.channel import HTTPChannel


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that is answered even if its client has closed the sending side.

    waitress looks for the end of the client's data while a request is answered
    (``channel_request_lookahead``). It takes that end to mean that the client has left. But the
    client may just have nothing more to say (RFC 9112, 9.6). To tell, a byte is sent out of band:
    a client that has left refuses it, and a program that waits does not see it.
    """

    connected: bool
    half_closed = False

    def readable(self) -> bool:
        """Whether the client can send more."""
        return not self.half_closed and bool(super().readable())

    def handle_read(self) -> None:
        """Reads what the client has sent, or that it has closed its side."""
        if not (self.requests and self._at_end()):
            super().handle_read()
            return
        self.half_closed = True
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
