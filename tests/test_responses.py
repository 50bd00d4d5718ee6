"""POST /v1/responses: OpenAI's newer form of a chat."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.exceptions import ModelCrashed
from app.pieces import CallPiece, Delta, Thought, TokenLogProbability
from app.presenters import ResponsesPresenter, Shown
from app.presenters.event_stream import event_stream
from app.schemas import ChatSchema, ResponsesSchema, load
from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh

from .conftest import serving
from .test_functions import TIME, WEATHER
from .test_thoughts import END, HELLO, THINK, WORLD, body, write_thinking

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
TOOLS = [{"type": "function", **function} for function in (WEATHER, TIME)]
SECRET = "The secret of the coffee machine is number 7741."
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
JSON = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}}


def forced(*tokens: int, **fields: Any) -> dict[str, Any]:
    """Fields with which an answer begins with those tokens."""
    chat = body(*tokens)
    del chat["messages"], chat["max_tokens"]
    return {**chat, "max_output_tokens": len(tokens), **fields}


THOUGHTLESS = {"logit_bias": {str(THINK): -100}}
THOUGHT = forced(THINK, HELLO, END, WORLD)
# Answers of every kind. The model thinks, calls and follows grammars, and says nothing sensible.
ANSWERS: dict[str, dict[str, Any]] = {
    "text": {"max_output_tokens": 20},
    "log-probabilities": {"max_output_tokens": 20, "top_logprobs": 2},
    "JSON": {"text": JSON, "max_output_tokens": 200, **THOUGHTLESS},
    "thought": THOUGHT,
    "thought with log-probabilities": {**THOUGHT, "include": ["message.output_text.logprobs"]},
    "summary": {**THOUGHT, "reasoning": {"summary": "auto"}},
    "thought cut off": forced(THINK, HELLO),
    "call": {"tools": TOOLS, "tool_choice": "required", **THOUGHTLESS},
    "calls": {
        **THOUGHTLESS,
        "tools": TOOLS,
        "tool_choice": "required",
        "parallel_tool_calls": True,
        "ignore_eos": True,
        "temperature": 2,
        "top_p": 1,
        "seed": 3,
    },
    "call cut off": {
        "tools": TOOLS,
        "tool_choice": "required",
        "max_output_tokens": 60,
        **THOUGHTLESS,
    },
    "thought and call": forced(
        THINK, HELLO, END, tools=TOOLS, tool_choice="required", max_output_tokens=200
    ),
    "nothing": {"max_output_tokens": 5, "logit_bias": {"2": 100}},
    "sources": {"input": "What is the secret of the coffee machine?", "max_output_tokens": 5},
}
CASES = pytest.mark.parametrize("fields", ANSWERS.values(), ids=ANSWERS)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application with a model that thinks, and with a collection."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "office").mkdir()
    (folder / "office" / "office.txt").write_text(SECRET)
    collections = Collections(folder / "localdocs")
    collections.create("Office", folder / "office")
    refresh(collections, "Office", Limits())
    yield from serving(folder, write_thinking, CONTEXT_LENGTH="4096", THREADS="1")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def asked(fields: dict[str, Any]) -> dict[str, Any]:
    return {"input": "Hi", "temperature": 1, "seed": 1, **fields}


def ask(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    response = client.post(RESPONSES, json=asked(fields))
    assert response.status_code == 200, response.text
    return response.json


def stream(client: FlaskClient, **fields: Any) -> list[dict[str, Any]]:
    """The data of the events of a stream, whose names must be their types."""
    response = client.post(RESPONSES, json=asked(fields) | {"stream": True})
    assert response.content_type == "text/event-stream; charset=utf-8"
    return events_of(response.text)


def events_of(text: str) -> list[dict[str, Any]]:
    *events, rest = text.split("\n\n")
    assert rest == ""
    found = []
    for event in events:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def without_ids(value: Any) -> Any:
    text = re.sub(r'"(resp|msg|rs|fc|call)_[0-9a-f]+"', r'"\1"', json.dumps(value))
    return json.loads(re.sub(r'"created_at": \d+', '"created_at": 0', text))


def refusal(client: FlaskClient, **fields: Any) -> tuple[str, str]:
    """The field and the message of a 400."""
    response = client.post(RESPONSES, json={"input": "Hi", **fields})
    assert response.status_code == 400, response.text
    error = response.json["error"]
    return error["param"], error["message"].removeprefix(f"{error['param']}: ")


def message_text(response: dict[str, Any]) -> str:
    [text] = [i["content"][0]["text"] for i in response["output"] if i["type"] == "message"]
    return text


@CASES
def test_a_stream_ends_with_the_plain_response(client: FlaskClient, fields: dict[str, Any]) -> None:
    last = stream(client, **fields)[-1]["response"]
    # Whether the prompt is still in the cache depends on what was asked before.
    plain = ask(client, **fields)
    del last["usage"]["input_tokens_details"], plain["usage"]["input_tokens_details"]
    assert without_ids(last) == without_ids(plain)
    assert last["status"] == ("incomplete" if last["incomplete_details"] else "completed")


KINDS = {
    "text": ["message"],
    "JSON": ["message"],
    "thought": ["reasoning", "message"],
    "thought cut off": ["reasoning", "message"],
    "call": ["function_call"],
    "call cut off": ["function_call"],
    "calls": ["function_call"] * 2,
    "thought and call": ["reasoning", "function_call"],
    "nothing": ["message"],
}


@pytest.mark.parametrize(("case", "kinds"), KINDS.items(), ids=KINDS)
def test_there_is_an_item_for_each_part_of_an_answer(
    client: FlaskClient, case: str, kinds: list[str]
) -> None:
    assert [item["type"] for item in ask(client, **ANSWERS[case])["output"]] == kinds


def grown(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output as a client puts it together that believes only what is new in each event."""
    output: list[dict[str, Any]] = []
    for event in events:
        item = output[event["output_index"]] if event.get("item_id") else None
        if item is not None:
            assert event["item_id"] == item["id"]
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(output)
                assert event["item"]["status"] == "in_progress"
                output.append(event["item"])
            case "content_part.added":
                assert event["content_index"] == len(item["content"]) == 0
                item["content"] = [event["part"]]
            case "reasoning_summary_part.added":
                assert event["summary_index"] == len(item["summary"]) == 0
                item["summary"] = [event["part"]]
            case "output_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
                item["content"][event["content_index"]]["logprobs"] += event["logprobs"]
            case "output_text.annotation.added":
                annotations = item["content"][event["content_index"]]["annotations"]
                assert event["annotation_index"] == len(annotations)
                annotations.append(event["annotation"])
            case "reasoning_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
            case "reasoning_summary_text.delta":
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            case "function_call_arguments.delta":
                item["arguments"] += event["delta"]
            case "output_item.done":
                item = output[event["output_index"]]
                item["status"] = event["item"]["status"]
                assert item == event["item"]
    return output


