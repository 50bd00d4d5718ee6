from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.errors import api_error_of
from app.pieces import Delta
from app.presenters import ChatPresenter, Shown
from app.presenters.event_stream import event_stream


def test_an_unknown_path_is_a_404_in_the_envelope(client: FlaskClient) -> None:
    response = client.get("/v1/nothing")
    assert response.status_code == 404
    assert response.json == {
        "error": {
            "message": "There is nothing at /v1/nothing; README.md lists the endpoints.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1/models/", "/v1/models"),
        ("/models", "/v1/models"),
        ("/models/tiny", "/v1/models/tiny"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/completions/", "/v1/completions"),
        ("/responses", "/v1/responses"),
        ("/responses/resp_1/input_items", "/v1/responses/resp_1/input_items"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/health", "/health"),
        ("/v1/openapi.json", "/openapi.json"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_misplaced_endpoint_is_a_404_that_says_where_it_is(
    client: FlaskClient, path: str, place: str, method: str
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == 404
    message = response.json["error"]["message"]
    assert message == f"There is nothing at {path}; it is at {place}."


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/threads/runs", "POST /v1/chat/completions"),
        ("/v1/embeddings", "LocalDocs"),
        ("/v1/engines/x/embeddings", "GET /v1/models"),
        ("/v1/audio/speech", "text only"),
        ("/v1/images/generations", "text only"),
        ("/api/chat", "/v1"),
        ("/completion", "POST /v1/completions"),
    ],
)
def test_a_missing_endpoint_says_what_to_use_instead(
    client: FlaskClient, path: str, words: str
) -> None:
    response = client.post(path, json={})
    assert response.status_code == 404
    assert response.json["error"]["message"].startswith(f"There is nothing at {path}: ")
    assert words in response.json["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_getting_an_answer_is_refused_in_gpt4alls_words(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert response.json["error"]["message"] == "Only POST requests are accepted."
    assert response.json["error"]["code"] == "method_not_supported"


def test_an_unsupported_media_type_is_in_the_envelope(app: Flask) -> None:
    from flask import request

    app.add_url_rule("/strict", view_func=lambda: request.json, methods=["POST"])
    response = app.test_client().post("/strict", data="{}", content_type="text/plain")
    assert response.status_code == 415
    assert response.json["error"]["type"] == "invalid_request_error"


def test_a_fault_of_the_server_is_logged_and_not_shown(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    app.add_url_rule("/fail", view_func=fail)
    response = app.test_client().get("/fail")
    assert response.status_code == 500
    assert response.json["error"] == {
        "message": "The server failed; its log says why.",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
    assert "RuntimeError: secret detail" in caplog.text


def test_an_error_after_the_start_of_a_stream_is_its_last_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def deltas() -> Iterator[Delta]:
        yield Delta(0, ["Hi"])
        raise RuntimeError("secret detail")

    *_, before, last = event_stream(ChatPresenter("m", Shown()), deltas(), 1)
    assert '"content":"Hi"' in before
    assert last.startswith('event: error\ndata: {"error":{"message":"The server failed;')
    assert "secret detail" not in last
    assert "secret detail" in caplog.text


def test_what_is_nested_too_deeply_is_the_requests_fault() -> None:
    error = api_error_of(RecursionError())
    assert (error.status, error.message) == (400, "The request is nested too deeply.")
