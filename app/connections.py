"""What waitress does not do for a connection whose client closes its own side."""

import socket

from waitress.channel import HTTPChannel


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that is answered although its client has closed the sending side.

    To waitress, which looks for the end of the client's data while a request is answered
    (``channel_request_lookahead``), that end is the client's leaving. But it may just have said all
    (RFC 9112, 9.6). Who has left refuses whatever comes: so a byte is sent out of band, which the
    programs of those who wait do not see.
    """

    connected: bool
    half_closed = False

    def readable(self) -> bool:
        """Whether more can come from the client."""
        return not self.half_closed and bool(super().readable())

    def handle_read(self) -> None:
        """Takes what the client has sent, or its end."""
        if not (self.requests and self._at_end()):
            super().handle_read()
            return
        self.half_closed = True
        try:
            self.socket.send(b"\0", socket.MSG_OOB)
        except OSError:  # refused already
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
            return False  # reading it says why

    def _refused(self) -> bool:
        try:
            return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        except OSError:  # it is closed already
            return True
