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

from ..jobs import Conversation, Grammar, Job
from .fields import (
    Boolean,
    Ignored,
    Integer,
    JsonObjectField,
    List,
    MessageText,
    Text,
    TokenLimit,
    Unsupported,
    between,
)
from .functions import (
    CallFunctionSchema,
    CallSchema,
    FunctionSchema,
    ToolChoice,
    ToolSchema,
    calling_of,
)
from .generation import GenerationSchema, Request, asked_grammar, request_of
from .loading import JsonObject

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_KEPT = ("name", "tool_call_id", "reasoning_content")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_FUNCTIONS = validate.Length(max=128, error="must have at most {max} functions.")


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


class ChatSchema(GenerationSchema):
    """Loads a `Request` that has a conversation."""

    messages = List(
        fields.Nested(MessageSchema),
        required=True,
        validate=validate.Length(min=1, error="must have at least one message."),
        error_messages={"required": "is required.", "invalid": "must be a list of messages."},
    )
    max_completion_tokens = TokenLimit()

    chat_template_kwargs = JsonObjectField(load_default=dict)
    enable_thinking = Boolean()
    reasoning_effort = Text(validate=validate.OneOf(_EFFORTS, error="must be one of {choices}."))

    audio = Unsupported()
    best_of = Unsupported(1)
    echo = Unsupported()
    suffix = Unsupported()
    tools = List(fields.Nested(ToolSchema), validate=_FUNCTIONS)
    tool_choice = ToolChoice("none", "auto", "required", nested=True)
    parallel_tool_calls = Boolean()
    functions = List(fields.Nested(FunctionSchema), validate=_FUNCTIONS)
    function_call = ToolChoice("none", "auto", nested=False)

    logprobs = Boolean(load_default=False)
    modalities = Unsupported(["text"])
    moderation = Unsupported()
    top_logprobs = Integer(validate=between(0, 20))
    web_search_options = Unsupported()

    metadata = Ignored()
    prediction = Ignored()
    prompt_cache_key = Ignored()
    prompt_cache_options = Ignored()
    prompt_cache_retention = Ignored()
    safety_identifier = Ignored()
    service_tier = Ignored()
    store = Ignored()
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
        calling = calling_of(data)
        grammar: tuple[str, Grammar | None] = asked_grammar(data)
        if calling is not None:
            if grammar[0] not in ("", "response_format"):
                raise ValidationError("cannot be used together with tools.", grammar[0])
            grammar = "functions" if data.get("functions") else "tools", calling
        variables = dict(data["chat_template_kwargs"])
        if (effort := data.get("reasoning_effort")) == "none":
            variables["enable_thinking"] = False
        elif effort is not None:
            variables["reasoning_effort"] = effort
        if "enable_thinking" in data:
            variables["enable_thinking"] = data["enable_thinking"]
        job = Job(conversation=Conversation(data["messages"], calling, variables))
        legacy = bool(data.get("functions"))
        return request_of(data, job, "messages", limit, grammar, legacy_call=legacy)
