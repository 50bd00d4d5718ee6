"""Strict JSON (RFC 8259): no NaN, and only numbers that fit into a float64."""

import json
import math
from typing import Any, NoReturn


def loads(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError`, which says what is wrong."""
    return json.loads(
        text, parse_constant=_no_constant, parse_float=_finite, parse_int=_of_float_size
    )


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _of_float_size(text: str) -> int:
    # 1 followed by 400 zeros is too large, as 1e400 is.
    if len(text) > 300:
        _finite(text)
    return int(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
