"""``response``: https://platform.openai.com/docs/api-reference/responses/object."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ApiError
from ..pieces import CallPiece, Delta, FinishReason, Piece, Thought
from .base import Event, Object, Presenter, Shown, logprobs_of
from .output_items import (
    CallItem,
    MessageItem,
    OutputItem,
    ReasoningItem,
    Status,
    SummaryItem,
    Told,
)

# What a response repeats of its request, and what it has if the request left that out.
_REPEATED: Object = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": False,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
}
# What is always so, whatever the request says.
_ALWAYS: Object = {
    "background": False,
    "previous_response_id": None,
    "store": False,
    "truncation": "disabled",
}


class ResponsesPresenter(Presenter):
    """``response``. A plain one is that of the stream's last event.

    ``asked`` is the request's body. ``references`` is null if there are no sources, and each of
    them is a citation of the text. The response has its own id: an upstream's is that of a chat.
    """

    id_prefix = "resp_"
    ends_with_done = False

    def __init__(
        self,
        asked: Mapping[str, Any],
        model: str,
        shown: Shown,
        references: Sequence[Object] = (),
        id_: str = "",
    ) -> None:
        super().__init__(model, shown, references)
        given = {name: asked[name] for name in _REPEATED if asked.get(name) is not None}
        self._repeated = {**_REPEATED, **given}
        # Clients that ask for a summary of thoughts show nothing else of them.
        wanted = asked.get("reasoning") or {}
        self._thought_item = SummaryItem if wanted.get("summary") else ReasoningItem
        self._items: list[OutputItem] = []
        self._logprobs: list[Object] = []  # of tokens whose text has not come yet
        self._numbers = itertools.count()

    def whole(self, deltas: Iterable[Delta]) -> Object:
        """The response."""
        [last] = deque(self.events(deltas, 1), maxlen=1)
        response: Object = last.data["response"]
        return response

    def events(self, deltas: Iterable[Delta], count: int) -> Iterator[Event]:
        """The events of a stream. There is one answer."""
        yield self._lifecycle("created", "in_progress")
        yield self._lifecycle("in_progress", "in_progress")
        reason: FinishReason | None = None
        for delta in self._counted(deltas):
            reason = delta.finish_reason or reason
            yield from self._grown(delta)
        status: Status = "incomplete" if reason == "length" else "completed"
        yield from self._done(status)
        if not isinstance(self._last, MessageItem | CallItem):
            # Clients look for one of them.
            yield from self._added(MessageItem(self._citations))
            yield from self._done(status)
        yield self._lifecycle(status, status)

    def failing(self, error: ApiError) -> Iterator[Event]:
        """The last events of a stream that fails."""
        said = {"code": error.code or error.type, "message": error.message}
        yield self._event("error", {**said, "param": error.param})
        if self._last is not None:
            self._last.status = "incomplete"
        yield self._lifecycle("failed", "failed", error=said)

    @property
    def _last(self) -> OutputItem | None:
        return self._items[-1] if self._items else None

    @property
    def _citations(self) -> list[Object]:
        return [
            {
                "type": "file_citation",
                "file_id": f"references[{place}]",
                "filename": reference["file"],
            }
            for place, reference in enumerate(self._references or [])
        ]

    def _grown(self, delta: Delta) -> Iterator[Event]:
        """The events of what is new."""
        ends_thought = isinstance(self._last, ReasoningItem) and not delta.pieces
        if self._shown.logprobs and not ends_thought:
            self._logprobs += logprobs_of(delta.logprobs)
        for piece in delta.pieces:
            yield from self._grown_by(piece)
        if delta.finish_reason and self._logprobs and isinstance(self._last, MessageItem):
            yield from self._grown_by("")

    def _grown_by(self, piece: Piece) -> Iterator[Event]:
        match piece:
            case CallPiece():
                fits, text = not piece.id, piece.arguments
            case Thought():
                fits, text = isinstance(self._last, ReasoningItem), piece.text
            case _:
                fits, text = isinstance(self._last, MessageItem), piece
        if not fits:
            yield from self._done("completed")
            yield from self._added(self._new_item(piece))
        # Only messages show them.
        logprobs, self._logprobs = self._logprobs, []
        if text or isinstance(self._last, MessageItem):
            yield from self._told(self._items[-1].grow(text, logprobs))

    def _new_item(self, piece: Piece) -> OutputItem:
        match piece:
            case CallPiece():
                return CallItem(piece)
            case Thought():
                return self._thought_item()
        return MessageItem(self._citations)

    def _added(self, item: OutputItem) -> Iterator[Event]:
        self._items.append(item)
        yield self._item_event("added")
        yield from self._told(item.begin())

    def _done(self, status: Status) -> Iterator[Event]:
        """The events of the end of the last item, if there is one."""
        if self._last is not None:
            yield from self._told(self._last.end())
            self._last.status = status
            yield self._item_event("done")

    def _item_event(self, name: str) -> Event:
        shown = {"output_index": len(self._items) - 1, "item": self._items[-1].shown}
        return self._event(f"response.output_item.{name}", shown)

    def _told(self, told: Iterable[Told]) -> Iterator[Event]:
        place = {"output_index": len(self._items) - 1, "item_id": self._items[-1].id}
        for name, data in told:
            yield self._event(name, {**place, **data})

    def _lifecycle(self, name: str, status: str, error: Object | None = None) -> Event:
        return self._event(f"response.{name}", {"response": self._response(status, error)})

    def _event(self, name: str, data: Object) -> Event:
        return Event({"type": name, "sequence_number": next(self._numbers), **data}, name)

    def _response(self, status: str, error: Object | None) -> Object:
        incomplete = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self._head["id"],
            "object": "response",
            "created_at": self._head["created"],
            "status": status,
            "error": error,
            "incomplete_details": incomplete,
            "model": self._head["model"],
            "output": [item.shown for item in self._items],
            "references": self._references,
            "usage": None if status == "in_progress" else self._usage(),
            **self._repeated,
            **_ALWAYS,
        }

    def _usage(self) -> Object:
        return {
            "input_tokens": self._prompt_tokens,
            "input_tokens_details": {"cached_tokens": self._cached_tokens, "cache_write_tokens": 0},
            "output_tokens": self._completion_tokens,
            "output_tokens_details": {"reasoning_tokens": self._reasoning_tokens},
            "total_tokens": self._prompt_tokens + self._completion_tokens,
        }