@CASES
def test_the_deltas_add_up_to_the_output(client: FlaskClient, fields: dict[str, Any]) -> None:
    *events, last = stream(client, **fields)
    assert grown(events) == last["response"]["output"]


@CASES
def test_what_is_done_has_all_that_it_was_made_of(
    client: FlaskClient, fields: dict[str, Any]
) -> None:
    *events, last = stream(client, **fields)
    output = last["response"]["output"]
    ends = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert ends == output
    assert all(item["status"] in ("completed", "incomplete") for item in output)
    for event in events:
        item = output[event.get("output_index", 0)]
        match event["type"].removeprefix("response."):
            case "output_text.done":
                part = item["content"][0]
                assert (event["text"], event["logprobs"]) == (part["text"], part["logprobs"])
            case "reasoning_text.done":
                assert event["text"] == item["content"][0]["text"]
            case "reasoning_summary_text.done":
                assert event["text"] == item["summary"][0]["text"]
            case "content_part.done":
                assert event["part"] == item["content"][0]
            case "reasoning_summary_part.done":
                assert event["part"] == item["summary"][0]
            case "function_call_arguments.done":
                assert event["arguments"] == item["arguments"]
                assert event["name"] == item["name"]


@CASES
def test_events_are_numbered_and_openais(client: FlaskClient, fields: dict[str, Any]) -> None:
    events = stream(client, **fields)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = TypeAdapter(ResponseStreamEvent)
    for event in events:
        kinds.validate_python(event)
    Response.model_validate(ask(client, **fields))


