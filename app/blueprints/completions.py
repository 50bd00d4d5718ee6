"""POST /v1/completions: continue a text."""

from flask import Blueprint, Response

from ..answering import respond
from ..presenters import CompletionPresenter
from ..request_body import request_body
from ..schemas import CompletionSchema, load
from ..service import service

blueprint = Blueprint("completions", __name__)


@blueprint.post("/v1/completions")
def create() -> Response:
    """Answers to one or several prompts."""
    schema = CompletionSchema(service().settings.max_n)
    return respond(load(schema, request_body()), CompletionPresenter)
