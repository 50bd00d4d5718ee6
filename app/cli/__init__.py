"""The operator's commands: ``flask --app wsgi ...``."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import click
from flask.cli import AppGroup

_MODULES = ("localdocs", "models", "serve")


class Commands(AppGroup):
    """The commands. Each has a module with its name, which is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with that name."""
        if cmd_name not in _MODULES:
            return None
        command: click.Command = import_module(f".{cmd_name}", __package__).command
        return command


@contextmanager
def shown_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Shows errors of ``kinds`` as click does, because the user can do something about them."""
    try:
        yield
    except BrokenPipeError:
        raise  # click ends silently: the program that reads its output, such as head, has enough
    except kinds as error:
        raise click.ClickException(str(error)) from error