OPENED = ["created", "in_progress", "output_item.added"]
MESSAGE = ["output_text.done", "content_part.done", "output_item.done"]


def order(events: list[dict[str, Any]]) -> list[str]:
    """The types of events, with one delta for several."""
    kinds = [event["type"].removeprefix("response.") for event in events]
    return [kind for place, kind in enumerate(kinds) if kinds[place - 1 : place] != [kind]]


def test_the_events_of_a_text(client: FlaskClient) -> None:
    events = stream(client, max_output_tokens=10)
    added = [*OPENED, "content_part.added", "output_text.delta"]
    assert order(events) == [*added, *MESSAGE, "incomplete"]


def test_the_events_of_a_thought(client: FlaskClient) -> None:
    part = ["content_part.added", "reasoning_text.delta", "reasoning_text.done"]
    thought = [*OPENED, *part, "content_part.done", "output_item.done"]
    answer = ["output_item.added", "content_part.added", "output_text.delta", *MESSAGE]
    assert order(stream(client, **THOUGHT)) == [*thought, *answer, "incomplete"]


def test_the_events_of_a_call(client: FlaskClient) -> None:
    arguments = ["function_call_arguments.delta", "function_call_arguments.done"]
    assert order(stream(client, **ANSWERS["call"])) == [
        *OPENED,
        *arguments,
        "output_item.done",
        "completed",
    ]


def chat_message(client: FlaskClient, fields: dict[str, Any]) -> dict[str, Any]:
    """The same question to the chat."""
    chat = asked(fields)
    text, limit = chat.pop("input"), chat.pop("max_output_tokens", None)
    if "text" in chat:
        form = chat.pop("text")["format"]
        chat["response_format"] = {"type": "json_schema", "json_schema": form}
    chat.pop("include", None)
    chat |= {"messages": [{"role": "user", "content": text}], "max_tokens": limit}
    if "top_logprobs" in chat:
        chat["logprobs"] = True
    answer = client.post(CHAT, json=chat).json
    return {**answer, **answer["choices"][0], **answer["choices"][0]["message"]}


@CASES
def test_a_response_says_what_the_chat_says(client: FlaskClient, fields: dict[str, Any]) -> None:
    response, chat = ask(client, **fields), chat_message(client, fields)
    items = {item["type"]: item for item in response["output"]}
    thought = (items.get("reasoning", {}).get("content") or [{"text": None}])[0]["text"]
    if "reasoning" not in fields:
        assert thought == chat.get("reasoning_content")
    calls = [
        (item["name"], item["arguments"])
        for item in response["output"]
        if item["type"] == "function_call"
    ]
    said = [(c["function"]["name"], c["function"]["arguments"]) for c in chat.get("tool_calls", [])]
    assert calls == said
    if not calls:
        assert message_text(response) == chat["content"]
    if "top_logprobs" in fields:
        assert items["message"]["content"][0]["logprobs"] == chat["logprobs"]["content"]
    usage, expected = response["usage"], chat["usage"]
    assert usage["input_tokens"] == expected["prompt_tokens"]
    assert usage["output_tokens"] == expected["completion_tokens"]
    assert usage["total_tokens"] == expected["total_tokens"]
    assert usage["output_tokens_details"] == expected["completion_tokens_details"]
    assert (response["status"] == "incomplete") == (chat["finish_reason"] == "length")
    assert response["references"] == chat["references"]


def test_what_is_cut_off_is_incomplete(client: FlaskClient) -> None:
    for fields in (ANSWERS["text"], ANSWERS["call cut off"]):
        response = ask(client, **fields)
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert response["output"][-1]["status"] == "incomplete"
    thought, message = ask(client, **THOUGHT)["output"]
    assert (thought["status"], message["status"]) == ("completed", "incomplete")


