"""The record of a request, which becomes one line in the log."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.logs import logfmt

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hello " * 20}


@pytest.fixture
def line(caplog: pytest.LogCaptureFixture) -> Callable[[], dict[str, str]]:
    """A function that returns the last line of a request."""
    caplog.set_level(logging.INFO, "app.exchange")

    def read() -> dict[str, str]:
        said = [r.getMessage() for r in caplog.records if r.name == "app.exchange"][-1]
        return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', said))

    return read


def ask(client: FlaskClient, **fields: Any) -> Any:
    body = {"messages": [USER], "max_tokens": 3, "min_tokens": 3, **fields}
    return client.post(CHAT, json=body, buffered=True)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_counted_and_timed(client: FlaskClient, line: Any, stream: bool) -> None:
    response = ask(client, stream=stream)
    said = line()
    assert (said["method"], said["route"], said["status"]) == ("POST", CHAT, "200")
    assert (said["model"], said["engine"]) == ("tiny", "ctransformers")
    assert (said["answer_tokens"], said["finish"], said["sources"]) == ("3", "length", "0")
    assert int(said["prompt_tokens"]) > 20
    assert 0 <= int(said["queue_ms"]) <= int(said["first_ms"]) <= int(said["took_ms"])
    assert "error" not in said
    assert said["id"] == response.headers["X-Request-Id"]


def test_no_text_is_in_the_log(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(client, messages=[{"role": "user", "content": "rhubarb"}], user="somebody")
    client.get("/rhubarb?rhubarb", buffered=True)
    client.post(CHAT, data="rhubarb", buffered=True)
    assert len(caplog.records) >= 3
    assert "rhubarb" not in caplog.text
    assert "somebody" not in caplog.text


def test_what_the_cache_held_is_counted(client: FlaskClient, line: Any) -> None:
    for _ in range(2):
        ask(client)
    assert line()["cached_tokens"] == line()["prompt_tokens"]
    ask(client, messages=[{"role": "user", "content": f"{USER['content']}!"}], seed=1)
    assert int(line()["cached_tokens"]) % 32 == 0


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (CHAT, {"messages": [USER], "logit_bias": {"99999": 1}}, ("400", CHAT, "InvalidRequest")),
        (CHAT, {}, ("400", CHAT, "InvalidRequest")),
        ("/v1/x", {}, ("404", "other", "NotFound")),
        ("/v1/models/x", {}, ("405", "other", "MethodNotAllowed")),
    ],
)
def test_what_is_wrong_is_named(
    client: FlaskClient, line: Any, path: str, body: Any, said: tuple[str, str, str]
) -> None:
    client.post(path, json=body, buffered=True)
    assert (line()["status"], line()["route"], line()["error"]) == said


def test_a_request_without_a_model_says_little(client: FlaskClient, line: Any) -> None:
    client.get("/v1/models/tiny", buffered=True)
    assert set(line()) == {"id", "method", "route", "status", "took_ms"}
    assert line()["route"] == "/v1/models/<path:name>"


def test_what_is_asked_all_the_time_is_not_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.exchange")
    for path in "/health", "/health/ready", "/metrics":
        assert client.get(path, buffered=True).status_code == 200
    assert not caplog.records


def test_a_stream_that_is_left_is_logged_too(client: FlaskClient, line: Any) -> None:
    response = client.post(CHAT, json={"messages": [USER], "stream": True}, buffered=False)
    next(response.response)
    response.close()
    assert line()["error"] == "Cancelled"


@pytest.mark.parametrize("given", ["abc-1", "a" * 128, "1/2:3=+4"])
def test_a_client_may_name_its_request(client: FlaskClient, line: Any, given: str) -> None:
    response = client.get("/v1/models", headers={"X-Request-Id": given}, buffered=True)
    assert response.headers["X-Request-Id"] == given
    assert line()["id"].strip('"') == given


@pytest.mark.parametrize("given", ["", "a b", "é", "a" * 129, 'x"y'])
def test_a_name_that_would_break_the_log_is_replaced(client: FlaskClient, given: str) -> None:
    response = client.get("/v1/models", headers={"X-Request-Id": given}, buffered=True)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


def test_a_value_with_spaces_is_quoted() -> None:
    values = {"a": 'x "y" z', "b": 1.5, "c": "", "d": "line\nbreak"}
    assert logfmt(values) == 'a="x \\"y\\" z" b=1.5 c="" d="line\\nbreak"'


def test_json_has_the_same_fields() -> None:
    from pythonjsonlogger.json import JsonFormatter

    from app.logs import log_as_json

    root = logging.getLogger()
    handler, before = logging.StreamHandler(), root.handlers
    root.handlers = [handler]
    try:
        log_as_json()
    finally:
        root.handlers = before
    assert isinstance(handler.formatter, JsonFormatter)
    record = logging.makeLogRecord({"name": "app", "msg": "a=1", "levelname": "INFO", "a": 1})
    assert json.loads(handler.format(record)).items() >= {"message": "a=1", "a": 1}.items()
