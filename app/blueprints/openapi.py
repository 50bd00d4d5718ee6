"""GET /openapi.json: what the API takes and gives, for programs."""

from typing import Any

from flask import Blueprint

from ..schemas import openapi_document
from ..service import service

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
def show() -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi_document(service().settings.max_n)
