"""The record of a request, as the log shows it when it is asked for details."""

import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hello " * 20}


@pytest.fixture
def record(caplog: pytest.LogCaptureFixture) -> Any:
    """A function that returns what the last record says of a field."""
    caplog.set_level(logging.DEBUG, "app.exchange")

    def field(name: str) -> str:
        [last] = re.findall(r"Exchange\(.*\)", caplog.messages[-1])
        return re.search(rf"\b{name}=(\[.*?\]|'.*?'|[^,)]*)", last)[1]

    return field


def ask(client: FlaskClient, **fields: Any) -> Any:
    body = {"messages": [USER], "max_tokens": 3, "min_tokens": 3, **fields}
    return client.post(CHAT, json=body, buffered=fields.pop("buffered", True))


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_counted_and_timed(client: FlaskClient, record: Any, stream: bool) -> None:
    ask(client, stream=stream)
    assert (record("endpoint"), record("model")) == (f"'{CHAT}'", "'tiny'")
    assert (record("completion_tokens"), record("finish_reasons")) == ("3", "['length']")
    assert int(record("prompt_tokens")) > 20
    assert record("error") == "None"
    assert 0 <= float(record("waited")) <= float(record("first_piece")) <= float(record("took"))


def test_what_the_cache_held_is_counted(client: FlaskClient, record: Any) -> None:
    for _ in range(2):
        ask(client)
    assert int(record("cached_tokens")) == int(record("prompt_tokens"))
    ask(client, messages=[{"role": "user", "content": f"{USER['content']}!"}], seed=1)
    assert int(record("cached_tokens")) % 32 == 0


def test_what_is_wrong_is_named(client: FlaskClient, record: Any) -> None:
    assert ask(client, logit_bias={"99999": 1}).status_code == 400
    assert (record("error"), record("waited")) == ("'InvalidRequest'", "None")


def test_a_stream_that_is_left_is_closed_too(client: FlaskClient, record: Any) -> None:
    response = client.post(CHAT, json={"messages": [USER], "stream": True}, buffered=False)
    next(response.response)
    response.close()
    assert record("error") == "'Cancelled'"
    assert record("took") != "None"
