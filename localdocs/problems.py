"""What goes wrong again and again, and is logged once."""

import logging
from collections.abc import Hashable


class Problems:
    """Logs each problem, but not again until it has gone away or changed."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._known: dict[Hashable, str] = {}

    def report(self, what: Hashable, text: str, error: Exception | None = None) -> None:
        """Logs that ``what`` has a problem, with the traceback of an ``error``."""
        if self._known.get(what) != text:
            self._known[what] = text
            self._logger.warning("%s", text, exc_info=error)

    def gone(self, what: Hashable) -> None:
        """Forgets the problem of ``what``, which may have none."""
        self._known.pop(what, None)
