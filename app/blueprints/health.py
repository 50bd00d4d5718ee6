"""GET /health: is the server up, and what is it doing?"""

from typing import Any

from flask import Blueprint, current_app

from localdocs.watching_process import WatchingProcess

from ..service import service

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def show() -> dict[str, Any]:
    """``model`` is the one in memory, or null. ``busy`` and ``waiting`` describe the queue.

    ``watcher`` is about the process that watches LocalDocs' folders.
    """
    worker = service().worker
    return {
        "status": "ok",
        "model": worker.loaded,
        "busy": worker.turns.taken,
        "waiting": worker.turns.waiting + worker.preparing.waiting + worker.preparing.taken,
        "watcher": _watcher(),
    }


def _watcher() -> str:
    """``running``, ``restarting``, or ``off`` if this server started none."""
    watching: WatchingProcess | None = current_app.extensions.get("localdocs")
    return "off" if watching is None else watching.state
