"""POST /v1/responses: answer a conversation, as OpenAI's clients ask for it today."""

from functools import partial
from typing import NoReturn

from flask import Blueprint, Response

from ..answering import respond
from ..errors import ResponseNotFound
from ..presenters import ResponsesPresenter
from ..request_body import request_body
from ..schemas import ResponsesSchema, load
from ..service import service

blueprint = Blueprint("responses", __name__, url_prefix="/v1/responses")


@blueprint.post("")
def create() -> Response:
    """The response. It is not stored."""
    body = request_body()
    asked = load(ResponsesSchema(service().settings.max_n), body)
    return respond(asked, partial(ResponsesPresenter, body))


@blueprint.get("/<response_id>")
@blueprint.delete("/<response_id>")
@blueprint.get("/<response_id>/input_items")
@blueprint.post("/<response_id>/cancel")
def stored(response_id: str) -> NoReturn:
    """What OpenAI's server stores is not here."""
    raise ResponseNotFound(response_id)
