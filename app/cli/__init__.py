"""The operator's commands: ``flask --app wsgi ...``."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import click
from flask.cli import AppGroup

_MODULES = ("localdocs", "models", "serve")


class Commands(AppGroup):
    """The commands, each in a module of its name, which is loaded when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _MODULES:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command


@contextmanager
def shown_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Shows errors of ``kinds``, which a user can do something about, as click does."""
    try:
        yield
    except BrokenPipeError:
        raise  # click ends without a word: what read its output, as head, has enough
    except kinds as error:
        raise click.ClickException(str(error)) from error
