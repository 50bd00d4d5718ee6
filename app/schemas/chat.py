"""POST /v1/chat/completions, https://platform.openai.com/docs/api-reference/chat/create."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from ..inference.constraint import json_grammar
from ..inference.generation import AnswerOptions
from ..inference.library import ModelSettings
from .answers import AnswerRequest, AnswerSchema, answer_fields
from .fields import Boolean, Ignored, Integer, JsonSchema, MessageText, Text, Unsupported, between
from .loading import RequestSchema

_FORMATS = ("text", "json_object", "json_schema")
_ROLES = ("system", "developer", "user", "assistant")


@dataclass(frozen=True)
class ChatRequest(AnswerRequest):
    """Messages to answer: ``role``, ``content`` and perhaps ``name``, all strings."""

    messages: Sequence[Mapping[str, str]]

    def options(self, defaults: ModelSettings) -> AnswerOptions:
        """As for all requests; a chat without a limit has that of the model's settings."""
        options = super().options(defaults)
        return replace(options, max_tokens=options.max_tokens or defaults.max_length)


class MessageSchema(RequestSchema):
    """One of the messages; what OpenAI's own client adds to an answer may come back in it."""

    role = Text(
        required=True,
        validate=validate.OneOf(_ROLES, error="must be one of {choices}."),
    )
    content = MessageText(required=True)
    name = Text()

    annotations = Ignored()
    audio = Unsupported()
    function_call = Unsupported()
    refusal = Unsupported()
    tool_call_id = Unsupported()
    tool_calls = Unsupported([])

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, str]:
        # Today's OpenAI calls the system message of some models the developer's.
        role = "system" if data["role"] == "developer" else data["role"]
        name = {"name": data["name"]} if "name" in data else {}
        return {"role": role, "content": data["content"], **name}


class JsonSchemaSchema(RequestSchema):
    """The ``json_schema`` of a ``response_format``."""

    name = Text(required=True)
    schema = JsonSchema(required=True)
    description = Ignored()
    strict = Ignored()  # every answer is strict


class ResponseFormatSchema(RequestSchema):
    """OpenAI's ``response_format``; becomes a grammar, or None for text."""

    type = Text(required=True, validate=validate.OneOf(_FORMATS, error="must be one of {choices}."))
    json_schema = fields.Nested(JsonSchemaSchema)
    schema = JsonSchema()  # llama.cpp's place for it

    @validates_schema
    def _check_schema(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["type"] == "json_schema" and not {"json_schema", "schema"} & data.keys():
            raise ValidationError("is required.", "json_schema")

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> str | None:
        if data["type"] == "text":
            return None
        if "json_schema" in data:
            return str(data["json_schema"]["schema"])
        return str(data.get("schema", json_grammar({"type": "object"})))


class ChatSchema(AnswerSchema):
    """Loads a `ChatRequest`."""

    messages = fields.List(
        fields.Nested(MessageSchema),
        required=True,
        validate=validate.Length(min=1, error="must hold at least one message."),
        error_messages={"required": "is required.", "invalid": "must be a list of messages."},
    )
    max_completion_tokens = Integer(validate=between(1))

    audio = Unsupported()
    function_call = Unsupported("none", "auto")
    functions = Unsupported([])
    logprobs = Boolean(load_default=False)
    modalities = Unsupported(["text"])
    moderation = Unsupported()
    response_format = fields.Nested(ResponseFormatSchema)
    tool_choice = Unsupported("none", "auto")
    tools = Unsupported([])
    top_logprobs = Integer(validate=between(0, 20))
    verbosity = Unsupported("medium")
    web_search_options = Unsupported()

    metadata = Ignored()
    parallel_tool_calls = Ignored()
    prediction = Ignored()
    prompt_cache_key = Ignored()
    prompt_cache_options = Ignored()
    prompt_cache_retention = Ignored()
    reasoning_effort = Ignored()
    safety_identifier = Ignored()
    service_tier = Ignored()
    store = Ignored()

    @validates_schema
    def _check_limits(self, data: dict[str, Any], **kwargs: Any) -> None:
        if "max_tokens" in data and "max_completion_tokens" in data:
            raise ValidationError(
                "cannot be used together with max_completion_tokens.", "max_tokens"
            )

    @validates_schema
    def _check_logprobs(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("top_logprobs") and not data["logprobs"]:
            raise ValidationError("is only allowed when logprobs is true.", "top_logprobs")

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> ChatRequest:
        data["top_logprobs"] = data.get("top_logprobs", 0) if data["logprobs"] else None
        limit = data.get("max_tokens", data.get("max_completion_tokens"))
        return ChatRequest(messages=data["messages"], **answer_fields(data, limit))
