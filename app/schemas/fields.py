"""marshmallow fields for JSON: strict about types, with messages that say what is allowed."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from ..engines import ENGINES


def shown(value: Any) -> str:
    """The JSON of a value for an error message, cut short."""
    # In pieces, because the value may be huge or deeply nested.
    text = "".join(islice(json.JSONEncoder().iterencode(value), 41))
    return text if len(text) <= 40 else f"{text[:37]}..."


def between(low: float | None = None, high: float | None = None) -> validate.Range:
    """A range that includes both ends."""
    if high is None:
        return validate.Range(low, error="must be at least {min}, not {input}.")
    return validate.Range(low, high, error="must be between {min} and {max}, not {input}.")


class JsonField(fields.Field[Any]):
    """A field whose `_read` gets only the JSON value, and raises `ValidationError`."""

    default_error_messages = {"required": "is required.", "null": "must not be null."}
    # A JSON Schema of what `_read` accepts, which apispec cannot see.
    openapi: Mapping[str, Any] = {}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return self._read(value)

    def _read(self, value: Any) -> Any:
        return value


class List(fields.List[Any]):
    """A list that is read up to its first wrong element, because only one error is shown.

    A body has room for 250,000 of them, whose errors would take seconds and 190 MB.
    """

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        found = []
        for place, each in enumerate(value):
            try:
                found.append(self.inner.deserialize(each, **kwargs))
            except ValidationError as error:
                raise ValidationError({place: error.messages}) from error
        return found


class Integer(JsonField, fields.Integer):
    """A whole number. ``5.0`` is one, as in JSON Schema; ``"5"`` is not."""

    def _read(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError(f"must be an integer, not {shown(value)}.")
        return value


class Number(JsonField, fields.Float):
    """A number, not a string that looks like one."""

    def _read(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError(f"must be a number, not {shown(value)}.")
        return value


class SamplingSchema(Schema):
    """How to choose tokens: the fields that requests and model settings share."""

    temperature = Number(validate=between(0, 2))
    top_p = Number(validate=between(0, 1))
    top_k = Integer(validate=between(-1))
    min_p = Number(validate=between(0, 1))
    repeat_penalty = Number(validate=between(0.01, 10))


class EngineName(JsonField, fields.String):
    """The name of an engine, or ``auto``, which is None."""

    def _read(self, value: Any) -> str | None:
        if value not in ("auto", *ENGINES):
            names = ", ".join(map(repr, ENGINES))
            raise ValidationError(f"must be 'auto' or one of {names}, not {shown(value)}.")
        return None if value == "auto" else str(value)


class Boolean(JsonField, fields.Boolean):
    """``true`` or ``false``."""

    def _read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"must be true or false, not {shown(value)}.")
        return value


class Text(JsonField, fields.String):
    """A string."""

    def _read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"must be a string, not {shown(value)}.")
        return value


class JsonObjectField(JsonField):
    """An object with any keys."""

    openapi = {"type": "object"}

    def _read(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(f"must be an object, not {shown(value)}.")
        return value


class Ignored(JsonField):
    """A field of OpenAI's that changes nothing here, whatever its value is."""


class Unsupported(JsonField):
    """A field that this server does not support; ``reason`` says why.

    The values in ``neutral`` ask for nothing. So do null, false and empty values.
    """

    def __init__(self, *neutral: Any, reason: str = "") -> None:
        super().__init__()
        self._neutral = neutral
        self._reason = f": {reason}" if reason else " yet"

    def _read(self, value: Any) -> Any:
        for neutral in (*self._neutral, False, "", []):
            # In Python, False equals 0.
            if value == neutral and isinstance(value, bool) == isinstance(neutral, bool):
                return value
        hints = ["leave it out", *(f"send {shown(neutral)}" for neutral in self._neutral)]
        raise ValidationError(
            f"is not supported by this server{self._reason}; {' or '.join(hints)}."
        )


class StopStrings(JsonField):
    """A string or a list of strings; becomes a tuple."""

    openapi = {
        "anyOf": [
            {"type": ["string", "null"]},
            {"type": "array", "items": {"type": ["string", "null"]}},
        ]
    }

    most, longest = 32, 1000

    def _read(self, value: Any) -> tuple[str, ...]:
        strings = [value] if isinstance(value, str) else value
        if isinstance(strings, list):
            strings = [string for string in strings if string is not None]
        if not isinstance(strings, list) or not all(isinstance(s, str) for s in strings):
            raise ValidationError(f"must be a string or a list of strings, not {shown(value)}.")
        if len(strings) > self.most:
            raise ValidationError(f"must have at most {self.most} strings, not {len(strings)}.")
        if not all(len(string) <= self.longest for string in strings):
            raise ValidationError(f"each string must have at most {self.longest} characters.")
        return tuple(filter(None, strings))


