"""marshmallow fields that answers must conform to. Grammars and schemas are checked later."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from ..jobs import Gbnf, JsonText, Pattern
from ..strict_json import loads
from .fields import JsonField, Text, shown


class JsonSchema(JsonField):
    """A JSON Schema, or one written as a string."""

    openapi = {"type": "object"}

    def _read(self, value: Any) -> Mapping[str, Any]:
        if value == "json":  # Ollama's word for any object
            return {"type": "object"}
        if isinstance(value, str):
            try:
                value = loads(value)
            except (ValueError, RecursionError) as error:
                raise ValidationError(f"is not JSON: {error}.") from error
        if not isinstance(value, dict):
            raise ValidationError(f"must be a JSON Schema, which is an object, not {shown(value)}.")
        return value


class JsonSchemaAnswer(JsonSchema):
    """A JSON Schema for the answers; becomes a `JsonText`."""

    def _read(self, value: Any) -> Any:
        return JsonText(super()._read(value))


class GbnfAnswer(Text):
    """A grammar in llama.cpp's notation; becomes a `Gbnf`, or None if it is empty."""

    def _read(self, value: Any) -> Any:
        return Gbnf(text) if (text := super()._read(value)).strip() else None


class RegexAnswer(Text):
    """A regular expression; becomes a `Pattern`, or None if it is empty."""

    def _read(self, value: Any) -> Any:
        return Pattern(text) if (text := super()._read(value)) else None


class ChoiceAnswer(JsonField):
    """A list of the allowed answers; becomes a `Pattern`, or None if it is empty."""

    openapi = {"type": "array", "items": {"type": "string"}}

    def _read(self, value: Any) -> Pattern | None:
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValidationError(f"must be a list of strings, not {shown(value)}.")
        return Pattern("|".join(map(re.escape, value))) if value else None
