"""Errors as the API shows them: all in one envelope, made in one place.

ApiError
├── InvalidRequest     400, names the field
│   ├── Unauthorized   401
│   ├── Forbidden      403
│   ├── ModelNotFound  404
│   └── ResponseNotFound
├── ModelFailed        500
│   ├── BadGateway     502
│   └── TooSlow        504
├── Unavailable        503
│   └── Overloaded     with Retry-After
└── ClientGone         499, which nobody reads
"""

import logging
from http import HTTPStatus

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

from .exceptions import (
    CacheError,
    Cancelled,
    GrammarError,
    ModelCrashed,
    ModelError,
    ModelStalled,
    NoModel,
    QueueFull,
    QueueTimeout,
    RequestTimeout,
    ServerStopping,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
)
from .exchange import exchange

_log = logging.getLogger(__name__)

_RETRY_AFTER = 2  # seconds; OpenAI's clients wait that long and try again by themselves
_UPSTREAM = "The server of this model (GPT4ALL_UPSTREAM)"


class ApiError(Exception):
    """An error with its HTTP status and the fields of OpenAI's error object."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    type = "server_error"

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers: dict[str, str] = {}

    @property
    def envelope(self) -> dict[str, dict[str, str | None]]:
        """``{"error": {"message", "type", "param", "code"}}``."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class InvalidRequest(ApiError):
    """The request is wrong; ``param`` names the field."""

    status = HTTPStatus.BAD_REQUEST
    type = "invalid_request_error"


class ModelNotFound(InvalidRequest):
    """No model has that name."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The model {name[:200]!r} does not exist; GET /v1/models lists those that do.",
            "model",
            "model_not_found",
        )


class ResponseNotFound(InvalidRequest):
    """A response that was given is looked for."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self, response_id: str) -> None:
        super().__init__(
            f"There is no response {response_id[:200]!r}: none is stored here. What POST "
            "/v1/responses returns is all, and later requests send its output in their input."
        )


class Forbidden(InvalidRequest):
    """The request comes from a place that is not allowed."""

    status = HTTPStatus.FORBIDDEN


class Unauthorized(InvalidRequest):
    """The request has no key, or a wrong one."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__(
            "This server needs an API key: Authorization: Bearer KEY (GPT4ALL_API_KEY).",
            code="invalid_api_key",
        )
        self.headers = {"WWW-Authenticate": "Bearer"}


class Unavailable(ApiError):
    """The server cannot answer now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Overloaded(Unavailable):
    """The server cannot answer now, but may soon."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code=code)
        self.headers = {"Retry-After": str(_RETRY_AFTER)}


class ModelFailed(ApiError):
    """The model's process crashed or stalled."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code=code)
        # OpenAI's clients repeat failed requests by themselves, and this one may be the cause.
        self.headers = {"x-should-retry": "false"}


class BadGateway(ModelFailed):
    """The answer of an upstream broke off."""

    status = HTTPStatus.BAD_GATEWAY


class TooSlow(ModelFailed):
    """The answer took too long."""

    status = HTTPStatus.GATEWAY_TIMEOUT


class ClientGone(ApiError):
    """Nobody reads the answer. The status is nginx's for this case."""

    status = 499


def api_error_of(error: Exception) -> ApiError:
    """``error`` as the API shows it. A fault of the server is logged and shown without details."""
    match error:
        case ApiError():
            return error
        case RecursionError():
            # Only schemas and arguments of calls can be deep, and they come with the request.
            return InvalidRequest("The request is nested too deeply.")
        case GrammarError():
            return InvalidRequest(f"The grammar cannot be used: {error}")
        case ModelError():
            return InvalidRequest(str(error), "model", "model_not_usable")
        case NoModel():
            return Unavailable(str(error), code="no_model")
        case CacheError():
            return Unavailable(str(error), code="cache_not_writable")
        case ModelCrashed():
            return ModelFailed(str(error), "model_crashed")
        case ModelStalled():
            return ModelFailed(str(error), "model_stalled")
        case QueueFull():
            return Overloaded(f"{error} Try again later.", "queue_full")
        case QueueTimeout():
            return Overloaded(str(error), "queue_timeout")
        case ServerStopping():
            return Overloaded(str(error), "server_stopping")
        case UpstreamRefused():
            return _passed_on(error)
        case UpstreamUnreachable():
            return Overloaded(f"{_UPSTREAM} cannot be reached. {error}", "upstream_unreachable")
        case UpstreamFailed():
            return BadGateway(f"{_UPSTREAM} failed. {error}", "upstream_failed")
        case RequestTimeout():
            return TooSlow(str(error), "request_timeout")
        case Cancelled():
            return ClientGone("The client has left.")
        case HTTPException():
            return _http_error(error)
    _log.error("The server failed.", exc_info=error)
    return ApiError("The server failed; its log says why.", code="internal_error")


