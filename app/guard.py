"""Keeps web pages out: the user's browser reaches this server too, and it knows private documents.

A page of a stranger can post to 127.0.0.1 (`Origin` names the page), and with a name of its own
that resolves to 127.0.0.1 (DNS rebinding) it can even read the answer (`Host` is that name).
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, request

from .errors import Forbidden


def guard(app: Flask, hosts: Collection[str]) -> None:
    """Refuses requests for and from other places than addresses, localhost and ``hosts``."""

    @app.before_request
    def check() -> None:
        # HTTP/1.0 may leave the Host out; a browser never does.
        host = request.headers.get("Host")
        origin = request.headers.get("Origin")
        for header, url in (("Host", host and f"//{host}"), ("Origin", origin)):
            if url is not None and not _allowed(url, hosts):
                raise Forbidden(
                    f"The {header} of this request is not allowed. If it is yours, name it in "
                    "GPT4ALL_HOSTS.",
                    code="forbidden",
                )


def _allowed(url: str, hosts: Collection[str]) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        if name == "localhost" or name in map(str.lower, hosts):
            return True
        # No page can have an address of its own choice.
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
