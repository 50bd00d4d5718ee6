"""The request's body as JSON."""

import json
import re
import zlib
from typing import Any, NoReturn

from flask import current_app, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from .errors import InvalidRequest
from .strict_json import loads

# A string (up to its end or the body's), a comma after nothing, or a trailing comma.
_TRAILING_COMMA = re.compile(
    r"""(?P<other> "(?:[^"\\]|\\.)*(?:"|\\?\Z) | [\[{]\s*, ) | ,(?=\s*[\]}])""",
    re.VERBOSE | re.DOTALL,
)


def request_body() -> dict[str, Any]:
    """The body of the current request. It must be a JSON object, whatever its content type says.

    A comma after the last field is allowed, because GPT4All's own cURL example has one.
    Raises `InvalidRequest` for anything else that is not a JSON object.
    """
    try:
        text = _decoded(request.get_data(cache=False)).decode("utf-8-sig")
        body = _parse(text)
        if "\\u" in text:
            json.dumps(body, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except UnicodeDecodeError as error:
        _refuse(f"the body is not UTF-8: {error}", error)
    except UnicodeEncodeError as error:
        _refuse("a \\u escape stands for half a character (an unpaired surrogate)", error)
    except RecursionError as error:
        _refuse("it is nested too deeply", error)
    except ValueError as error:
        _refuse(str(error), error)
    if not isinstance(body, dict):
        raise InvalidRequest("error parsing request JSON: the body must be an object")
    return body


def _decoded(data: bytes) -> bytes:
    """The body without its ``Content-Encoding`` (RFC 9110, 8.4)."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedMediaType(
            f"The Content-Encoding {encoding[:40]!r} is not supported; send gzip, deflate or none."
        )
    # 32 makes zlib look for gzip's or zlib's header. Some clients send deflate without its header.
    raw = encoding == "deflate" and not (data and data[0] & 15 == 8)
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    decoder = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS + 32)
    try:
        body = decoder.decompress(data, limit + 1)
    except zlib.error as error:
        _refuse(f"the body is not in {encoding}", error)
    if len(body) > limit:
        raise RequestEntityTooLarge
    if not decoder.eof:
        raise InvalidRequest("error parsing request JSON: the compressed body is cut short")
    return body


def _parse(text: str) -> Any:
    try:
        return loads(text)
    except json.JSONDecodeError:
        forgiven = _TRAILING_COMMA.sub(lambda match: match["other"] or "", text)
        if forgiven == text:
            raise
        return loads(forgiven)


def _refuse(reason: str, error: Exception) -> NoReturn:
    raise InvalidRequest(f"error parsing request JSON: {reason}") from error