def test_a_thought_that_is_cut_off_is_incomplete(client: FlaskClient) -> None:
    output = ask(client, **ANSWERS["thought cut off"])["output"]
    assert [item["status"] for item in output] == ["incomplete", "incomplete"]


def test_a_whole_answer_is_completed(client: FlaskClient) -> None:
    response = ask(client, **ANSWERS["call"])
    assert (response["status"], response["incomplete_details"]) == ("completed", None)
    [call] = response["output"]
    assert call["status"] == "completed"
    assert call["call_id"] != call["id"]


def test_without_text_and_calls_there_is_an_empty_message(client: FlaskClient) -> None:
    for case in ("nothing", "thought cut off"):
        assert message_text(ask(client, **ANSWERS[case])) == ""


def test_a_summary_is_the_thought_where_clients_look_for_one(client: FlaskClient) -> None:
    plain, summed = ask(client, **THOUGHT), ask(client, **ANSWERS["summary"])
    thought = {"type": "reasoning_text", "text": "hello"}
    assert (plain["output"][0]["content"], plain["output"][0]["summary"]) == ([thought], [])
    assert summed["output"][0]["summary"] == [{"type": "summary_text", "text": "hello"}]
    assert "content" not in summed["output"][0]
    assert plain["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}


def test_only_the_text_has_log_probabilities(client: FlaskClient) -> None:
    [_, message] = ask(client, **THOUGHT, top_logprobs=2)["output"]
    [only] = message["content"][0]["logprobs"]
    assert only["token"].strip() == "wor"
    assert len(only["top_logprobs"]) == 2


def test_log_probabilities_come_when_they_are_asked_for(client: FlaskClient) -> None:
    def found(**fields: Any) -> Any:
        return ask(client, max_output_tokens=3, **fields)["output"][0]["content"][0]["logprobs"]

    assert found() == found(top_logprobs=0) == found(include=["reasoning.encrypted_content"]) == []
    assert found(include=["message.output_text.logprobs"])[0]["top_logprobs"] == []
    assert len(found(top_logprobs=3)[0]["top_logprobs"]) == 3


def token(text: str) -> TokenLogProbability:
    return TokenLogProbability(text.encode(), -1.0, (), 0)


@pytest.mark.parametrize(
    "deltas",
    [
        [Delta(0, ["a"], logprobs=(token("a"),)), Delta(0, logprobs=(token("b"),))],
        [Delta(0, logprobs=(token("a"),)), Delta(0, ["a"], logprobs=(token("b"),))],
        [
            Delta(0, logprobs=(token("<"),)),
            Delta(0, [Thought("hm")], logprobs=(token("hm"),)),
            Delta(0, logprobs=(token(">"),)),
            Delta(0, ["a"], logprobs=(token("a"), token("b"))),
        ],
    ],
    ids=["after the text", "before the text", "after a thought"],
)
def test_tokens_without_a_text_of_their_own_are_not_lost(deltas: list[Delta]) -> None:
    deltas[-1] = replace(deltas[-1], finish_reason="stop")
    presenter = ResponsesPresenter({}, "m", Shown(logprobs=True))
    events = [event.data for event in presenter.events(deltas, 1)]
    message = events[-1]["response"]["output"][-1]
    assert [token["token"] for token in message["content"][0]["logprobs"]] == ["a", "b"]
    told = [e["logprobs"] for e in events if e["type"] == "response.output_text.delta"]
    assert list(chain(*told)) == message["content"][0]["logprobs"]


def test_sources_are_cited_at_the_end_of_the_text(client: FlaskClient) -> None:
    response = ask(client, **ANSWERS["sources"])
    [reference] = response["references"]
    assert reference["text"] == SECRET
    assert not {"path", "collection"} & reference.keys()
    assert response["output"][0]["content"][0]["annotations"] == [
        {
            "type": "file_citation",
            "file_id": "references[0]",
            "filename": "office.txt",
            "index": len(message_text(response)),
        }
    ]


def test_without_sources_there_are_none(client: FlaskClient) -> None:
    response = ask(client, max_output_tokens=2)
    assert response["references"] is None
    assert response["output"][0]["content"][0]["annotations"] == []


def test_a_response_repeats_its_request(client: FlaskClient) -> None:
    given = {
        "instructions": "Be brief.",
        "max_output_tokens": 30,
        "metadata": {"a": "b"},
        "parallel_tool_calls": True,
        "reasoning": {"effort": "low"},
        "temperature": 0.5,
        "text": JSON,
        "tool_choice": "none",
        "tools": TOOLS,
        "top_logprobs": 1,
        "top_p": 0.9,
    }
    response = ask(client, **given)
    assert {name: response[name] for name in given} == given


def test_what_a_request_leaves_out_has_its_default(client: FlaskClient) -> None:
    response = client.post(RESPONSES, json={"input": "Hi", "temperature": None}).json
    assert response["object"] == "response"
    assert response["id"].startswith("resp_")
    assert (response["tools"], response["tool_choice"], response["metadata"]) == ([], "auto", {})
    assert response["text"] == {"format": {"type": "text"}}
    assert response["temperature"] is None


@pytest.mark.parametrize("store", [{}, {"store": False}, {"store": True}, {"store": None}])
def test_nothing_is_ever_stored(client: FlaskClient, store: dict[str, Any]) -> None:
    response = ask(client, max_output_tokens=2, **store)
    assert response["store"] is False
    assert client.get(f"{RESPONSES}/{response['id']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")],
)
def test_a_stored_response_is_a_404_that_says_why(
    client: FlaskClient, method: str, path: str
) -> None:
    response = client.open(f"{RESPONSES}/resp_1{path}", method=method)
    assert response.status_code == 404
    assert response.json["error"]["message"] == (
        "There is no response 'resp_1': none is stored here. What POST /v1/responses returns is "
        "all, and later requests send its output in their input."
    )


