"""Server-sent events as OpenAI sends them.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .errors import api_error_of
from .inference.errors import Cancelled


def event_stream(chunks: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Each chunk as an event, then ``[DONE]``. An error becomes an ``error`` event, the last."""
    try:
        for chunk in chunks:
            yield _event(chunk)
    except Cancelled:
        return
    # The status line has left already: whatever goes wrong can only be said here.
    except Exception as error:
        yield "event: error\n" + _event(api_error_of(error).envelope)
        return
    yield "data: [DONE]\n\n"


def _event(data: Any) -> str:
    # ASCII: some clients split lines at U+2028, U+0085 and the like.
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n"
