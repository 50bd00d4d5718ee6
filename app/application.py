"""The application, from its settings to its commands."""

from collections.abc import Mapping

from flask import Config, Flask

from .blueprints import chat, completions, health, metrics, models, openapi, page, responses
from .cli import Commands
from .errors import register_errors
from .exchange import record_exchanges
from .guard import guard
from .metrics import Metrics
from .schemas import SettingsError, read_settings
from .service import Service


def create_app(settings: Mapping[str, str] | None = None, *, serve: bool = False) -> Flask:
    """The application.

    ``settings`` are names without prefix and texts, by default those of the environment's
    ``GPT4ALL_...``. With ``serve`` it begins what a server needs: the default model loads, and
    collections are watched, in the background. Raises `SettingsError`, which names the variable
    that is wrong.
    """
    app = Flask("app", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]

    if settings is None:
        settings = _environment(app)
    service = Service.build(read_settings(settings, default_data_dir=app.instance_path))
    service.attach(app)
    app.config["MAX_CONTENT_LENGTH"] = service.settings.max_body_bytes

    app.extensions["metrics"] = figures = Metrics(service)
    record_exchanges(app, figures.count)
    register_errors(app)
    chosen = service.settings
    guard(app, chosen.hosts, chosen.origins, chosen.api_keys)
    for module in (health, metrics, models, completions, chat, responses, openapi):
        app.register_blueprint(module.blueprint)
    if chosen.page:
        app.register_blueprint(page.blueprint)
    app.cli = Commands()

    if serve:
        service.start(app)
    return app


def _environment(app: Flask) -> Mapping[str, str]:
    values = Config(app.root_path)
    try:
        values.from_prefixed_env("GPT4ALL", loads=str)
    except TypeError as error:  # GPT4ALL_MODEL__X beside GPT4ALL_MODEL
        raise SettingsError("No setting has a name with GPT4ALL_ and a double _.") from error
    return values
