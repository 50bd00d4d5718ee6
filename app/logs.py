"""How the log looks."""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JSON = ("asctime", "levelname", "name", "message")
_PLAIN = re.compile(r"[^\s\"=]+")


def log_as_text() -> None:
    """Begins to log, as lines of text."""
    logging.basicConfig(format=_TEXT)
    logging.getLogger("app").setLevel(logging.INFO)


def log_as_json() -> None:
    """From now on, each line is a JSON object."""
    # Not at the top: few want it.
    from pythonjsonlogger.json import JsonFormatter

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter(_JSON, style=","))


def logfmt(values: Mapping[str, Any]) -> str:
    """``name=value`` for each, in quotes if need be (https://brandur.org/logfmt)."""

    def written(value: Any) -> str:
        text = str(value)
        return text if _PLAIN.fullmatch(text) else json.dumps(text)

    return " ".join(f"{name}={written(value)}" for name, value in values.items())
