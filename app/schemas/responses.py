"""POST /v1/responses, https://platform.openai.com/docs/api-reference/responses/create."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from ..jobs import JsonText
from .chat import MessageSchema
from .conversations import ConversationSchema, Effort, conversation_request
from .fields import (
    Ignored,
    Integer,
    JsonField,
    JsonObjectField,
    List,
    MessageText,
    Text,
    TokenLimit,
    Unsupported,
    shown,
)
from .functions import CallFunctionSchema
from .generation import Request, ResponseFormatSchema
from .loading import JsonObject

_ANSWER = {"role": "assistant", "content": ""}
_NOTHING_STORED = "nothing is stored here, so input must have the whole conversation"


def _item_type(name: str) -> Text:
    return Text(required=True, validate=validate.Equal(name))


class CallItemSchema(CallFunctionSchema):
    """A ``function_call``; becomes a message that has it."""

    type = _item_type("function_call")
    call_id = Text(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        function = {"name": data["name"], "arguments": data["arguments"]}
        call = {"id": data["call_id"], "type": "function", "function": function}
        return {**_ANSWER, "tool_calls": [call]}


class CallOutputItemSchema(JsonObject):
    """A ``function_call_output``; becomes a message."""

    type = _item_type("function_call_output")
    call_id = Text(required=True)
    output = MessageText(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"role": "tool", "content": data["output"], "tool_call_id": data["call_id"]}


class ThoughtSchema(JsonObject):
    """A part of a ``reasoning`` item; becomes its text."""

    text = Text(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> str:
        text: str = data["text"]
        return text


class ReasoningItemSchema(JsonObject):
    """A ``reasoning`` item; becomes a message that has the thought, or None if it is encrypted."""

    type = _item_type("reasoning")
    content = List(fields.Nested(ThoughtSchema), load_default=())
    summary = List(fields.Nested(ThoughtSchema), load_default=())

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any] | None:
        thought = "\n".join(data["content"] or data["summary"])
        return {**_ANSWER, "reasoning_content": thought} if thought else None


ITEMS: Mapping[str, JsonObject] = {
    "message": MessageSchema(),
    "function_call": CallItemSchema(),
    "function_call_output": CallOutputItemSchema(),
    "reasoning": ReasoningItemSchema(),
}


class _Item(JsonField):
    """An item of the conversation; becomes a message, or a part of one."""

    def _read(self, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            raise ValidationError(f"must be an object, not {shown(value)}.")
        kind = value.get("type") or "message"
        if kind == "item_reference":
            raise ValidationError(
                "nothing is stored here, so there is nothing to refer to. Send the item itself, as "
                "clients do with `store` false."
            )
        schema = ITEMS.get(kind) if isinstance(kind, str) else None
        if schema is None:
            raise ValidationError(
                {"type": [f"must be one of {', '.join(ITEMS)}, not {shown(kind)}."]}
            )
        message: dict[str, Any] | None = schema.load(value)
        return message


class Input(JsonField):
    """What the model shall answer: a text or a list of items, which become messages."""

    _items = List(_Item())

    def _read(self, value: Any) -> list[dict[str, Any] | None]:
        if isinstance(value, str):
            return [{"role": "user", "content": value}]
        if not isinstance(value, list) or not value:
            raise ValidationError(f"must be a string or a list of items, not {shown(value)}.")
        return self._items.deserialize(value)


def _conversation(items: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """The messages. Thought, text and calls of one answer become one, and so do instructions."""
    messages: list[dict[str, Any]] = []
    for item in filter(None, items):
        if messages and _continues(messages[-1], item):
            messages[-1] = _both(messages[-1], item)
        else:
            messages.append(item)
    return messages


def _continues(last: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether both are one message: in an answer text follows thoughts, and calls follow all."""
    begun = last["content"] or "tool_calls" in last
    match last["role"], item["role"]:
        case "system", "system":
            return True  # many chat templates know only one system message
        case "assistant", "assistant":
            return "tool_calls" in item or not begun
    return False


def _both(last: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**last, **item}
    for name, between in (("content", "\n\n"), ("reasoning_content", "\n\n"), ("tool_calls", [])):
        given = [message[name] for message in (last, item) if message.get(name)]
        if len(given) == 2:
            joined[name] = given[0] + between + given[1]
        elif given:
            [joined[name]] = given
    return joined


class TextFormatSchema(ResponseFormatSchema):
    """The ``format`` of ``text``."""

    _missing = "schema"


class TextSchema(JsonObject):
    """What the answer's text shall be; becomes a `JsonText`, or None for any text."""

    format = fields.Nested(TextFormatSchema)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> JsonText | None:
        return data.get("format")


class ReasoningSchema(JsonObject):
    """How the model shall think."""

    effort = Effort()
    summary = Text()


class ResponsesSchema(ConversationSchema):
    """Loads a `Request` that has a conversation."""

    input = Input(required=True)
    instructions = Text(load_default="")
    max_output_tokens = TokenLimit()
    metadata = JsonObjectField()
    reasoning = fields.Nested(ReasoningSchema, load_default=dict)
    text = fields.Nested(TextSchema)
    include = List(Text(), load_default=())
    n = Integer(
        load_default=1,
        validate=validate.Equal(1, error="a response has one answer. Leave it out, or send 1."),
    )

    background = Unsupported(reason="the response is the answer, at once or as a stream")
    context_management = Unsupported(reason="nothing is left out of a conversation")
    conversation = Unsupported(reason=_NOTHING_STORED)
    previous_response_id = Unsupported(reason=_NOTHING_STORED)
    prompt = Unsupported(reason="no prompts are stored here, so write it into instructions")

    access_programs = Ignored()
    background_options = Ignored()
    image = Ignored()
    max_tool_calls = Ignored()
    truncation = Ignored()

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Request:
        wanted = data.get("top_logprobs", 0)
        shows = wanted or "message.output_text.logprobs" in data["include"]
        data["top_logprobs"] = wanted if shows else None
        told = {"role": "system", "content": data["instructions"]}
        messages = _conversation([told if data["instructions"] else None, *data["input"]])
        if not messages:
            raise ValidationError("has nothing that the model can read.", "input")
        limit = data.get("max_output_tokens", data.get("max_tokens"))
        effort = data["reasoning"].get("effort")
        request = conversation_request(data, messages, "input", limit, effort)
        format_asked = request.grammar_field == "text"
        return replace(request, grammar_field="text.format") if format_asked else request
