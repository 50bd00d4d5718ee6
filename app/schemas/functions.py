"""The fields for functions, in OpenAI's new form (``tools``) and its old (``functions``)."""

import json
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, pre_load, validate

from ..jobs import Calling, Function, JsonText
from .fields import Boolean, JsonField, Text, shown
from .grammar_fields import JsonSchema
from .loading import JsonObject

_NAME = validate.Regexp(
    r"^[a-zA-Z0-9_.-]{1,64}\Z", error="must be 1 to 64 letters, digits, dots, _ or -."
)
_REQUIRED: dict[str, Any] = {"required": "is required."}


class _Parameters(JsonSchema):
    """A JSON Schema for an object."""

    def _read(self, value: Any) -> Mapping[str, Any]:
        schema = super()._read(value)
        if schema.get("type", "object") not in ("object", ["object"]):
            raise ValidationError(f'must have the type "object", not {shown(schema["type"])}.')
        # Some tool servers write null for "no field is required".
        neutral = {"required"} if schema.get("required", ()) is None else set()
        return {"type": "object", **{k: v for k, v in schema.items() if k not in neutral}}


class FunctionSchema(JsonObject):
    """Loads a `Function`."""

    name = Text(required=True, validate=_NAME)
    description = Text(load_default="")
    parameters = _Parameters(load_default=lambda: {"type": "object", "properties": {}})
    strict = Boolean(load_default=False)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Function:
        return Function(**data)


class ToolSchema(JsonObject):
    """One of ``tools``; becomes its `Function`."""

    type = Text(
        load_default="function",
        validate=validate.Equal(
            "function",
            error="only functions can be called. Leave out the tools of OpenAI's servers, or offer "
            "functions that do the same.",
        ),
    )
    function = fields.Nested(FunctionSchema, required=True, error_messages=_REQUIRED)

    @pre_load
    def _nest(self, data: Any, **kwargs: Any) -> Any:
        """Moves the function's fields one level down; the Responses API has them on top."""
        flat = isinstance(data, Mapping) and "function" not in data and "name" in data
        return {"type": data.get("type", "function"), "function": data} if flat else data

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Function:
        function: Function = data["function"]
        return function


class ToolChoice(JsonField):
    """``none``, ``auto``, ``required``, or an object that names a function: ``{"name": ...}``.

    Mistral and Anthropic say ``any`` instead of ``required``. Anthropic puts the words into an
    object.
    """

    openapi = {"type": ["string", "object"]}

    def __init__(self, *words: str, nested: bool) -> None:
        super().__init__()
        self._words = words
        self._nested = nested  # in OpenAI's new form, the name is one level deeper

    def _read(self, value: Any) -> str | Mapping[str, str]:
        word, function = value, value
        if self._nested and isinstance(value, dict):
            kind = value.get("type")
            word = kind if kind in ("any", *self._words) else value
            function = value.get("function", value) if kind in ("function", "tool") else None
        if self._nested and word == "any":
            word = "required"
        if isinstance(word, str) and word in self._words:
            return word
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            return {"name": function["name"]}
        words = ", ".join(map(json.dumps, self._words))
        raise ValidationError(f"must be one of {words} or name a function, not {shown(value)}.")


class Arguments(JsonField):
    """The arguments of a call: JSON, or its value.

    Other models may have written something else. It stays as it is.
    """

    openapi = {"type": ["string", "object"]}

    def _read(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        if not isinstance(value, str):
            raise ValidationError(f"must be a string of JSON, not {shown(value)}.")
        try:
            return json.loads(value or "{}")
        except (ValueError, RecursionError):
            return value


class CallFunctionSchema(JsonObject):
    """The function of a call in a message; ``arguments`` become their value."""

    name = Text(required=True)
    arguments = Arguments(load_default=dict)


class CallSchema(JsonObject):
    """One of an assistant's ``tool_calls``."""

    id = Text(load_default="")
    type = Text(load_default="function", validate=validate.OneOf(("function", "")))
    function = fields.Nested(CallFunctionSchema, required=True, error_messages=_REQUIRED)


def calling_of(data: Mapping[str, Any]) -> Calling | None:
    """The functions that the model may call, or None. Raises `ValidationError`."""
    field, choice_field = "tools", "tool_choice"
    if data.get("functions") or "function_call" in data:
        field, choice_field = "functions", "function_call"
    functions = data.get(field) or []
    choice = data.get(choice_field, "auto")
    if not functions:
        if isinstance(choice, str):
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
        return Calling(functions, required=True)
    wanted = data.get("response_format") or data.get("text")
    return Calling(
        functions,
        required=choice == "required",
        parallel=field == "tools" and data.get("parallel_tool_calls", False),
        otherwise=wanted.schema if isinstance(wanted, JsonText) else None,
    )
