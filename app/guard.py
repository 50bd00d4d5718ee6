"""Keeps web pages out: the user's browser can reach this server, which knows private documents.

A stranger's page can post to 127.0.0.1. `Origin` then names the page. If the page's own name
resolves to 127.0.0.1 (DNS rebinding), it can even read the answer. `Host` is then that name.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, request

from .errors import Forbidden


def guard(app: Flask, hosts: Collection[str]) -> None:
    """Refuses requests whose Host or Origin is not an address, localhost or in ``hosts``."""

    @app.before_request
    def check() -> None:
        # An HTTP/1.0 client may leave Host out. A browser never does.
        host = request.headers.get("Host")
        origin = request.headers.get("Origin")
        for header, url in (("Host", host and f"//{host}"), ("Origin", origin)):
            if url is not None and not _allowed(url, hosts):
                raise Forbidden(
                    f"The {header} of this request is not allowed. If it is yours, add it to "
                    "GPT4ALL_HOSTS.",
                    code="forbidden",
                )


def _allowed(url: str, hosts: Collection[str]) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        if name == "localhost" or name in map(str.lower, hosts):
            return True
        # A page can choose its name, but not its address.
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
