"""The operator's commands: ``flask --app wsgi models ...``."""

import click
from flask.cli import AppGroup

from .default_model import DownloadError, download_default_model
from .service import service

models_cli = AppGroup("models", help="The models folder.")


@models_cli.command("default")
def default_command() -> None:
    """Download the default model, if the models folder holds no GGUF."""
    library = service().library
    if installed := library.models():
        click.echo(f"{len(installed)} model(s) in {library.folder}.")
        return
    try:
        path = download_default_model(library.folder)
    except DownloadError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Downloaded {path}.")
