"""The request's body as JSON."""

import json
import re
from typing import Any, NoReturn

from flask import request

from .errors import InvalidRequest

# A string (to its end or the body's), a comma that follows nothing, or a trailing comma.
_TRAILING_COMMA = re.compile(
    r"""(?P<other> "(?:[^"\\]|\\.)*(?:"|\\?\Z) | [\[{]\s*, ) | ,(?=\s*[\]}])""",
    re.VERBOSE | re.DOTALL,
)


def request_body() -> dict[str, Any]:
    """The body of the current request, a JSON object, whatever its content type says.

    A comma after the last field is forgiven, because GPT4All's own cURL example has one.
    Raises `InvalidRequest` for anything else that is no JSON object.
    """
    try:
        text = request.get_data(cache=False).decode("utf-8-sig")
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


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError:
        forgiven = _TRAILING_COMMA.sub(lambda match: match["other"] or "", text)
        if forgiven == text:
            raise
        return json.loads(forgiven, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(reason: str, error: Exception) -> NoReturn:
    raise InvalidRequest(f"error parsing request JSON: {reason}") from error
