"""Server-sent events as OpenAI sends them.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Iterable, Iterator

from ..errors import api_error_of
from ..exceptions import Cancelled
from ..pieces import Delta
from .base import Event, Presenter


def event_stream(presenter: Presenter, deltas: Iterable[Delta], answers: int) -> Iterator[str]:
    """The text of each of the ``presenter``'s events, then ``[DONE]`` where OpenAI sends it.

    An error becomes the last events.
    """
    try:
        yield from map(_text, presenter.events(deltas, answers))
    except Cancelled:
        return
    # The status line was already sent, so an error can only be reported here.
    except Exception as error:
        yield from map(_text, presenter.failing(api_error_of(error)))
        return
    if presenter.ends_with_done:
        yield "data: [DONE]\n\n"


def _text(event: Event) -> str:
    name = f"event: {event.name}\n" if event.name else ""
    # ASCII, because some clients split lines at U+2028, U+0085 and the like.
    return f"{name}data: {json.dumps(event.data, separators=(',', ':'))}\n\n"
