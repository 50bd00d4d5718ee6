"""GET / and /page/...: a page to chat with the models, and what it asks for. See `guard`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from localdocs.collections import Collection
from localdocs.contents import Contents
from localdocs.errors import CollectionError, LocalDocsError
from localdocs.names import readable

from ..answering import respond
from ..errors import InvalidRequest
from ..exceptions import NoModel
from ..jobs import Sampling
from ..models.library import ModelFile
from ..presenters import PageChatPresenter
from ..request_body import request_body
from ..schemas import ChatSchema, load
from ..schemas.page import SwitchSchema
from ..service import service
from ..upstreams.models import UpstreamModel

blueprint = Blueprint("page", __name__)

_FOLDER = Path(__file__).parent.parent / "page"
# What an operating system says about suffixes may be wrong, as on Windows.
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_FILES = {
    path.relative_to(_FOLDER).as_posix(): path
    for path in _FOLDER.rglob("*")
    if path.suffix in _TYPES
}
_FOUND, _PROBLEMS = 10, 100  # how many sources and unreadable files are shown
_HEADERS = {
    # Nothing from elsewhere is loaded, and only what DOMPurify has cleaned becomes HTML.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify",
    "Referrer-Policy": "no-referrer",
}


@blueprint.after_request
def head(response: Response) -> Response:
    """Lets the page do nothing but what it is for."""
    response.headers.update(_HEADERS)
    return response


@blueprint.get("/", defaults={"name": "index.html"})
@blueprint.get("/page/files/<path:name>")
def file(name: str) -> Response:
    """The page, or a file that it is made of."""
    if (path := _FILES.get(name)) is None:
        raise NotFound
    response = Response(path.read_bytes(), mimetype=_TYPES[path.suffix])
    response.add_etag()
    response.cache_control.no_cache = True  # an update shall be seen at once
    response.make_conditional(request)
    return response


@blueprint.get("/page/models")
def models() -> dict[str, Any]:
    """All models: their defaults, or why they cannot be used."""
    known = service().known()
    try:
        default = service().default()
    except NoModel:  # GPT4ALL_MODEL names one that is not there
        default = None
    return {"models": [{**_model(model), "default": model == default} for model in known]}


@blueprint.post("/page/chat")
def chat() -> Response:
    """As POST /v1/chat/completions. References also have a collection and a path."""
    return respond(load(ChatSchema(service().settings.max_n), request_body()), PageChatPresenter)


@blueprint.get("/page/collections")
def collections() -> dict[str, Any]:
    """All collections, and what was read of them."""
    return {"collections": [_collection(found) for found in service().collections.all()]}


@blueprint.post("/page/collections")
def switch() -> dict[str, Any]:
    """Switches the collection ``name`` on or off for all chats: ``active``."""
    asked = load(SwitchSchema(), request_body())
    try:
        service().collections.activate(asked["name"], asked["active"])
    except CollectionError as error:
        raise InvalidRequest(str(error), "name") from error
    return collections()


@blueprint.get("/page/search")
def search() -> dict[str, Any]:
    """What the active collections have on ``question``, best first; ``relates`` as in a chat."""
    active = [found for found in service().collections.all() if found.active]
    question = request.args.get("question", "").strip()
    if not active or not question:
        return {"found": []}
    # Not at the top: it takes half a second to load, and is for those who have collections.
    from localdocs.prompt import located_reference

    size = service().settings.localdocs.snippet_size
    found = service().collections.search(active, question, _FOUND, size)
    return {"found": [{**located_reference(s), "relates": s.hit.relates} for s in found]}


@blueprint.get("/page/server-chat")
def server_chat() -> dict[str, Any]:
    """The entries of the server chat behind the number ``after``. Another ``id``: all are new."""
    chat, kept = service().server_chat, service().settings.server_chat
    return {"id": chat.id, "kept": kept, "entries": chat.after(request.args.get("after", 0, int))}


def _model(model: ModelFile | UpstreamModel) -> dict[str, Any]:
    if model.problem is not None:
        return {"name": model.name, "problem": model.problem}
    context_length = service().context_length(model)
    about = {"name": model.name, "problem": None, "context_length": context_length}
    if isinstance(model, UpstreamModel):
        return {**about, "defaults": {}}
    settings = model.settings
    defaults = {
        **asdict(Sampling()),
        **service().cache.judge(model.path).facts.sampling,
        **settings.sampling,
        "max_tokens": settings.max_length,
    }
    return {**about, "defaults": defaults}


def _collection(found: Collection) -> dict[str, Any]:
    about = {
        "name": found.name,
        "active": found.active,
        "folder": readable(found.folder),
        "progress": service().collections.progress(found.name),
    }
    try:
        # None: they are in an outdated format, and are read again.
        contents = service().collections.contents(found.name) or Contents(0)
    except LocalDocsError as error:
        return {**about, "error": str(error)}
    problems = sorted(contents.problems.items())
    return {
        **about,
        "error": None,
        "files": len(contents.files) - len(problems),
        "snippets": contents.snippets,
        "failed": len(problems),
        "problems": [{"file": readable(file), "reason": why} for file, why in problems[:_PROBLEMS]],
        "others": sum(contents.others.values()),
    }
