"""What the requests of chats and responses have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate

from ..jobs import Conversation, Grammar, Job
from .fields import Boolean, Ignored, Integer, JsonObjectField, List, Text, Unsupported, between
from .functions import ToolChoice, ToolSchema, calling_of
from .generation import FORMAT_FIELDS, GenerationSchema, Request, asked_grammar, request_of

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FUNCTIONS = validate.Length(max=128, error="must have at most {max} functions.")


class Effort(Text):
    """How much the model shall think."""

    def __init__(self) -> None:
        super().__init__(validate=validate.OneOf(_EFFORTS, error="must be one of {choices}."))


class ConversationSchema(GenerationSchema):
    """The fields that chats and responses share."""

    chat_template_kwargs = JsonObjectField(load_default=dict)
    enable_thinking = Boolean()

    tools = List(fields.Nested(ToolSchema), validate=FUNCTIONS)
    tool_choice = ToolChoice("none", "auto", "required", nested=True)
    parallel_tool_calls = Boolean()
    top_logprobs = Integer(validate=between(0, 20))

    best_of = Unsupported(1)
    echo = Unsupported()
    moderation = Unsupported()
    suffix = Unsupported()

    prompt_cache_key = Ignored()
    prompt_cache_options = Ignored()
    prompt_cache_retention = Ignored()
    safety_identifier = Ignored()
    service_tier = Ignored()
    store = Ignored()


def conversation_request(
    data: dict[str, Any],
    messages: Sequence[Mapping[str, Any]],
    field: str,
    max_tokens: int | None,
    effort: str | None,
) -> Request:
    """A `Request` to answer ``messages``, which come from ``field`` of the loaded ``data``.

    Raises `ValidationError` for a grammar beside functions.
    """
    calling = calling_of(data)
    grammar: tuple[str, Grammar | None] = asked_grammar(data)
    legacy = bool(data.get("functions"))
    if calling is not None:
        if grammar[0] not in ("", *FORMAT_FIELDS):
            raise ValidationError("cannot be used together with tools.", grammar[0])
        grammar = "functions" if legacy else "tools", calling
    variables = dict(data["chat_template_kwargs"])
    if effort == "none":
        variables["enable_thinking"] = False
    elif effort is not None:
        variables["reasoning_effort"] = effort
    if "enable_thinking" in data:
        variables["enable_thinking"] = data["enable_thinking"]
    job = Job(conversation=Conversation(messages, calling, variables))
    return request_of(data, job, field, max_tokens, grammar, legacy_call=legacy)