def messages(*items: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    conversation = load(ResponsesSchema(8), {"input": list(items), **fields}).job.conversation
    return list(conversation.messages)


USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "yes"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "42"}
THINKING = {"type": "reasoning", "summary": [], "content": [{"text": "hm"}]}


def test_a_text_is_the_users_message() -> None:
    assert load(ResponsesSchema(8), {"input": "Hi"}) == load(ResponsesSchema(8), {"input": [USER]})


def test_a_conversation_is_the_chats() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    chat = load(
        ChatSchema(8),
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                USER,
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
                ANSWER,
                USER,
            ],
            "tools": TOOLS,
            "reasoning_effort": "low",
        },
    )
    response = load(
        ResponsesSchema(8),
        {
            "instructions": "Be brief.",
            "input": [USER, CALL, RESULT, ANSWER, USER],
            "tools": TOOLS,
            "reasoning": {"effort": "low"},
        },
    )
    assert response.job == chat.job


@pytest.mark.parametrize("role", ["user", "system", "assistant"])
@pytest.mark.parametrize("kind", [{}, {"type": "message"}, {"type": None}])
@pytest.mark.parametrize(
    "content",
    [
        "Hi",
        [{"type": "input_text", "text": "Hi"}],
        [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
        [{"type": "refusal", "refusal": "Hi"}],
    ],
)
def test_messages_come_in_several_forms(role: str, kind: dict[str, Any], content: Any) -> None:
    more = {"id": "msg_1", "status": "completed", "phase": "final_answer"}
    found = messages({"role": role, "content": content, **kind, **more})
    assert found == [{"role": role, "content": "Hi"}]


def test_instructions_are_one_system_message() -> None:
    told = [{"role": "developer", "content": "Do."}, {"role": "system", "content": "Don't."}]
    found = messages(*told, USER, instructions="Be brief.")
    assert found == [{"role": "system", "content": "Be brief.\n\nDo.\n\nDon't."}, USER]
    assert messages(USER, instructions=None) == messages(USER, instructions="") == [USER]


def called(*names: str, **fields: Any) -> dict[str, Any]:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": name, "arguments": {"a": 1}}}
        for name in names
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls, **fields}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([CALL], [called("f")]),
        ([CALL, {**CALL, "name": "g"}], [called("f", "g")]),
        ([ANSWER, CALL], [called("f", content="yes")]),
        ([THINKING, ANSWER, CALL], [called("f", content="yes", reasoning_content="hm")]),
        ([THINKING, CALL], [called("f", reasoning_content="hm")]),
        ([THINKING, ANSWER], [{**ANSWER, "reasoning_content": "hm"}]),
        ([THINKING, THINKING, ANSWER], [{**ANSWER, "reasoning_content": "hm\n\nhm"}]),
        ([CALL, ANSWER], [called("f"), ANSWER]),
        ([ANSWER, ANSWER], [ANSWER, ANSWER]),
        ([ANSWER, THINKING, ANSWER], [ANSWER, {**ANSWER, "reasoning_content": "hm"}]),
        ([CALL, THINKING, CALL], [called("f"), called("f", reasoning_content="hm")]),
        (
            [CALL, RESULT, CALL],
            [called("f"), {"role": "tool", "tool_call_id": "c1", "content": "42"}, called("f")],
        ),
        ([USER, USER], [USER, USER]),
    ],
)
def test_the_items_of_an_answer_are_one_message(items: Any, expected: Any) -> None:
    assert messages(*items) == expected


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}], "summary": []},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "content": None, "summary": [{"text": "hm"}], "id": "rs_1"},
        {"type": "reasoning", "content": [{"text": "hm"}], "summary": [{"text": "short"}]},
    ],
)
def test_thoughts_come_in_several_forms(item: dict[str, Any]) -> None:
    assert messages(item, ANSWER) == [{**ANSWER, "reasoning_content": "hm"}]


