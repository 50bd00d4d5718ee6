"""The server's settings: the environment variables that begin with ``GPT4ALL_``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates

from localdocs.limits import Limits

from ..engines.llama_cpp.library import installed
from ..machine import usable_cpus
from .fields import EngineName, between

_LONGEST = 10**6  # seconds; more than a week


class SettingsError(Exception):
    """A setting is wrong. The text names its variable."""


@dataclass(frozen=True)
class Settings:
    """All settings, checked. None lets the server choose."""

    data_dir: Path
    model: str | None
    strict_model: bool
    engine: str | None
    reasoning: str
    context_length: int | None
    threads: int | None
    cache_slots: int | None
    queue_limit: int
    keep_alive: int | None
    prompt_timeout: int
    evaluation_timeout: int
    queue_timeout: int | None
    request_timeout: int | None
    grace: int
    log_format: str
    max_n: int
    max_body_bytes: int
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    localdocs_sources: int | None
    localdocs_only: bool
    localdocs_only_text: str
    localdocs: Limits
    page: bool
    server_chat: bool
    upstream: tuple[str, ...]
    upstream_limit: int
    upstream_context_length: int
    upstream_key: str | None = field(default=None, repr=False)
    api_keys: tuple[str, ...] = field(default=(), repr=False)

    @property
    def models_dir(self) -> Path:
        """Where the GGUF files are."""
        return self.data_dir / "models"

    @property
    def localdocs_dir(self) -> Path:
        """The collections and their indexes."""
        return self.data_dir / "localdocs"

    @property
    def cache_dir(self) -> Path:
        """Files made from the models. They can be deleted."""
        return self.data_dir / "cache"


class _WholeNumber(fields.Integer):
    """Digits only, because the Makefile's shell reads ``010`` as 8 and Python ``1_0`` as 10."""

    def _validated(self, value: Any) -> int:
        if not re.fullmatch("0|[1-9][0-9]*", value):
            raise ValidationError("must be a whole number.")
        return super()._validated(value)


class _List(fields.String):
    """Texts separated by commas."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        texts = super()._deserialize(value, *args, **kwargs).split(",")
        return tuple(filter(None, map(str.strip, texts)))


class _Urls(_List):
    """URLs separated by commas, which end without a slash."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        urls = super()._deserialize(value, *args, **kwargs)
        for url in urls:
            try:
                parts = urlsplit(url)
                good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                good = False
            # A password would be shown in the log.
            if not good or "@" in parts.netloc or parts.query or parts.fragment:
                raise ValidationError("must be a URL such as http://127.0.0.1:8000/v1.")
        return tuple(url.rstrip("/") for url in urls)


class _KeyFile(fields.String):
    """The path of a file with a key in each line."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        path = Path(super()._deserialize(value, *args, **kwargs)).expanduser()
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValidationError(f"cannot be read: {error}.") from error
        keys = tuple(filter(None, map(str.strip, lines)))
        if not keys:
            raise ValidationError("has no key in it.")
        return keys


class SettingsSchema(Schema):
    """Loads `Settings` from the environment's strings."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is not a setting of this server; README.md lists them all."}

    data_dir = fields.String(required=True)
    model = fields.String(load_default=None)
    strict_model = fields.Boolean(load_default=False)
    engine = EngineName(load_default=None)
    reasoning = fields.String(
        load_default="separate",
        validate=validate.OneOf(("separate", "inline"), error="must be one of {choices}."),
    )
    context_length = _WholeNumber(load_default=None, validate=between(32))
    threads = _WholeNumber(load_default=None, validate=between(1, usable_cpus()))
    cache_slots = _WholeNumber(load_default=None, validate=between(1, 64))
    queue_limit = _WholeNumber(load_default=8, validate=between(0, 1000))
    keep_alive = _WholeNumber(load_default=None, validate=between(0, _LONGEST))
    prompt_timeout = _WholeNumber(load_default=10, validate=between(1, _LONGEST))
    evaluation_timeout = _WholeNumber(load_default=120, validate=between(1, _LONGEST))
    queue_timeout = _WholeNumber(load_default=None, validate=between(0, _LONGEST))
    request_timeout = _WholeNumber(load_default=None, validate=between(1, _LONGEST))
    grace = _WholeNumber(load_default=10, validate=between(0, _LONGEST))
    log_format = fields.String(
        load_default="logfmt",
        validate=validate.OneOf(("logfmt", "json"), error="must be one of {choices}."),
    )
    max_n = _WholeNumber(load_default=8, validate=between(1, 1000))
    max_body_bytes = _WholeNumber(load_default=2**20, validate=between(1000))

    hosts = _List(load_default=())
    origins = _List(load_default=())
    api_key = fields.String(load_default=None)
    api_key_file = _KeyFile(load_default=())
    localdocs_sources = _WholeNumber(load_default=None, validate=between(0, 100))
    localdocs_only = fields.Boolean(load_default=False)
    localdocs_only_text = fields.String(load_default="The documents say nothing about this.")
    localdocs_snippet_size = _WholeNumber(load_default=512, validate=between(64, 8192))
    localdocs_max_file_bytes = _WholeNumber(load_default=50 * 2**20, validate=between(1))
    localdocs_exclude = _List(load_default=())
    page = fields.Boolean(load_default=True)
    server_chat = fields.Boolean(load_default=True)
    upstream = _Urls(load_default=())
    upstream_key = fields.String(load_default=None)
    upstream_limit = _WholeNumber(load_default=32, validate=between(1, 1000))
    upstream_context_length = _WholeNumber(load_default=4096, validate=between(256))

    @validates("engine")
    def _check_engine(self, value: str | None, **kwargs: Any) -> None:
        if value == "llama-cpp" and not installed():
            raise ValidationError("is not installed: `make llama-cpp` adds it.")

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Settings:
        limits = Limits(
            snippet_size=data.pop("localdocs_snippet_size"),
            file_size=data.pop("localdocs_max_file_bytes"),
            exclude=data.pop("localdocs_exclude"),
        )
        key = data.pop("api_key")
        keys = (*((key,) if key else ()), *data.pop("api_key_file"))
        data_dir = Path(data.pop("data_dir")).expanduser().absolute()
        return Settings(**data, data_dir=data_dir, localdocs=limits, api_keys=keys)


def read_settings(values: Mapping[str, str], default_data_dir: str) -> Settings:
    """The settings in ``values``, which maps variable names without their prefix to texts.

    White space around a text is removed. An empty text counts as left out. The models folder is
    created if it is missing.
    Raises `SettingsError`, which names the variable.
    """
    texts = {name.lower(): text.strip() for name, text in values.items()}
    given = {name: text for name, text in texts.items() if text}
    try:
        settings: Settings = SettingsSchema().load({"data_dir": default_data_dir, **given})
    except ValidationError as error:
        name, messages = next(iter(error.messages_dict.items()))
        value = f" ({given[name]!r})" if name in given and name != "api_key" else ""
        raise SettingsError(f"GPT4ALL_{name.upper()}{value}: {messages[0]}") from error
    try:
        settings.models_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"GPT4ALL_DATA_DIR: {error}") from error
    return settings
