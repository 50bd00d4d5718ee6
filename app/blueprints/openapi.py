"""GET /openapi.json: what the API takes and gives, for programs."""

from typing import Any

from flask import Blueprint

from ..service import service

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
def show() -> dict[str, Any]:
    """The OpenAPI document."""
    # Not at the top: apispec takes a while to load, and few ask for it.
    from ..schemas.openapi import openapi_document

    return openapi_document(service().settings.max_n)
