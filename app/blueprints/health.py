"""GET /health: is the server up, and what is it doing?"""

from typing import Any

from flask import Blueprint

from ..service import service

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def show() -> dict[str, Any]:
    """``model`` is the one in memory, or null. ``busy`` and ``waiting`` describe the queue."""
    worker = service().worker
    return {
        "status": "ok",
        "model": worker.loaded,
        "busy": worker.turns.taken,
        "waiting": worker.turns.waiting + worker.preparing.waiting + worker.preparing.taken,
    }
