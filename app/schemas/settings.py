"""The server's settings: environment variables that begin with ``GPT4ALL_``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load

from ..inference.engine import usable_cpus
from .fields import between


class SettingsError(Exception):
    """A setting is wrong; the text names its variable."""


@dataclass(frozen=True)
class Settings:
    """All settings, checked. ``threads`` None leaves the choice to the server."""

    data_dir: Path
    model: str | None
    strict_model: bool
    context_length: int
    threads: int | None
    queue_limit: int
    max_n: int
    max_body_bytes: int

    @property
    def models_dir(self) -> Path:
        """Where the GGUF files are."""
        return self.data_dir / "models"

    @property
    def cache_dir(self) -> Path:
        """What is made from the models; can be deleted."""
        return self.data_dir / "cache"


class _WholeNumber(fields.Integer):
    """Digits only: the Makefile's shell reads ``010`` as 8, Python ``1_0`` as 10."""

    def _validated(self, value: Any) -> int:
        if not re.fullmatch("0|[1-9][0-9]*", value):
            raise ValidationError("must be a whole number.")
        return super()._validated(value)


class SettingsSchema(Schema):
    """Loads `Settings` from strings, as the environment holds them."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is no setting of this server; see README.md for what there is."}

    data_dir = fields.String(required=True)
    model = fields.String(load_default=None)
    strict_model = fields.Boolean(load_default=False)
    context_length = _WholeNumber(load_default=2048, validate=between(32))
    threads = _WholeNumber(load_default=None, validate=between(1, usable_cpus()))
    queue_limit = _WholeNumber(load_default=8, validate=between(0, 1000))
    max_n = _WholeNumber(load_default=8, validate=between(1, 1000))
    max_body_bytes = _WholeNumber(load_default=2**20, validate=between(1000))

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Settings:
        return Settings(**{**data, "data_dir": Path(data["data_dir"]).expanduser().absolute()})


def read_settings(values: Mapping[str, str], default_data_dir: str) -> Settings:
    """The settings given by ``values``: variable names without prefix, and their texts.

    An empty text counts as left out. The models folder is made if it is not there.
    Raises `SettingsError`, which names the variable.
    """
    given = {name.lower(): text for name, text in values.items() if str(text).strip()}
    try:
        settings: Settings = SettingsSchema().load({"data_dir": default_data_dir, **given})
    except ValidationError as error:
        name, messages = next(iter(error.messages_dict.items()))
        value = f" ({given[name]!r})" if name in given else ""
        raise SettingsError(f"GPT4ALL_{name.upper()}{value}: {messages[0]}") from error
    try:
        settings.models_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"GPT4ALL_DATA_DIR: {error}") from error
    return settings
