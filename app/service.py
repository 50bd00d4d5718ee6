"""What the views work with: the settings, the models folder and the worker."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from .errors import ModelNotFound
from .inference.engine import default_threads
from .inference.library import Library, ModelFile
from .inference.model import Model
from .schemas import Settings
from .worker import Worker

_KEY = "gpt4all"


@dataclass(frozen=True)
class Service:
    """The parts of one application, built once by `create_app`."""

    settings: Settings
    library: Library
    worker: Worker

    @classmethod
    def build(cls, settings: Settings) -> "Service":
        """The parts that ``settings`` ask for; no model is loaded yet."""
        threads = settings.threads or default_threads()

        def load(file: ModelFile) -> Model:
            return Model.load(file, settings.cache_dir, settings.context_length, threads)

        library = Library(settings.models_dir, settings.model)
        return cls(settings, library, Worker(load, settings.queue_limit))

    def attach(self, app: Flask) -> None:
        """Makes this the service of ``app``'s views."""
        app.extensions[_KEY] = self

    def model_for(self, name: str) -> ModelFile:
        """The model that answers a request for ``name``.

        An unknown name is answered by the default model, as GPT4All does. Raises
        `ModelNotFound` instead where GPT4ALL_STRICT_MODEL is set, and `NoModel` when
        there is no model at all.
        """
        if (file := self.library.find(name)) is not None:
            return file
        if self.settings.strict_model:
            raise ModelNotFound(name)
        return self.library.default()


def service() -> Service:
    """The service of the current application."""
    return cast(Service, current_app.extensions[_KEY])
