"""``chat.completion``: https://platform.openai.com/docs/api-reference/chat/object."""

from collections.abc import Iterator, Sequence

from ..pieces import (
    CallPiece,
    Delta,
    FinishReason,
    Piece,
    Thought,
    TokenLogProbability,
    text_of,
)
from .base import ChoicesPresenter, Gathered, Object, logprobs_of


class ChatPresenter(ChoicesPresenter):
    """``chat.completion``. ``references`` is null if there are no sources."""

    id_prefix = "chatcmpl-"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def _choice(self, index: int, answer: Gathered) -> Object:
        return {
            "index": index,
            "message": {"role": "assistant", **self._message(answer.pieces)},
            "finish_reason": self._reason(answer.finish_reason),
            "logprobs": self._logprobs(answer.logprobs),
            "references": self._references,
        }

    def _opening(self, index: int) -> list[Object]:
        return [_chat_chunk(index, {"role": "assistant", "content": ""})]

    def _pieces(self, delta: Delta) -> Iterator[Object]:
        deltas = [self._piece(piece) for piece in delta.pieces]
        logprobs = self._logprobs(delta.logprobs)
        if delta.logprobs and logprobs and not deltas:
            deltas = [{"content": ""}]
        for shown in deltas:
            yield {**_chat_chunk(delta.index, shown), "logprobs": logprobs}
            logprobs = None
        if delta.finish_reason:
            reason = self._reason(delta.finish_reason)
            ending = {"finish_reason": reason, "references": self._references}
            yield {**_chat_chunk(delta.index, {}), **ending}

    def _reason(self, reason: FinishReason | None) -> str | None:
        return "function_call" if reason == "tool_calls" and self._shown.legacy_call else reason

    def _message(self, pieces: Sequence[Piece]) -> Object:
        """The content and the calls of a whole message."""
        content = text_of(pieces)
        thought = "".join(piece.text for piece in pieces if isinstance(piece, Thought))
        thoughts = {"reasoning_content": thought} if thought else {}
        calls: list[Object] = []
        for piece in pieces:
            if not isinstance(piece, CallPiece):
                continue
            if piece.id:
                function = {"name": piece.name, "arguments": ""}
                calls.append({"id": piece.id, "type": "function", "function": function})
            calls[piece.number]["function"]["arguments"] += piece.arguments
        if not calls:
            return {"content": content, **thoughts}
        called = (
            {"function_call": calls[0]["function"]}
            if self._shown.legacy_call
            else {"tool_calls": calls}
        )
        return {"content": content or None, **thoughts, **called}

    def _piece(self, piece: Piece) -> Object:
        """A piece of text or of a call, as a stream's delta."""
        if isinstance(piece, str):
            return {"content": piece}
        if isinstance(piece, Thought):
            return {"reasoning_content": piece.text}
        function = {**({"name": piece.name} if piece.id else {}), "arguments": piece.arguments}
        if self._shown.legacy_call:
            return {"function_call": function}
        head = {"id": piece.id, "type": "function"} if piece.id else {}
        return {"tool_calls": [{"index": piece.number, **head, "function": function}]}

    def _logprobs(self, found: Sequence[TokenLogProbability]) -> Object | None:
        if not self._shown.logprobs:
            return None
        return {"content": logprobs_of(found), "refusal": None}


class PageChatPresenter(ChatPresenter):
    """For the page, whose user may know where the files are."""

    hidden_of_references = ()


def _chat_chunk(index: int, delta: Object) -> Object:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
