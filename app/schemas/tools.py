"""The fields of a chat that are about functions, new (``tools``) and old (``functions``)."""

import json
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from ..inference.tools import Function, Tools
from .fields import Ignored, JsonField, JsonSchema, Text, shown
from .loading import RequestSchema

_NAME = validate.Regexp(
    r"^[a-zA-Z0-9_.-]{1,64}\Z", error="must be 1 to 64 letters, digits, dots, _ or -."
)
_REQUIRED: dict[str, Any] = {"required": "is required."}


class _Parameters(JsonSchema):
    """A JSON Schema for an object."""

    def _read(self, value: Any) -> Mapping[str, Any]:
        schema = super()._read(value)
        if schema.get("type", "object") != "object":
            raise ValidationError(f'must have the type "object", not {shown(schema["type"])}.')
        return {"type": "object", **schema}


class FunctionSchema(RequestSchema):
    """Loads a `Function`."""

    name = Text(required=True, validate=_NAME)
    description = Text(load_default="")
    parameters = _Parameters(load_default=lambda: {"type": "object", "properties": {}})
    strict = Ignored()  # every call is strict

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Function:
        return Function(data["name"], data["description"], data["parameters"])


class ToolSchema(RequestSchema):
    """One of ``tools``; becomes its `Function`."""

    type = Text(
        required=True, validate=validate.Equal("function", error="only functions can be called.")
    )
    function = fields.Nested(FunctionSchema, required=True, error_messages=_REQUIRED)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Function:
        function: Function = data["function"]
        return function


class ToolChoice(JsonField):
    """``none``, ``auto``, ``required``, or an object that names a function: ``{"name": ...}``."""

    openapi = {"type": ["string", "object"]}

    def __init__(self, *words: str, nested: bool) -> None:
        super().__init__()
        self._words = words
        self._nested = nested  # OpenAI's new form has the name one level deeper

    def _read(self, value: Any) -> str | Mapping[str, str]:
        if isinstance(value, str) and value in self._words:
            return value
        function = value
        if self._nested and isinstance(value, dict):
            function = value.get("function") if value.get("type") == "function" else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            return {"name": function["name"]}
        words = ", ".join(map(json.dumps, self._words))
        raise ValidationError(f"must be one of {words} or name a function, not {shown(value)}.")


class CallFunctionSchema(RequestSchema):
    """The function of a call that a message holds; ``arguments`` are JSON."""

    name = Text(required=True)
    arguments = Text(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        try:
            return {**data, "arguments": json.loads(data["arguments"] or "{}")}
        except (ValueError, RecursionError):
            return data  # another model's; it is shown as it was


class CallSchema(RequestSchema):
    """One of an assistant's ``tool_calls``."""

    id = Text(required=True)
    type = Text(load_default="function", validate=validate.Equal("function"))
    function = fields.Nested(CallFunctionSchema, required=True, error_messages=_REQUIRED)
    index = Ignored()  # some clients send deltas back


def tools_of(data: Mapping[str, Any], otherwise: Mapping[str, Any] | None) -> Tools | None:
    """The `Tools` of a chat's fields, None without any. Raises `ValidationError`."""
    field, choice_field = "tools", "tool_choice"
    if data.get("functions") or "function_call" in data:
        field, choice_field = "functions", "function_call"
    functions = data.get(field) or []
    choice = data.get(choice_field, "auto")
    if not functions:
        if choice in ("none", "auto"):
            return None
        raise ValidationError(f"is only allowed with {field}.", choice_field)
    names = [function.name for function in functions]
    if len(set(names)) < len(names):
        raise ValidationError("two functions have the same name.", field)
    if choice == "none":
        return None
    if isinstance(choice, Mapping):
        functions = [function for function in functions if function.name == choice["name"]]
        if not functions:
            raise ValidationError(
                f"there is no function {shown(choice['name'])} in {field}.", choice_field
            )
        return Tools(functions, required=True, parallel=False)
    parallel = field == "tools" and data.get("parallel_tool_calls", True)
    return Tools(functions, choice == "required", parallel, otherwise)
