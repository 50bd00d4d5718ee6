"""Errors that upstreams answer with, in the forms that are about."""

import re
from collections.abc import Mapping
from typing import Any

from ..exceptions import UpstreamRefused

_BAD_GATEWAY = 502
# vLLM's and SGLang's words, and llama.cpp's. OpenAI's code for it is "context_length_exceeded".
_TOO_LONG = re.compile("context (length|size|window)")


def refusal(
    said: Any, status: int = _BAD_GATEWAY, retry_after: str | None = None
) -> UpstreamRefused:
    """The exception for an answer with that JSON, or None, and that status.

    OpenAI's form is ``{"error": {"message", ...}}``. Others leave out the outer object, or have
    only a text, and FastAPI's name for it is ``detail``.
    """
    error = said.get("error", said) if isinstance(said, Mapping) else said
    about: Mapping[str, Any] = error if isinstance(error, Mapping) else {"message": error}
    words = about.get("message") or about.get("detail")
    param, code = about.get("param"), about.get("code")
    if isinstance(code, int) and status == _BAD_GATEWAY and 400 <= code < 600:
        status = code
    if status == 400 and _TOO_LONG.search(str(words)):
        code = "context_length_exceeded"
    if status in (401, 403):
        # The client's own key is right, or it would not have come so far.
        words, status = f"It refuses the key in GPT4ALL_UPSTREAM_KEY: {words}", _BAD_GATEWAY
    if not 400 <= status < 600:  # such as a redirection
        words, status = f"It answered with the status {status}.", _BAD_GATEWAY
    return UpstreamRefused(
        str(words or f"It answered with the status {status}.")[:2000],
        status,
        param if isinstance(param, str) else None,
        code if isinstance(code, str) else None,
        retry_after,
    )