class CompletionLogprobs(JsonField):
    """How many of the most likely tokens to show, 0 to 5; false means none."""

    openapi = {"type": ["integer", "boolean"], "minimum": 0, "maximum": 5}

    def _read(self, value: Any) -> int | None:
        if value is False:  # some clients send the chat's form
            return None
        if type(value) is not int or not 0 <= value <= 5:
            raise ValidationError(f"must be an integer between 0 and 5, not {shown(value)}.")
        return value


class LogitBias(JsonField):
    """An object that maps token ids, as strings, to what is added to their logits.

    llama.cpp's list of pairs is accepted too. Becomes pairs.
    """

    openapi = {
        "anyOf": [
            {
                "type": ["object", "null"],
                "propertyNames": {"pattern": "^[0-9]{1,9}$"},
                "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
            },
            {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2}},
        ]
    }

    most = 1000

    def _read(self, value: Any) -> tuple[tuple[int, float], ...]:
        if isinstance(value, list) and all(isinstance(v, list) and len(v) == 2 for v in value):
            value = {str(token): bias for token, bias in value}
        if not isinstance(value, dict):
            raise ValidationError(f"must be an object of token ids, not {shown(value)}.")
        if len(value) > self.most:
            raise ValidationError(f"must have at most {self.most} tokens, not {len(value)}.")
        for token, bias in value.items():
            if not (token.isascii() and token.isdecimal() and len(token) < 10):
                raise ValidationError(f"{shown(token)} is not a token id.")
            if isinstance(bias, bool) or not isinstance(bias, int | float) or abs(bias) > 100:
                raise ValidationError(
                    f"the bias of {token} must be a number from -100 to 100, not {shown(bias)}."
                )
        return tuple((int(token), float(bias)) for token, bias in value.items())


class TokenLimit(Integer):
    """The largest number of tokens. -1 and -2 set no limit, as in llama.cpp and LM Studio."""

    openapi = {"type": "integer", "minimum": -2}

    def __init__(self, least: int = 1) -> None:
        super().__init__()
        self._least = least

    def _read(self, value: Any) -> int:
        limit = super()._read(value)
        if limit < self._least and limit not in (-1, -2):  # -2: to the end of the context
            raise ValidationError(f"must be at least {self._least}, not {shown(value)}.")
        return max(limit, -1)


class Prompts(JsonField):
    """A string, a list of strings, a list of token ids, or a list of such lists.

    Becomes a list with a string or a list of integers for each prompt.
    """

    openapi = {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            {"type": "array", "minItems": 1, "items": {"type": "integer"}},
            {
                "type": "array",
                "minItems": 1,
                "items": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
            },
        ]
    }

    most = 1000

    def _read(self, value: Any) -> list[str] | list[list[int]]:
        if isinstance(value, str) or _are_token_ids(value):
            return [value]
        if not isinstance(value, list) or not value:
            raise ValidationError(f"must be a string or a non-empty list, not {shown(value)}.")
        if not all(isinstance(v, str) for v in value) and not all(map(_are_token_ids, value)):
            raise ValidationError(
                "must be a list of strings, of token ids, or of lists of token ids, not "
                f"{shown(value)}."
            )
        if len(value) > self.most:
            raise ValidationError(f"must have at most {self.most} prompts, not {len(value)}.")
        return value


def _are_token_ids(value: Any) -> bool:
    # type(), because Python's booleans are integers.
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


class MessageText(JsonField):
    """A message's content: a string, or a list of text parts, which are joined by line breaks."""

    openapi = {
        "anyOf": [
            {"type": ["string", "null"]},
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
                },
            },
        ]
    }

    def _read(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise ValidationError(f"must be a string or a list of parts, not {shown(value)}.")
        texts = []
        for place, part in enumerate(value):
            try:
                texts.append(self._part(part))
            except ValidationError as error:
                raise ValidationError({place: error.messages}) from error
        return "\n".join(text for text in texts if text is not None)

    @staticmethod
    def _part(part: Any) -> str | None:
        """The text of a part. None for a model's thinking, which the conversation leaves out."""
        if not isinstance(part, dict) or not isinstance(part.get("type", "text"), str):
            raise ValidationError(f"a part must be an object with a type: {shown(part)}.")
        kind = part.get("type", "text")
        if kind in ("thinking", "redacted_thinking", "reasoning"):
            return None
        if kind not in ("text", "input_text", "output_text", "refusal"):
            raise ValidationError(f"the model reads text only, not {kind[:40]!r}.")
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise ValidationError(f"a part's text must be a string: {shown(part)}.")
        return text
