"""From a request's JSON to its dataclass, or to an error that names the field."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, pre_load

from ..errors import InvalidRequest

_UNKNOWN = "unknown field"


class RequestSchema(Schema):
    """The base of the request schemas: null means that the field was left out."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": _UNKNOWN, "type": "must be an object."}

    @pre_load
    def _drop_nulls(self, data: Any, **kwargs: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {k: v for k, v in data.items() if v is not None or k not in self.fields}


def load(schema: Schema, data: Mapping[str, Any]) -> Any:
    """What ``schema`` makes of ``data``.

    Raises `InvalidRequest`, which names the first field that is wrong.
    """
    try:
        return schema.load(data)
    except ValidationError as error:
        found = sorted(problems(error.messages_dict), key=lambda p: p[1] != _UNKNOWN)
        param, message = found[0]
        if message == _UNKNOWN:
            # The words of GPT4All and of OpenAI.
            raise InvalidRequest(
                f"Unrecognized request argument supplied: {param[:200]}", param[:200]
            ) from error
        raise InvalidRequest(f"{param}: {message}", param) from error


def problems(errors: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each message of marshmallow's nested errors with its field, as ``messages[0].role``."""
    if isinstance(errors, dict):
        for key, value in errors.items():
            step = f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
            yield from problems(value, path if key == "_schema" else path + step)
    else:
        for message in errors:
            yield path, message
