"""The operator's commands: ``flask --app wsgi ...``."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def shown_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Shows errors of ``kinds``, which a user can do something about, as click does."""
    try:
        yield
    except BrokenPipeError:
        raise  # click ends without a word: what read its output, as head, has enough
    except kinds as error:
        raise click.ClickException(str(error)) from error
