"""``flask --app wsgi serve``: the server itself."""

import logging
import select
from functools import partial

import click
import waitress
from flask import current_app
from flask.cli import with_appcontext

from ..connections import answer_the_last
from ..guard import is_this_machine
from ..service import service
from . import shown_errors

_log = logging.getLogger(__name__)

# Two lines of requests, for preparing and for the model; some are left for what needs neither.
_MORE_THREADS = 8
_MOST_HEADER_BYTES = 64 << 10
_MOST_CONNECTIONS, _OTHER_FILES = 800, 200


class PortError(Exception):
    """The server cannot listen there; the text names PORT."""


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", envvar="PORT", default="4891", show_default=True, help="Or PORT.")
@click.option(
    "--default-model", is_flag=True, help="First download the default model, if there is no other."
)
@with_appcontext
def command(host: str, port: str, default_model: bool) -> None:
    """Serve the API until Ctrl-C."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if default_model:
        _download_default_model()
    sockets: dict[int, object] = {}
    with shown_errors(PortError):
        if not (port.strip().isdecimal() and 0 < int(port) < 65536):
            raise PortError(f"PORT must be a number from 1 to 65535, not {port.strip()!r}.")
        try:
            server = waitress.create_server(
                app,
                map=sockets,
                host=host,
                port=int(port),
                threads=_threads(),
                # Looks whether a client is still there while it waits for its answer.
                channel_request_lookahead=1,
                connection_limit=_connections(),
                asyncore_use_poll=hasattr(select, "poll"),
                max_request_header_size=_MOST_HEADER_BYTES,
                ident="",  # no name and version for strangers
            )
        except (OSError, ValueError) as error:  # ValueError: not an address
            raise PortError(
                f"The server cannot listen on {host}, PORT {int(port)}: "
                f"{getattr(error, 'strerror', None) or error}. Another port: PORT=8000 make run."
            ) from error
    if not service().settings.api_keys and not is_this_machine(host):
        _log.warning(
            "Other machines can reach %s, and ask anything about your documents. "
            "Set GPT4ALL_API_KEY, or leave out --host.",
            host,
        )
    service().start(app)
    service().stopping.last = partial(answer_the_last, sockets)
    logging.getLogger("waitress").setLevel(logging.INFO)
    if service().settings.page:
        server.print_listen("A page to chat: http://{}:{}/")
    server.print_listen("Serving on http://{}:{}/v1")
    server.run()


def _threads() -> int:
    settings = service().settings
    upstreams = settings.upstream_limit if settings.upstream else 0
    return 2 * (settings.queue_limit + 1) + upstreams + _MORE_THREADS


def _connections() -> int:
    """How many connections there may be: most of the files that may be open."""
    try:
        import resource
    except ImportError:  # on Windows
        return 100
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(50, min(_MOST_CONNECTIONS, files - _OTHER_FILES))


def _download_default_model() -> None:
    library = service().library
    if library.models() or service().settings.upstream:
        return
    from ..models.default_model import download_default_model
    from ..models.downloads import DownloadError

    with shown_errors(DownloadError, OSError):
        download_default_model(library.folder)
