"""GET /openapi.json: what the API accepts and returns, for programs."""

from typing import Any

from flask import Blueprint

from ..service import service

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
def show() -> dict[str, Any]:
    """The OpenAPI document."""
    # Imported here because apispec loads slowly and few clients need it.
    from ..schemas.openapi import openapi_document

    return openapi_document(service().settings.max_n)
