"""What ``flask --app wsgi serve`` and ``waitress-serve wsgi:app`` serve, with the commands."""

import logging
import os
import signal
import sys
import threading
from types import FrameType

from waitress.server import BaseWSGIServer

from app.application import create_app
from app.connections import Channel
from app.schemas import SettingsError

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.getLogger("app").setLevel(logging.INFO)
try:
    # Flask sets the variable for its commands, most of which need no model in memory.
    app = create_app(serve="FLASK_RUN_FROM_CLI" not in os.environ)
except SettingsError as error:
    sys.exit(str(error))

BaseWSGIServer.channel_class = Channel


def interrupt(number: int, frame: FrameType | None) -> None:
    """Ends the answers too: waitress would wait five seconds for them."""
    app.extensions["gpt4all"].worker.stopping.set()
    signal.default_int_handler(number, frame)


if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, interrupt)
