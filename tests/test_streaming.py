import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.exceptions import Cancelled
from app.pieces import Delta
from app.presenters import ChatPresenter, Shown
from app.presenters.event_stream import event_stream

from .conftest import counts

COMPLETION = ("/v1/completions", {"model": "tiny", "prompt": "hello"})
CHAT = ("/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "a"}]})
BOTH = pytest.mark.parametrize(("path", "question"), [COMPLETION, CHAT])


def stream(client: FlaskClient, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of a stream, which must end with [DONE]."""
    response = client.post(path, json={**body, "stream": True})
    assert response.status_code == 200, response.json
    assert response.content_type == "text/event-stream; charset=utf-8"
    *events, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def text(choice: dict[str, Any]) -> str:
    return choice["text"] if "text" in choice else choice["delta"].get("content", "")


def texts(chunks: list[dict[str, Any]]) -> dict[int, str]:
    texts: dict[int, str] = {}
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        texts[choice["index"]] = texts.get(choice["index"], "") + text(choice)
    return texts


@BOTH
def test_a_stream_says_what_a_plain_response_says(
    client: FlaskClient, path: str, question: dict[str, Any]
) -> None:
    body = {**question, "n": 2, "seed": 3, "temperature": 1.5, "max_tokens": 30}
    plain = client.post(path, json=body).json
    chunks = stream(client, path, {**body, "stream_options": {"include_usage": True}})
    expected = {
        choice["index"]: choice["text"] if "text" in choice else choice["message"]["content"]
        for choice in plain["choices"]
    }
    assert texts(chunks) == expected
    reasons = [choice["finish_reason"] for choice in plain["choices"]]
    ends = [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]]
    assert [reason for reason in ends if reason] == reasons
    assert counts(chunks[-1]) == counts(plain)


@BOTH
def test_one_id_throughout(client: FlaskClient, path: str, question: dict[str, Any]) -> None:
    chunks = stream(client, path, question)
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1


def test_the_first_chunk_of_a_chat_has_the_role_and_the_last_the_reason(
    client: FlaskClient,
) -> None:
    first, *middle, last = stream(client, CHAT[0], {**CHAT[1], "max_tokens": 8, "temperature": 0})
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
    ]
    assert middle
    for chunk in middle:
        assert list(chunk["choices"][0]["delta"]) == ["content"]
    assert last["choices"] == [
        {
            "index": 0,
            "delta": {},
            "logprobs": None,
            "finish_reason": "length",
            "references": None,
        }
    ]


def test_every_answer_of_a_chat_is_opened_with_the_role(client: FlaskClient) -> None:
    chunks = stream(client, CHAT[0], {**CHAT[1], "n": 2, "max_tokens": 2})
    opened = [c["choices"][0]["index"] for c in chunks if "role" in c["choices"][0]["delta"]]
    assert opened == [0, 1]


def test_a_stream_whose_client_left_just_ends() -> None:
    def deltas() -> Iterator[Delta]:
        yield Delta(0, ["Hi"])
        raise Cancelled

    *_, last = event_stream(ChatPresenter("m", Shown()), deltas(), 1)
    assert json.loads(last.removeprefix("data: "))["choices"][0]["delta"] == {"content": "Hi"}


@BOTH
def test_usage_comes_only_when_asked_for(
    client: FlaskClient, path: str, question: dict[str, Any]
) -> None:
    assert all("usage" not in chunk for chunk in stream(client, path, question))
    options = {"stream_options": {"include_usage": True, "include_obfuscation": False}}
    *chunks, last = stream(client, path, {**question, **options})
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0


def test_echo_is_streamed_before_each_answer(client: FlaskClient) -> None:
    body = {"model": "m", "prompt": ["hello", "world"], "n": 2, "echo": True, "seed": 1}
    plain = client.post("/v1/completions", json=body).json
    chunks = stream(client, "/v1/completions", body)
    assert texts(chunks) == {c["index"]: c["text"] for c in plain["choices"]}
    assert texts(chunks)[2].startswith("world")


@BOTH
def test_a_request_that_cannot_be_answered_gets_no_stream(
    client: FlaskClient, path: str, question: dict[str, Any]
) -> None:
    prompt = {"prompt": "a " * 300} if "prompt" in question else {}
    messages = {"messages": [{"role": "user", "content": "a " * 300}]} if not prompt else {}
    response = client.post(path, json={**question, **prompt, **messages, "stream": True})
    assert response.status_code == 400
    assert response.json["error"]["code"] == "context_length_exceeded"


def test_no_event_has_a_character_that_ends_lines(client: FlaskClient) -> None:
    # Clients that use str.splitlines() would cut the event there.
    body = {"model": "m", "prompt": "a\u2028b\u0085c\u000cd", "echo": True, "stream": True}
    body_text = client.post("/v1/completions", json=body).text
    for event in body_text.split("\n\n")[:-1]:
        assert len(event.splitlines()) == 1


def test_the_end_of_a_stream_frees_the_model(client: FlaskClient) -> None:
    response = client.post(CHAT[0], json={**CHAT[1], "stream": True}, buffered=False)
    assert b"".join(response.iter_encoded()).endswith(b"data: [DONE]\n\n")
    assert not client.get("/health").json["busy"]
    response.close()


def test_leaving_a_stream_frees_the_model(client: FlaskClient) -> None:
    response = client.post(CHAT[0], json={**CHAT[1], "stream": True}, buffered=False)
    next(response.iter_encoded())
    assert client.get("/health").json["busy"]
    response.close()
    assert not client.get("/health").json["busy"]


def test_a_stream_that_is_never_read_frees_the_model(client: FlaskClient) -> None:
    response = client.post(CHAT[0], json={**CHAT[1], "stream": True}, buffered=False)
    response.close()
    assert not client.get("/health").json["busy"]
