"""GPT4All's local API server without the desktop program."""

__version__ = "0.1.0"

from collections.abc import Mapping

from flask import Config, Flask

from .blueprints import chat, completions, health, models, openapi
from .cli.localdocs import localdocs_cli
from .cli.models import models_cli
from .cli.serve import serve_command
from .errors import register_errors
from .guard import guard
from .schemas import SettingsError, read_settings
from .service import Service


def create_app(settings: Mapping[str, str] | None = None, *, serve: bool = False) -> Flask:
    """The application.

    ``settings`` are names without prefix and texts, by default those of the environment's
    ``GPT4ALL_...``. With ``serve`` it begins what a server needs: the default model loads, and
    collections are watched, in the background. Raises `SettingsError`, which names the variable
    that is wrong.
    """
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]

    if settings is None:
        settings = _environment(app)
    service = Service.build(read_settings(settings, default_data_dir=app.instance_path))
    service.attach(app)
    app.config["MAX_CONTENT_LENGTH"] = service.settings.max_body_bytes

    register_errors(app)
    guard(app, service.settings.hosts)
    for module in (health, models, completions, chat, openapi):
        app.register_blueprint(module.blueprint)
    for command in (serve_command, models_cli, localdocs_cli):
        app.cli.add_command(command)

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
