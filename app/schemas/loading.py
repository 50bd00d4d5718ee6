"""Turns a request's JSON into its dataclass, or into an error that names the field."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, pre_load

from ..errors import InvalidRequest
from .foreign import names, translated

_UNKNOWN = "unknown field"


class JsonObject(Schema):
    """The base of all objects in a request. null means that the field was left out.

    Unknown fields are ignored, because clients send back what other servers added to answers.
    """

    class Meta:
        unknown = EXCLUDE

    error_messages = {"unknown": _UNKNOWN, "type": "must be an object."}

    @pre_load
    def _drop_nulls(self, data: Any, **kwargs: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {k: v for k, v in data.items() if v is not None or k not in self.fields}


class RequestSchema(JsonObject):
    """The base of the request schemas. An unknown field is an error, as it may be misspelled."""

    class Meta:
        unknown = RAISE

    @pre_load
    def _translate(self, data: Any, **kwargs: Any) -> Any:
        return translated(data, self.fields) if isinstance(data, Mapping) else data


def load(schema: Schema, data: Mapping[str, Any]) -> Any:
    """Loads ``data`` with ``schema``.

    Raises `InvalidRequest`, which names the first wrong field.
    """
    try:
        return schema.load(data)
    except ValidationError as error:
        found = sorted(problems(error.messages_dict), key=lambda p: p[1] != _UNKNOWN)
        param, message = found[0]
        if message == _UNKNOWN:
            # GPT4All's and OpenAI's words.
            text = f"Unrecognized request argument supplied: {param[:200]}"
            if meant := get_close_matches(param[:200], names(schema.fields), 1, 0.75):
                text += f". Did you mean {meant[0]}?"
            raise InvalidRequest(text, param[:200]) from error
        raise InvalidRequest(f"{param}: {message}", param) from error


def problems(errors: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each message in marshmallow's nested errors with its field, such as ``messages[0].role``."""
    if isinstance(errors, dict):
        for key, value in errors.items():
            step = f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
            yield from problems(value, path if key == "_schema" else path + step)
    else:
        for message in errors:
            yield path, message
