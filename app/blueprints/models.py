"""GET /v1/models and /v1/models/NAME, in GPT4All's shapes (its server.cpp)."""

from contextlib import suppress
from typing import Any

from flask import Blueprint

from ..errors import ModelNotFound
from ..exceptions import ModelError
from ..models.library import ModelFile
from ..service import service
from ..upstreams.models import UpstreamModel

blueprint = Blueprint("models", __name__, url_prefix="/v1/models")


@blueprint.get("")
def index() -> dict[str, Any]:
    """All usable models."""
    shown = []
    for model in service().models():
        with suppress(ModelError):  # the file has been removed just now
            shown.append(_object(model))
    return {"object": "list", "data": shown}


@blueprint.get("/<path:name>")
def show(name: str) -> dict[str, Any]:
    """One model, by display name, file name or file stem. Names may contain slashes."""
    model = service().find(name)
    if model is None or model.problem is not None:
        raise ModelNotFound(name)
    return _object(model)


def _object(model: ModelFile | UpstreamModel) -> dict[str, Any]:
    """GPT4All's object, the length of the context in tokens, and the engine."""
    return {
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": model.owner if isinstance(model, UpstreamModel) else "humanity",
        "root": model.name,
        "parent": None,
        "permissions": [
            {
                "id": "placeholder",
                "object": "model_permission",
                "created": 0,
                "allow_create_engine": False,
                "allow_sampling": False,
                "allow_logprobs": False,
                "allow_search_indices": False,
                "allow_view": True,
                "allow_fine_tuning": False,
                "organization": "*",
                "group": None,
                "is_blocking": False,
            }
        ],
        "context_length": service().context_length(model),
        "engine": service().engine_of(model),
    }