def test_thoughts_that_only_openai_can_read_are_left_out() -> None:
    secret = {"type": "reasoning", "summary": [], "encrypted_content": "x", "content": None}
    assert messages(USER, secret, USER) == [USER, USER]
    assert messages(secret, ANSWER) == [ANSWER]


def test_a_result_may_have_parts() -> None:
    parts = [{"type": "input_text", "text": "4"}, {"type": "input_text", "text": "2"}]
    [_, result] = messages(CALL, {**RESULT, "output": parts, "id": "fco_1", "status": "completed"})
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "4\n2"}


@CASES
def test_an_output_can_be_sent_back(client: FlaskClient, fields: dict[str, Any]) -> None:
    first = ask(client, **fields)
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "42"}
        for item in first["output"]
        if item["type"] == "function_call"
    ]
    history = [USER, *first["output"], *results, USER]
    second = ask(client, input=history, tools=TOOLS, max_output_tokens=2)
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


def test_a_begun_answer_is_continued(client: FlaskClient) -> None:
    tokens = ask(client, input=[USER, ANSWER], max_output_tokens=2)["usage"]["input_tokens"]
    chat = {"messages": [USER, ANSWER], "max_tokens": 2}
    assert client.post(CHAT, json=chat).json["usage"]["prompt_tokens"] == tokens


