"""GET /health: is the server up, and what is it doing? GET /health/ready: can it answer?"""

from typing import Any

from flask import Blueprint, current_app

from localdocs.watching_process import WatchingProcess

from ..errors import Unavailable
from ..exceptions import ModelError
from ..service import service

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def show() -> dict[str, Any]:
    """``model`` is the one in memory, or null. ``busy`` and ``waiting`` describe the queue.

    ``watcher`` is about the process that watches LocalDocs' folders.
    """
    worker = service().worker
    return {
        "status": "stopping" if service().stopping.begun else "ok",
        "model": worker.loaded,
        "busy": worker.turns.taken,
        "waiting": worker.waiting,
        "watcher": _watcher(),
    }


@blueprint.get("/health/ready")
def ready() -> dict[str, Any]:
    """Whether the default model can be used. If not, an error says why."""
    service().stopping.check()
    try:
        model = service().model_for("")
    except ModelError as error:
        raise Unavailable(str(error), code="model_not_usable") from error
    return {"status": "ok", "model": model.name}


def _watcher() -> str:
    """``running``, ``restarting``, or ``off`` if this server started none."""
    watching: WatchingProcess | None = current_app.extensions.get("localdocs")
    return "off" if watching is None else watching.state
