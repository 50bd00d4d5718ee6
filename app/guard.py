"""Decides who may ask: this server knows private documents, and any web page can reach it.

A stranger's page can post to 127.0.0.1. `Origin` then names the page. If the page's own name
resolves to 127.0.0.1 (DNS rebinding), it can even read the answer. `Host` is then that name.
"""

import hmac
import ipaddress
from collections.abc import Collection
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from .errors import Forbidden, Unauthorized

_PREFLIGHT_LASTS = 600  # seconds
# The page's files tell nothing. The page then asks its user for the key.
_OPEN = ("health.show", "health.ready", "page.file")
# A foreign page cannot send it without asking first, and is then refused.
PAGE_HEADER = "X-GPT4All-Page"
# Nobody shall guess what a response is, or show it in a page of its own.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guard(
    app: Flask, hosts: Collection[str], origins: Collection[str], keys: Collection[str]
) -> None:
    """Refuses requests from strangers, and lets the pages of friends read the responses.

    ``hosts`` are other names of this server. ``origins`` are those of other friends, with ``*`` for
    any characters. If there are ``keys``, a request needs one of them, except for /health,
    /health/ready and the page's files. What the page itself asks for, nobody else gets, not even a
    friend.
    """

    @app.before_request
    def check() -> ResponseReturnValue | None:
        # An HTTP/1.0 client may leave Host out. A browser never does.
        host = request.headers.get("Host")
        if host is not None and not _is_own(host, hosts):
            raise _forbidden("Host", "GPT4ALL_HOSTS")
        origin = request.headers.get("Origin")
        if request.blueprint == "page":
            if request.endpoint not in _OPEN and not _is_the_page():
                raise Forbidden("Only this server's own page may ask for this.", code="forbidden")
        elif origin is not None:
            if not _is_friend(origin, origins, hosts):
                raise _forbidden("Origin", "GPT4ALL_ORIGINS")
            if "Access-Control-Request-Method" in request.headers:
                return "", 204, _preflight()
        elif request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise _forbidden("page", "GPT4ALL_ORIGINS")
        if keys and request.endpoint not in _OPEN and not _has_key(keys):
            raise Unauthorized
        return None

    @app.after_request
    def head(response: Response) -> Response:
        response.headers.update(_HEADERS)
        origin = request.headers.get("Origin")
        if origin is not None and request.blueprint != "page":
            response.vary.add("Origin")
            if _is_friend(origin, origins, hosts):
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = "*"
        return response


def _forbidden(what: str, setting: str) -> Forbidden:
    return Forbidden(
        f"The {what} of this request is not allowed. If it is yours, add it to {setting}.",
        code="forbidden",
    )


def _is_own(host: str, hosts: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if _is_localhost(name) or name in map(str.lower, hosts):
            return True
        # A page can choose its name, but not its address.
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _is_friend(origin: str, origins: Collection[str], hosts: Collection[str]) -> bool:
    """Whether a page is this server's own, of this machine, or named."""
    if any(fnmatchcase(origin.lower(), friend.lower()) for friend in origins):
        return True
    try:
        url = urlsplit(origin)
        name = url.hostname or ""
        if url.scheme not in ("http", "https") or not name:
            return False
    except ValueError:
        return False
    host = request.headers.get("Host", "")
    return is_this_machine(name) or (url.netloc.lower() == host.lower() and _is_own(host, hosts))


def _is_the_page() -> bool:
    """Whether a request comes from this server's own page, whose `Host` is checked already."""
    headers = request.headers
    origin = headers.get("Origin")  # browsers leave it out if a page gets something of its own
    host = headers.get("Host", "").lower()
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return False
    site = headers.get("Sec-Fetch-Site", "same-origin")
    return PAGE_HEADER in headers and site == "same-origin"


def is_this_machine(name: str) -> bool:
    """Whether a host's name or address can only be reached from the machine itself."""
    try:
        return _is_localhost(name) or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_localhost(name: str) -> bool:
    """Browsers resolve these names to this machine, without asking anybody (RFC 6761)."""
    return name == "localhost" or name.endswith(".localhost")


def _preflight() -> dict[str, str]:
    """What a browser wants to know before it sends a friend's request."""
    return {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": request.headers.get(
            "Access-Control-Request-Headers", "Content-Type, Authorization"
        ),
        "Access-Control-Max-Age": str(_PREFLIGHT_LASTS),
    }


def _has_key(keys: Collection[str]) -> bool:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    given = key.strip().encode("latin-1")  # as WSGI decodes headers
    # All are compared, so that the time tells nothing.
    found = [hmac.compare_digest(given, wanted.encode()) for wanted in keys]
    return scheme.lower() == "bearer" and any(found)
