"""GET /v1/models and /v1/models/NAME, in GPT4All's shapes (its server.cpp)."""

from typing import Any

from flask import Blueprint

from ..errors import ModelNotFound
from ..models.library import ModelFile
from ..service import service

blueprint = Blueprint("models", __name__, url_prefix="/v1/models")


@blueprint.get("")
def index() -> dict[str, Any]:
    """All usable models."""
    return {"object": "list", "data": [_object(file) for file in service().library.models()]}


@blueprint.get("/<path:name>")
def show(name: str) -> dict[str, Any]:
    """One model, by display name, file name or file stem. Names may contain slashes.

    Beside GPT4All's object, it has the length of its context in tokens, and its engine.
    """
    file = service().library.find(name)
    if file is None or file.problem is not None:
        raise ModelNotFound(name)
    context_length, engine = service().context_length(file), service().engine_of(file)
    return {**_object(file), "context_length": context_length, "engine": engine}


def _object(file: ModelFile) -> dict[str, Any]:
    return {
        "id": file.name,
        "object": "model",
        "created": 0,
        "owned_by": "humanity",
        "root": file.name,
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
    }
