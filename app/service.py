"""What the views work with: the settings, the models folder and the worker."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import Flask, current_app

from localdocs.collections import Collections
from localdocs.watching_process import WatchingProcess

from .errors import ModelNotFound
from .exceptions import InferenceError, ModelError, NoModel, ServerStopping
from .exchange import Exchange
from .machine import available_memory, default_threads
from .model_process import Timeouts
from .models.cache import ModelCache
from .models.library import Library, ModelFile
from .patience import Patience
from .protocol import Load
from .schemas import ModelSettingsFiles, Settings
from .server_chat import ServerChat
from .stopping import Stopping
from .upstreams.directory import Upstreams
from .upstreams.models import UpstreamModel
from .worker import Worker

_log = logging.getLogger(__name__)

_KEY = "gpt4all"
_MOST_SLOTS = 8
# Tokens, unless the context is set: as many as fit into a quarter of the free memory.
_SHORTEST_CONTEXT, _LONGEST_CONTEXT = 2048, 8192


@dataclass(frozen=True)
class Service:
    """The parts of one application, built once by `create_app`.

    ``context_length`` says how many tokens the context of a model has here, or raises `ModelError`.
    """

    settings: Settings
    collections: Collections
    cache: ModelCache
    library: Library
    worker: Worker
    stopping: Stopping
    context_length: Callable[[ModelFile | UpstreamModel], int]
    server_chat: ServerChat
    upstreams: Upstreams

    @classmethod
    def build(cls, settings: Settings) -> "Service":
        """The parts that ``settings`` ask for; no model is loaded yet."""
        cache = ModelCache(settings.cache_dir)
        library = Library(
            settings.models_dir,
            cache.judge,
            ModelSettingsFiles().read,
            settings.model,
            settings.engine,
        )
        threads = settings.threads or default_threads()
        room = available_memory() // 4  # measured once: a model's context does not change

        def context_length(model: ModelFile | UpstreamModel) -> int:
            if isinstance(model, UpstreamModel):
                return model.context_length
            plan = cache.judge(model.path).plan(model.engine)
            fitting = min(_LONGEST_CONTEXT, max(_SHORTEST_CONTEXT, room // plan.token_bytes))
            return model.context_length(plan, settings.context_length or fitting)

        def order(file: ModelFile) -> Load:
            plan, length = cache.judge(file.path).plan(file.engine), context_length(file)
            slots = settings.cache_slots or _slots(plan.token_bytes * length)
            return Load(file, settings.cache_dir, length, threads, slots)

        worker = Worker(
            order,
            lambda file: cache.is_prepared(file.path, file.engine),
            queue_limit=settings.queue_limit,
            timeouts=Timeouts(settings.prompt_timeout, settings.evaluation_timeout),
            keep_alive=settings.keep_alive,
        )
        collections = Collections(settings.localdocs_dir)
        stopping = Stopping(settings.grace)
        server_chat = ServerChat(kept=settings.page and settings.server_chat)
        upstreams = Upstreams(
            settings.upstream,
            settings.upstream_key,
            settings.upstream_limit,
            settings.upstream_context_length,
            settings.evaluation_timeout,
        )
        return cls(
            settings,
            collections,
            cache,
            library,
            worker,
            stopping,
            context_length,
            server_chat,
            upstreams,
        )

    def start(self, app: Flask) -> None:
        """Starts what a server does in the background.

        The default model loads, so that the first request need not wait for it, and a process keeps
        the collections as their folders are, until ``app`` is forgotten.
        """
        for url in self.upstreams.urls:
            _log.info("Questions to the models of %s go there, with what LocalDocs finds.", url)
        threading.Thread(target=self._preload, daemon=True).start()
        app.extensions["localdocs"] = WatchingProcess(
            self.settings.localdocs_dir, self.settings.localdocs
        )

    def _preload(self) -> None:
        try:
            model = self.default()
            if isinstance(model, ModelFile):
                with self.worker.model(model, check=self.stopping.check):
                    context_length = self.context_length(model)
                    _log.info("%s is loaded, context %d tokens.", model.name, context_length)
        except ServerStopping:
            return
        except InferenceError as error:
            _log.error("%s", error)
        if any(collection.active for collection in self.collections.all()):
            import localdocs.prompt  # noqa: F401 - so that the first chat need not wait for it

    def attach(self, app: Flask) -> None:
        """Makes this the service of ``app``'s views."""
        app.extensions[_KEY] = self

    @property
    def busy(self) -> bool:
        """Whether anybody uses a model, or has one prepared."""
        return self.worker.busy or self.upstreams.requests > 0

    def models(self) -> list[ModelFile | UpstreamModel]:
        """All usable models. A file comes before a model of an upstream with its name."""
        return [model for model in self.known() if model.problem is None]

    def known(self) -> list[ModelFile | UpstreamModel]:
        """`models`, and in their places the files that cannot be used."""
        files = self.library.files()
        names = {file.name for file in files if file.problem is None}
        return [*files, *(model for model in self.upstreams.models() if model.name not in names)]

    def find(self, name: str) -> ModelFile | UpstreamModel | None:
        """The file that is called so, or else the upstream's model of that name, or None."""
        return self.library.find(name) or self.upstreams.find(name)

    def default(self) -> ModelFile | UpstreamModel:
        """The default model: one in the models folder, or else of an upstream. Raises `NoModel`."""
        try:
            return self.library.default()
        except NoModel as error:
            if (model := self.upstreams.find(self.settings.model)) is not None:
                return model
            if absences := self.upstreams.absences:
                raise NoModel(f"{error} Upstreams are away: {absences}") from error
            raise

    def model_for(self, name: str) -> ModelFile | UpstreamModel:
        """The model that answers a request for ``name``; without a name, the default model.

        An unknown name is answered by the default model, as GPT4All does. Raises
        `ModelNotFound` instead where GPT4ALL_STRICT_MODEL is set, `ModelError` with the reason
        when the model cannot be used, and `NoModel` when there is none at all.
        """
        model = self.find(name) if name else None
        if model is None:
            if name and self.settings.strict_model:
                raise ModelNotFound(name)
            model = self.default()
        if model.problem is not None:
            raise ModelError(model.problem)
        return model

    def engine_of(self, model: ModelFile | UpstreamModel) -> str:
        """The engine that runs a usable model."""
        if isinstance(model, UpstreamModel):
            return "upstream"
        return self.cache.judge(model.path).plan(model.engine).engine

    def patience(self, exchange: Exchange, environ: Mapping[str, Any]) -> Patience:
        """How long a request waits and works.

        Waitress tells in ``environ`` whether the client is still there, if it is started with
        ``--channel-request-lookahead``; other servers do not.
        """
        disconnected = environ.get("waitress.client_disconnected", lambda: False)
        limits = self.settings.queue_timeout, self.settings.request_timeout
        return Patience(exchange, disconnected, self.stopping, *limits)


def _slots(size: int) -> int:
    """How many KV caches of ``size`` bytes there may be: a quarter of the memory that is free."""
    return max(1, min(_MOST_SLOTS, available_memory() // 4 // size))


def service() -> Service:
    """The service of the current application."""
    return cast(Service, current_app.extensions[_KEY])
