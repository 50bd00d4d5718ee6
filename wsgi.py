"""What ``flask --app wsgi serve`` and ``waitress-serve wsgi:app`` serve, with the commands."""

import os
import sys
import threading

from app.application import create_app
from app.connections import use_in_waitress
from app.logs import log_as_json, log_as_text
from app.schemas import SettingsError
from app.service import Service
from app.stopping import stop_on_signals

log_as_text()
try:
    # Flask sets the variable for its commands, most of which need no model in memory.
    app = create_app(serve="FLASK_RUN_FROM_CLI" not in os.environ)
except SettingsError as error:
    sys.exit(str(error))

service: Service = app.extensions["gpt4all"]
if service.settings.log_format == "json":
    log_as_json()
use_in_waitress(service.settings.max_body_bytes)
if threading.current_thread() is threading.main_thread():
    stop_on_signals(service.stopping, lambda: service.busy)