NOT_STORED = (
    "is not supported by this server: nothing is stored here, so input must have the whole "
    "conversation; leave it out."
)
ITEMS = "must be one of message, function_call, function_call_output, reasoning, not "


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", NOT_STORED),
        ({"conversation": {"id": "conv_1"}}, "conversation", NOT_STORED),
        (
            {"background": True},
            "background",
            "is not supported by this server: the response is the answer, at once or as a stream; "
            "leave it out.",
        ),
        (
            {"prompt": {"id": "pmpt_1"}},
            "prompt",
            "is not supported by this server: no prompts are stored here, so write it into "
            "instructions; leave it out.",
        ),
        (
            {"context_management": [{"type": "compaction"}]},
            "context_management",
            "is not supported by this server: nothing is left out of a conversation; leave it out.",
        ),
        (
            {"tools": [TOOLS[0], {"type": "web_search"}]},
            "tools[1].type",
            "only functions can be called. Leave out the tools of OpenAI's servers, or offer "
            "functions that do the same.",
        ),
        ({"n": 2}, "n", "a response has one answer. Leave it out, or send 1."),
        ({"input": None}, "input", "is required."),
        ({"input": 5}, "input", "must be a string or a list of items, not 5."),
        ({"input": []}, "input", "must be a string or a list of items, not []."),
        ({"input": [USER, "Hi"]}, "input[1]", 'must be an object, not "Hi".'),
        ({"input": [None]}, "input[0]", "must not be null."),
        (
            {"input": [{"type": "reasoning", "summary": []}]},
            "input",
            "has nothing that the model can read.",
        ),
        (
            {"input": [USER, {"type": "item_reference", "id": "msg_1"}]},
            "input[1]",
            "nothing is stored here, so there is nothing to refer to. Send the item itself, as "
            "clients do with `store` false.",
        ),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type", f'{ITEMS}"web_search_call".'),
        ({"input": [{"type": ["message"]}]}, "input[0].type", f'{ITEMS}["message"].'),
        ({"input": [{"content": "Hi"}]}, "input[0].role", "is required."),
        ({"input": [{"role": "user"}]}, "input[0].content", "is required."),
        (
            {"input": [USER, {"role": "user", "content": [{"type": "input_image"}]}]},
            "input[1].content[0]",
            "the model reads text only, not 'input_image'.",
        ),
        ({"input": [{**CALL, "name": None}]}, "input[0].name", "is required."),
        ({"input": [{**CALL, "call_id": None}]}, "input[0].call_id", "is required."),
        ({"input": [{**RESULT, "output": None}]}, "input[0].output", "is required."),
        (
            {"input": [{**RESULT, "output": [{"type": "input_file"}]}]},
            "input[0].output[0]",
            "the model reads text only, not 'input_file'.",
        ),
        (
            {"input": [{**THINKING, "content": [{"text": 5}]}]},
            "input[0].content[0].text",
            "must be a string, not 5.",
        ),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", "is required."),
        (
            {"text": {"format": {"type": "json_schema", "schema": {"type": "x"}}}},
            "text.format",
            "cannot be used: 'x' is not a type of JSON Schema.",
        ),
        (
            {"text": JSON, "grammar": 'root ::= "a"'},
            "grammar",
            "cannot be used together with text.",
        ),
        (
            {"reasoning": {"effort": "huge"}},
            "reasoning.effort",
            "must be one of none, minimal, low, medium, high, xhigh, max.",
        ),
        ({"metadata": 5}, "metadata", "must be an object, not 5."),
        ({"instructions": 5}, "instructions", "must be a string, not 5."),
        ({"max_output_tokens": 0}, "max_output_tokens", "must be at least 1, not 0."),
        ({"include": "x"}, "include", "Not a valid list."),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: FlaskClient, fields: dict[str, Any], param: str, message: str
) -> None:
    assert refusal(client, **fields) == (param, message)


NEUTRAL: dict[str, Any] = {
    "previous_response_id": None,
    "conversation": None,
    "background": False,
    "prompt": None,
    "context_management": None,
    "store": False,
    "include": ["reasoning.encrypted_content", "file_search_call.results"],
    "metadata": None,
    "service_tier": "auto",
    "truncation": "auto",
    "max_tool_calls": 5,
    "prompt_cache_key": "x",
    "safety_identifier": "x",
    "stream_options": {"include_obfuscation": False},
    "text": {"verbosity": "low"},
    "reasoning": {"effort": None, "summary": "auto", "generate_summary": "auto"},
    "tool_choice": "auto",
    "tools": [],
    "parallel_tool_calls": True,
    "client_metadata": {"x-codex": "1"},
    "user": "x",
    "n": 1,
}


def test_what_asks_for_nothing_changes_nothing(client: FlaskClient) -> None:
    plain = ask(client, max_output_tokens=5)
    assert message_text(ask(client, max_output_tokens=5, **NEUTRAL)) == message_text(plain)


def test_thinking_can_be_switched_off(client: FlaskClient) -> None:
    [message] = ask(client, **forced(HELLO), reasoning={"effort": "none"})["output"]
    assert message["content"][0]["text"] == "hello"


