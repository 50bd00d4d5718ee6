"""The API's description in OpenAPI 3.1, made from the schemas that validate its requests."""

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from .. import __version__
from .chat import ChatSchema
from .completions import CompletionSchema
from .fields import Ignored, JsonField, Unsupported
from .responses import ITEMS, Input, ResponsesSchema

_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _TEXT,
                "type": _TEXT,
                "param": _NULLABLE_TEXT,
                "code": _NULLABLE_TEXT,
            },
        }
    },
}
_MODEL = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": _TEXT,
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": _TEXT,
    },
}
_MODELS = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}},
}
_EVENT = {"type": "object", "properties": {"event": _TEXT, "data": _TEXT}}


def _usage(prompt: str, completion: str) -> dict[str, Any]:
    """What an answer took, with OpenAI's names for the tokens of its prompt and of itself."""
    counted = {"type": "object", "additionalProperties": {"type": "integer"}}
    return {
        "type": "object",
        "required": [prompt, completion, "total_tokens"],
        "properties": {f"{prompt}_details": counted, f"{completion}_details": counted},
        "additionalProperties": {"type": "integer"},
    }


def _choices(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id", "object", "created", "model", "choices", "usage"],
        "properties": {
            "id": _TEXT,
            "object": {"const": kind},
            "created": {"type": "integer"},
            "model": _TEXT,
            "choices": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "usage": _usage("prompt_tokens", "completion_tokens"),
        },
    }


_RESPONSE = {
    "type": "object",
    "required": ["id", "object", "created_at", "model", "status", "output", "usage", "store"],
    "properties": {
        "id": _TEXT,
        "object": {"const": "response"},
        "created_at": {"type": "integer"},
        "model": _TEXT,
        "status": {"enum": ["completed", "incomplete"]},
        "output": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        "usage": _usage("input_tokens", "output_tokens"),
        "store": {"const": False},
    },
}


def openapi_document(max_n: int) -> dict[str, Any]:
    """The OpenAPI document; ``max_n`` is the largest ``n``."""
    plugin = MarshmallowPlugin()
    spec = APISpec("gpt4all-wsgi", __version__, "3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_described)  # type: ignore[no-untyped-call]
    spec.path(
        "/v1/chat/completions",
        operations=_posts(ChatSchema(max_n), _choices("chat.completion"), "Answer a conversation."),
    )
    spec.path(
        "/v1/responses",
        operations=_posts(ResponsesSchema(max_n), _RESPONSE, "Answer a conversation."),
    )
    spec.path(
        "/v1/completions",
        operations=_posts(CompletionSchema(max_n), _choices("text_completion"), "Continue a text."),
    )
    spec.path("/v1/models", operations=_gets("The models.", _MODELS))
    name = {"in": "path", "name": "name", "required": True, "schema": {**_TEXT, "minLength": 1}}
    spec.path("/v1/models/{name}", operations=_gets("A model.", _MODEL, name, "404"))
    spec.path("/health", operations=_gets("Whether the server is up.", {"type": "object"}))
    ready = _gets("Whether the default model can be used.", {"type": "object"}, "503")
    spec.path("/health/ready", operations=ready)
    figures = _gets("Figures for Prometheus.", _TEXT, kind="text/plain")
    spec.path("/metrics", operations=figures)
    document: dict[str, Any] = spec.to_dict()
    return document


def _posts(schema: Any, answer: dict[str, Any], summary: str) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {
                "200": {
                    "description": "The answer; with stream, as server-sent events.",
                    "content": {
                        "application/json": {"schema": answer},
                        "text/event-stream": {"schema": _EVENT},
                    },
                },
                **_errors("400", "403", "404", "413", "502", "503", "504"),
            },
        }
    }


def _gets(
    summary: str, answer: dict[str, Any], *more: Any, kind: str = "application/json"
) -> dict[str, Any]:
    parameters = [item for item in more if isinstance(item, dict)]
    statuses = [item for item in more if isinstance(item, str)]
    good = {"description": summary, "content": {kind: {"schema": answer}}}
    operation = {"summary": summary, "responses": {"200": good, **_errors("403", *statuses)}}
    return {"get": {**operation, **({"parameters": parameters} if parameters else {})}}


def _errors(*statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ERROR}}
    return {status: {"description": "An error.", "content": content} for status in statuses}


def _described(converter: Any, field: fields.Field[Any], **kwargs: Any) -> dict[str, Any]:
    """What apispec cannot know about this project's fields."""
    found: dict[str, Any] = {}
    if isinstance(field, JsonField):
        found = dict(field.openapi)
    if isinstance(field, Input):
        items = [converter.resolve_nested_schema(schema) for schema in ITEMS.values()]
        listed = {"type": "array", "minItems": 1, "items": {"anyOf": items}}
        found = {"anyOf": [_TEXT, listed]}
    if isinstance(field, Unsupported):
        found["description"] = "Not supported by this server."
    if isinstance(field, Ignored):
        found["description"] = "Changes nothing."
    written: dict[str, Any] = kwargs["ret"]
    kind = found.get("type", written.get("type"))
    # null means the same as leaving the field out.
    if "$ref" in written and not field.required:
        found["anyOf"] = [{"$ref": written.pop("$ref")}, {"type": "null"}]
    if kind and not field.required:
        found["type"] = [kind, "null"] if isinstance(kind, str) else [*kind, "null"]
    if "enum" in written and not field.required:
        found["enum"] = [*written["enum"], None]
    return found
