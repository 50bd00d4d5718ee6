"""What ``waitress-serve wsgi:app`` and ``flask --app wsgi`` start."""

import logging
import os
import sys

from app import create_app
from app.schemas import SettingsError

logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.getLogger("app").setLevel(logging.INFO)
try:
    # Flask sets the variable for its commands, which need no model in memory.
    app = create_app(preload="FLASK_RUN_FROM_CLI" not in os.environ)
except SettingsError as error:
    sys.exit(str(error))