def register_errors(app: Flask) -> None:
    """Sends the errors of all views, and Flask's own, in the envelope."""

    @app.errorhandler(Exception)
    def show(error: Exception) -> ResponseReturnValue:
        api_error = api_error_of(error)
        exchange().error = type(error).__name__
        return api_error.envelope, api_error.status, api_error.headers


# Endpoints that programs look for and this server lacks, with what they can use instead.
_INSTEAD = {
    "/v1/embeddings": "this server has no embeddings; LocalDocs searches your folders without them",
    "/v1/messages": "POST /v1/chat/completions is OpenAI's form of it",
    "/v1/engines": "GET /v1/models lists the models",
    "/v1/edits": "POST /v1/chat/completions can be asked for changes to a text",
    "/v1/moderations": "this server has no moderation",
    "/v1/audio": "the models read and write text only",
    "/v1/images": "the models read and write text only",
    "/v1/files": "LocalDocs reads folders: `flask --app wsgi localdocs create NAME FOLDER`",
    "/v1/vector_stores": "LocalDocs reads folders: `flask --app wsgi localdocs create NAME FOLDER`",
    "/v1/assistants": "POST /v1/chat/completions keeps no state; send the whole conversation",
    "/v1/threads": "POST /v1/chat/completions keeps no state; send the whole conversation",
    "/v1/batches": "send the requests one by one",
    "/v1/fine_tuning": "models cannot be trained here",
    "/completion": "use POST /v1/completions",
    "/api": "this is not Ollama's API; OpenAI's is at /v1",
}


def _elsewhere(path: str) -> str:
    """Where to find what is not at ``path``, or what to use instead."""
    bare = "/" + path.strip("/").removeprefix("v1/").removeprefix("v1/")
    urls = current_app.url_map.bind("localhost")
    for candidate in (bare, f"/v1{bare}"):
        if candidate != path and urls.allowed_methods(candidate):
            return f"; it is at {candidate[:200]}"
    for beginning, text in _INSTEAD.items():
        if f"{path}/".startswith(f"{beginning}/") or f"/v1{path}/".startswith(f"{beginning}/"):
            return f": {text}"
    return "; README.md lists the endpoints"


def _passed_on(error: UpstreamRefused) -> ApiError:
    """What an upstream has said, with its status."""
    kind = InvalidRequest if error.status < 500 else ApiError
    shown = kind(f"{_UPSTREAM} says: {error}", error.param, error.code)
    shown.status = error.status
    if error.retry_after:
        shown.headers = {"Retry-After": error.retry_after}
    return shown


def _http_error(error: HTTPException) -> ApiError:
    """An error that Flask or Werkzeug raised. The words about methods are GPT4All's."""
    message, code = error.description or error.name, None
    match error:
        case MethodNotAllowed(valid_methods=methods) if "POST" in (methods or ()):
            message, code = "Only POST requests are accepted.", "method_not_supported"
        case MethodNotAllowed():
            path = "/v1/models/*" if request.path.startswith("/v1/models/") else request.path
            message = (
                f"Not allowed to {request.method} on {path}. "
                "(HINT: Perhaps you meant to use a different HTTP method?)"
            )
        case NotFound():
            message = f"There is nothing at {request.path[:200]}{_elsewhere(request.path)}."
        case RequestEntityTooLarge():
            limit = request.max_content_length
            message = f"The body is larger than {limit} bytes (GPT4ALL_MAX_BODY_BYTES)."
    shown = InvalidRequest(message, code=code) if (error.code or 500) < 500 else ApiError(message)
    shown.status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if "Allow" in (headers := error.get_response().headers):
        shown.headers = {"Allow": headers["Allow"]}
    return shown
