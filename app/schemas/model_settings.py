"""The settings of one model: the file ``NAME.json`` beside ``NAME.gguf``."""

import json
from pathlib import Path
from typing import Any

from marshmallow import RAISE, ValidationError, post_load, validates

from ..exceptions import ModelError, PromptError
from ..jobs import Sampling
from ..machine import usable_cpus
from ..models.disk import ByVersion
from ..models.library import ModelSettings
from .fields import EngineName, Integer, SamplingSchema, Text, between
from .loading import problems


class ModelSettingsSchema(SamplingSchema):
    """Loads `ModelSettings`. The keys are those of GPT4All's model page."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is not a setting of a model.", "type": "must be an object."}

    name = Text()
    system_message = Text()
    chat_template = Text()
    context_length = Integer(validate=between(32))
    max_length = Integer(validate=between(1))
    repeat_last_n = Integer(validate=between(0, 100_000))
    gpu_layers = Integer(validate=between(0, 1000))
    threads = Integer(validate=between(1, usable_cpus()))
    engine = EngineName()

    @validates("name")
    def _check_name(self, value: str, **kwargs: Any) -> None:
        if not value.strip() or not value.isprintable() or len(value) > 200:
            raise ValidationError("must be 1 to 200 printable characters.")

    @validates("chat_template")
    def _check_template(self, value: str, **kwargs: Any) -> None:
        # Imported here because few settings files have a template.
        from ..inference.template import ChatTemplate

        try:
            ChatTemplate(value, "", "")
        except PromptError as error:
            raise ValidationError(f"is not a Jinja template: {error.__cause__}") from error

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> ModelSettings:
        sampling = {key: data.pop(key) for key in Sampling.__dataclass_fields__ if key in data}
        return ModelSettings(**data, sampling=sampling)


class ModelSettingsFiles:
    """Reads settings files, each version only once."""

    def __init__(self) -> None:
        self._read: ByVersion[ModelSettings | str] = ByVersion(_read)

    def read(self, path: Path) -> ModelSettings:
        """The settings in the file at ``path``; the defaults if there is none.

        Raises `ModelError`, which names the file and the key.
        """
        try:
            settings = self._read.get(path)
        except FileNotFoundError:
            return ModelSettings()
        except OSError as error:
            raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
        if isinstance(settings, str):
            raise ModelError(settings)
        return settings


def _read(path: Path) -> ModelSettings | str:
    """The settings, or what is wrong with them."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return f"{path.name} cannot be read as JSON: {error}."
    if not isinstance(data, dict):
        return f"{path.name} must contain a JSON object."
    try:
        settings: ModelSettings = ModelSettingsSchema().load(data)
    except ValidationError as error:
        key, message = next(problems(error.messages_dict))
        return f"{path.name}: {key} {message}"
    return settings
