"""Server-sent events as OpenAI sends them.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Iterable, Iterator

from ..errors import api_error_of
from ..exceptions import Cancelled
from .base import Event


def event_stream(events: Iterable[Event]) -> Iterator[str]:
    """The text of each event, then ``[DONE]``. An error becomes a last event, named ``error``."""
    try:
        for event in events:
            yield _text(event)
    except Cancelled:
        return
    # The status line was already sent, so an error can only be reported here.
    except Exception as error:
        yield _text(Event(api_error_of(error).envelope, "error"))
        return
    yield "data: [DONE]\n\n"


def _text(event: Event) -> str:
    name = f"event: {event.name}\n" if event.name else ""
    # ASCII, because some clients split lines at U+2028, U+0085 and the like.
    return f"{name}data: {json.dumps(event.data, separators=(',', ':'))}\n\n"