def test_json_is_held_to_its_schema(client: FlaskClient) -> None:
    wanted = {"format": {"type": "json_schema", "name": "x", "schema": {"const": {"a": 1}}}}
    assert message_text(ask(client, text=wanted, max_output_tokens=200)) == '{"a": 1}'
    some = ask(client, text={"format": {"type": "json_object"}}, seed=2, max_output_tokens=200)
    assert some["status"] == "incomplete" or isinstance(json.loads(message_text(some)), dict)


def test_a_schema_applies_beside_functions(client: FlaskClient) -> None:
    wanted = {"format": {"type": "json_schema", "name": "x", "schema": {"const": {"a": 1}}}}
    for seed in range(4):
        [item] = ask(client, text=wanted, tools=TOOLS, seed=seed, **THOUGHTLESS)["output"]
        assert item["type"] == "function_call" or item["content"][0]["text"] == '{"a": 1}'


def test_a_named_function_is_called(client: FlaskClient) -> None:
    choice = {"type": "function", "name": "get_time"}
    [call] = ask(client, tools=TOOLS, tool_choice=choice, **THOUGHTLESS)["output"]
    assert (call["type"], call["name"]) == ("function_call", "get_time")
    assert isinstance(json.loads(call["arguments"])["utc"], bool)


def test_a_schema_that_cannot_be_enforced_names_its_field(client: FlaskClient) -> None:
    schema = {"type": "string", "pattern": "(?=a)"}
    param, _ = refusal(client, text={"format": {"type": "json_schema", "schema": schema}})
    assert param.startswith("text")


def test_a_conversation_that_is_too_long_names_its_field(client: FlaskClient) -> None:
    response = client.post(RESPONSES, json={"input": "a " * 5000})
    assert response.json["error"]["code"] == "context_length_exceeded"
    assert response.json["error"]["param"] == "input"


def failing(*pieces: Any) -> list[dict[str, Any]]:
    """The events of a stream whose model crashes after those pieces."""

    def deltas() -> Iterator[Delta]:
        yield Delta(0, pieces)
        raise ModelCrashed("The model crashed.")

    return events_of("".join(event_stream(ResponsesPresenter({}, "m", Shown()), deltas(), 1)))


@pytest.mark.parametrize("pieces", [("Hi",), (Thought("hm"),), (CallPiece(0, "c1", "f"),), ()])
def test_an_error_after_the_start_of_a_stream_ends_it(pieces: Any) -> None:
    events = failing(*pieces)
    error, failed = events[-2:]
    said = {"code": "model_crashed", "message": "The model crashed."}
    number = len(events) - 2
    assert error == {"type": "error", "sequence_number": number, **said, "param": None}
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", number + 1)
    response = failed["response"]
    assert (response["status"], response["error"]) == ("failed", said)
    assert [item["status"] for item in response["output"]] == ["incomplete"] * len(pieces)
    assert response["id"] == events[0]["response"]["id"]


def test_a_fault_of_the_server_has_a_code_too(caplog: pytest.LogCaptureFixture) -> None:
    def deltas() -> Iterator[Delta]:
        yield Delta(0)
        raise RuntimeError("secret detail")

    text = "".join(event_stream(ResponsesPresenter({}, "m", Shown()), deltas(), 1))
    assert events_of(text)[-1]["response"]["error"]["code"] == "internal_error"
    assert "secret detail" not in text
    assert "secret detail" in caplog.text


def test_a_request_that_cannot_be_answered_gets_no_stream(client: FlaskClient) -> None:
    response = client.post(RESPONSES, json={"input": "a " * 5000, "stream": True})
    assert response.status_code == 400


def test_the_server_chat_shows_it(app: Flask, client: FlaskClient) -> None:
    ask(client, input=[USER, ANSWER, USER], max_output_tokens=2)
    service = app.extensions["gpt4all"]
    last = service.server_chat.after(0)[-1]
    assert last["endpoint"] == RESPONSES
    assert [message["role"] for message in last["asked"]] == ["user", "assistant", "user"]
