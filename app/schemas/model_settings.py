"""The settings of one model: the file ``NAME.json`` beside ``NAME.gguf``."""

import json
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, post_load, validates

from ..inference.engine import usable_cpus
from ..inference.errors import ModelError, PromptError
from ..inference.library import ModelSettings
from ..inference.sampling import Sampling
from ..inference.template import ChatTemplate
from .fields import Integer, Number, Text, between
from .loading import problems


class ModelSettingsSchema(Schema):
    """Loads `ModelSettings`. The keys are those of GPT4All's model page."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is no setting of a model.", "type": "must be an object."}

    name = Text()
    system_message = Text()
    chat_template = Text()
    context_length = Integer(validate=between(32))
    max_length = Integer(validate=between(1))
    temperature = Number(validate=between(0, 2))
    top_p = Number(validate=between(0, 1))
    top_k = Integer(validate=between(-1))
    min_p = Number(validate=between(0, 1))
    repeat_penalty = Number(validate=between(0.01, 10))
    repeat_last_n = Integer(validate=between(0, 100_000))
    gpu_layers = Integer(validate=between(0, 1000))
    threads = Integer(validate=between(1, usable_cpus()))

    @validates("name")
    def _check_name(self, value: str, **kwargs: Any) -> None:
        if not value.strip() or not value.isprintable() or len(value) > 200:
            raise ValidationError("must be 1 to 200 printable characters.")

    @validates("chat_template")
    def _check_template(self, value: str, **kwargs: Any) -> None:
        try:
            ChatTemplate(value, "", "")
        except PromptError as error:
            raise ValidationError(f"is no Jinja template: {error.__cause__}") from error

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> ModelSettings:
        sampling = {key: data.pop(key) for key in Sampling.__dataclass_fields__ if key in data}
        return ModelSettings(**data, sampling=Sampling(**sampling))


class ModelSettingsFiles:
    """Reads settings files, each version of a file once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], ModelSettings | str]] = {}

    def read(self, path: Path) -> ModelSettings:
        """The settings in the file at ``path``; the defaults if there is none.

        Raises `ModelError`, which names the file and the key.
        """
        try:
            status = path.stat()
        except FileNotFoundError:
            return ModelSettings()
        except OSError as error:
            raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
        version = status.st_size, status.st_mtime_ns
        known = self._known.get(path)
        if known is None or known[0] != version:
            known = self._known[path] = (version, _read(path))
        if isinstance(known[1], str):
            raise ModelError(known[1])
        return known[1]


def _read(path: Path) -> ModelSettings | str:
    """The settings, or what is wrong with them."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return f"{path.name} cannot be read as JSON: {error}."
    if not isinstance(data, dict):
        return f"{path.name} must hold a JSON object."
    try:
        settings: ModelSettings = ModelSettingsSchema().load(data)
    except ValidationError as error:
        key, message = next(problems(error.messages_dict))
        return f"{path.name}: {key} {message}"
    return settings
