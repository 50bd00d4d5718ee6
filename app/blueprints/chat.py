"""POST /v1/chat/completions: answer a conversation."""

from flask import Blueprint, Response

from ..answering import respond
from ..presenters import ChatPresenter
from ..request_body import request_body
from ..schemas import ChatSchema, load
from ..service import service

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    """The assistant's next message."""
    return respond(load(ChatSchema(service().settings.max_n), request_body()), ChatPresenter)
