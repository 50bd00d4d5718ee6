"""POST /v1/chat/completions, https://platform.openai.com/docs/api-reference/chat/create."""

from collections.abc import Mapping
from typing import Any

from marshmallow import (
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
    validates_schema,
)

from .conversations import FUNCTIONS, ConversationSchema, Effort, conversation_request
from .fields import Boolean, Ignored, List, MessageText, Text, TokenLimit, Unsupported
from .functions import CallFunctionSchema, CallSchema, FunctionSchema, ToolChoice
from .generation import Request
from .loading import JsonObject

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_KEPT = ("name", "tool_call_id", "reasoning_content")


class MessageSchema(JsonObject):
    """One of the messages. Clients may send back what other servers added to an answer."""

    role = Text(
        required=True,
        validate=validate.OneOf(_ROLES, error="must be one of {choices}."),
    )
    content = MessageText()
    name = Text()
    tool_calls = List(fields.Nested(CallSchema))
    tool_call_id = Text()
    function_call = fields.Nested(CallFunctionSchema)
    reasoning_content = Text()

    @pre_load
    def _drop_nulls(self, data: Any, **kwargs: Any) -> Any:
        # Answers that only call functions have null content. Clients send them back.
        empty = isinstance(data, Mapping) and data.get("content", "") is None
        return super()._drop_nulls({**data, "content": ""} if empty else data)

    @validates_schema
    def _check_content(self, data: dict[str, Any], **kwargs: Any) -> None:
        calls = data.get("tool_calls") or data.get("function_call")
        if calls and data["role"] != "assistant":
            field = "tool_calls" if data.get("tool_calls") else "function_call"
            raise ValidationError("only the assistant calls functions.", field)
        if "content" not in data and not calls:
            raise ValidationError("is required.", "content")

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        # OpenAI has renamed two roles: system is now developer for some models, and function is
        # now tool.
        role = {"developer": "system", "function": "tool"}.get(data["role"], data["role"])
        message: dict[str, Any] = {"role": role, "content": data.get("content", "")}
        calls = data.get("tool_calls") or []
        if "function_call" in data:
            calls = [{"id": "call_0", "type": "function", "function": data["function_call"]}]
        kept: dict[str, Any] = {key: data[key] for key in _KEPT if key in data}
        return {**message, **({"tool_calls": calls} if calls else {}), **kept}


class ChatSchema(ConversationSchema):
    """Loads a `Request` that has a conversation."""

    messages = List(
        fields.Nested(MessageSchema),
        required=True,
        validate=validate.Length(min=1, error="must have at least one message."),
        error_messages={"required": "is required.", "invalid": "must be a list of messages."},
    )
    max_completion_tokens = TokenLimit()

    reasoning_effort = Effort()

    audio = Unsupported()
    functions = List(fields.Nested(FunctionSchema), validate=FUNCTIONS)
    function_call = ToolChoice("none", "auto", nested=False)

    logprobs = Boolean(load_default=False)
    modalities = Unsupported(["text"])
    web_search_options = Unsupported()

    metadata = Ignored()
    prediction = Ignored()
    verbosity = Ignored()

    @validates_schema
    def _check_limits(self, data: dict[str, Any], **kwargs: Any) -> None:
        limits = {data[name] for name in ("max_tokens", "max_completion_tokens") if name in data}
        if len(limits) > 1:
            raise ValidationError(
                "cannot be used together with max_completion_tokens.", "max_tokens"
            )

    @validates_schema
    def _check_logprobs(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("top_logprobs") and not data["logprobs"]:
            raise ValidationError("is only allowed when logprobs is true.", "top_logprobs")

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Request:
        data["top_logprobs"] = data.get("top_logprobs", 0) if data["logprobs"] else None
        limit = data.get("max_tokens", data.get("max_completion_tokens"))
        effort = data.get("reasoning_effort")
        return conversation_request(data, data["messages"], "messages", limit, effort)
