"""Function calls: offered to the model, checked against schemas, shown as OpenAI shows them."""

import json
from typing import Any

import jsonschema
import numpy as np
import pytest
from flask.testing import FlaskClient
from openai import OpenAI

from app.inference.call_forms import HERMES
from app.inference.calls import CallFinder
from app.inference.model import Model
from app.jobs import Calling, Function
from app.pieces import CallPiece

from .conftest import DEFAULT_MODEL, counts, tokenizer_of_app
from .server import Server

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "$defs": {"unit": {"enum": ["C", "F"]}},
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "unit": {"$ref": "#/$defs/unit"},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
TIME: dict[str, Any] = {
    "name": "get_time",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"utc": {"type": "boolean"}},
        "required": ["utc"],
        "additionalProperties": False,
    },
}
PARAMETERS = {f["name"]: f["parameters"] for f in (WEATHER, TIME)}
TOOLS = [{"type": "function", "function": function} for function in (WEATHER, TIME)]
USER = {"role": "user", "content": "What is the weather in Paris?"}
PARALLEL = Calling([], parallel=True)
NAMED = {"type": "function", "function": {"name": "get_time"}}


@pytest.fixture
def client(any_client: FlaskClient) -> FlaskClient:
    return any_client


def ask(client: FlaskClient, *messages: dict[str, Any], code: int = 200, **fields: Any) -> Any:
    body = {"model": "m", "messages": messages or [USER], "temperature": 1, "seed": 1, **fields}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == code, response.text
    return response.json


def calls_of(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls of a message. Their arguments must fit the function."""
    calls = choice["message"].get("tool_calls", [])
    for call in calls:
        assert call["type"] == "function"
        assert call["id"].startswith("call_")
        function = call["function"]
        jsonschema.validate(json.loads(function["arguments"]), PARAMETERS[function["name"]])
    assert len({call["id"] for call in calls}) == len(calls)
    return calls


@pytest.mark.parametrize("seed", range(6))
def test_a_required_call_fits_its_function(client: FlaskClient, seed: int) -> None:
    [choice] = ask(client, tools=TOOLS, tool_choice="required", seed=seed)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert 1 <= len(calls_of(choice)) <= 8
    assert choice["message"]["content"] is None


def test_a_named_function_is_called_once(client: FlaskClient) -> None:
    for seed in range(4):
        [choice] = ask(client, tools=TOOLS, tool_choice=NAMED, seed=seed)["choices"]
        [call] = calls_of(choice)
        assert call["function"]["name"] == "get_time"
        assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("parallel", [{}, {"parallel_tool_calls": False}])
def test_unless_several_are_asked_for_there_is_one_call(
    client: FlaskClient, parallel: dict[str, Any]
) -> None:
    for seed in range(6):
        fields = {"tools": TOOLS, "tool_choice": "required", "ignore_eos": True, **parallel}
        [choice] = ask(client, seed=seed, temperature=2, top_p=1, **fields)["choices"]
        assert len(calls_of(choice)) == 1


def test_several_calls_are_never_the_same(client: FlaskClient) -> None:
    fields = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": True}
    fields |= {"ignore_eos": True, "temperature": 2, "top_p": 1}
    counts = set()
    for seed in range(20):
        [choice] = ask(client, seed=seed, **fields)["choices"]
        made = [tuple(call["function"].values()) for call in calls_of(choice)]
        assert len(set(made)) == len(made)
        assert choice["finish_reason"] == "tool_calls"
        counts.add(len(made))
    assert max(counts) > 1


def test_a_function_that_can_be_called_in_one_way_only_is_called_once(client: FlaskClient) -> None:
    ping = {"type": "function", "function": {"name": "ping", "parameters": {"properties": {}}}}
    fields = {"tools": [ping], "tool_choice": "required", "parallel_tool_calls": True}
    for seed in range(6):
        answer = ask(client, seed=seed, **fields)
        [call] = answer["choices"][0]["message"]["tool_calls"]
        assert call["function"] == {"name": "ping", "arguments": "{}"}
        assert answer["choices"][0]["finish_reason"] == "tool_calls"
        chunks = stream(client, seed=seed, **fields)
        assert joined(chunks) == (None, [("ping", "{}")], "tool_calls")


def stream(client: FlaskClient, **fields: Any) -> list[dict[str, Any]]:
    body = {"model": "m", "messages": [USER], "temperature": 1, "seed": 1, **fields, "stream": True}
    events = client.post("/v1/chat/completions", json=body).text.split("\n\n")
    return [json.loads(e.removeprefix("data: "))["choices"][0] for e in events[:-2]]


def joined(chunks: list[dict[str, Any]]) -> tuple[str | None, list[tuple[str, str]], str]:
    """The text, the calls and the end of a stream's answer."""
    text = "".join(chunk["delta"].get("content") or "" for chunk in chunks)
    pieces = [piece for chunk in chunks for piece in chunk["delta"].get("tool_calls", [])]
    calls = [("", "")] * len({piece["index"] for piece in pieces})
    for piece in pieces:
        name, arguments = calls[piece["index"]]
        function = piece["function"]
        name, arguments = name + function.get("name", ""), arguments + function["arguments"]
        calls[piece["index"]] = (name, arguments)
    return text or None, calls, chunks[-1]["finish_reason"]


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "required"},
        {"tool_choice": "required", "parallel_tool_calls": True},
        {"tool_choice": "auto", "parallel_tool_calls": True, "max_tokens": 60},
        {"tool_choice": "required", "max_tokens": 40},
        {"response_format": {"type": "json_object"}, "max_tokens": 100},
    ],
)
def test_a_stream_says_what_a_plain_answer_says(client: FlaskClient, fields: Any) -> None:
    for seed in range(4):
        [choice] = ask(client, tools=TOOLS, seed=seed, **fields)["choices"]
        message = choice["message"]
        calls = [tuple(c["function"].values()) for c in message.get("tool_calls", [])]
        content = message["content"] or None
        chunks = stream(client, tools=TOOLS, seed=seed, **fields)
        assert joined(chunks) == (content, calls, choice["finish_reason"])


def test_the_marker_of_a_call_inside_json_is_text(client: FlaskClient) -> None:
    content = {"a": '<tool_call>\n{"name": "get_time", "arguments": {"utc": true}}\n</tool_call>'}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": content}}}
    ask(client, max_tokens=1)
    vocabulary = tokenizer_of_app(client)
    # It is not a call if the answer may be JSON.
    angles = (i for i in range(vocabulary.size) if vocabulary.written_bytes(i).startswith(b"<"))
    fields = {"tools": TOOLS, "response_format": wanted, "logit_bias": dict.fromkeys(angles, -100)}
    [choice] = ask(client, **fields)["choices"]
    assert json.loads(choice["message"]["content"]) == content
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"
    assert joined(stream(client, **fields)) == (choice["message"]["content"], [], "stop")


@pytest.mark.parametrize("stop", ["arg", '": ', "</tool"])
def test_a_stop_string_that_cuts_a_call_does_not_complete_it(
    client: FlaskClient, stop: str
) -> None:
    [choice] = ask(client, tools=TOOLS, tool_choice="required", stop=stop)["choices"]
    assert choice["finish_reason"] == "length"
    assert stream(client, tools=TOOLS, tool_choice="required", stop=stop)[-1]["finish_reason"] == (
        "length"
    )


def test_a_stop_string_that_cuts_text_ends_it(client: FlaskClient) -> None:
    text = ask(client, tools=TOOLS, max_tokens=30)["choices"][0]["message"]["content"]
    stop = next(character for character in text[3:] if character.isascii())
    [choice] = ask(client, tools=TOOLS, max_tokens=30, stop=stop)["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == text[: text.index(stop)]


def test_by_default_the_model_may_answer_in_text(client: FlaskClient) -> None:
    [choice] = ask(client, tools=TOOLS, max_tokens=20)["choices"]
    assert choice["message"]["content"]
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "length"


def test_a_model_that_begins_a_call_by_itself_must_complete_it(any_tiny: Model) -> None:
    functions = [Function(name, "", parameters) for name, parameters in PARAMETERS.items()]
    for parallel in (True, False):
        constraint = any_tiny.constraint(
            any_tiny.grammar_source(Calling(functions, parallel=parallel), lambda: None)
        )
        for token in any_tiny.tokenizer.encode_fragment(
            'Well. <tool_call>\n{"name": "get_time", "arguments": {"'
        ):
            constraint.accept(token)
        logits = np.zeros(any_tiny.tokenizer.size, np.float32)
        allowed = np.flatnonzero(np.isfinite(constraint.masked(logits)))
        texts = {any_tiny.tokenizer.token_bytes(int(token)) for token in allowed}
        assert texts
        assert all(b"utc".startswith(text[:3]) for text in texts)


def test_none_offers_no_functions(client: FlaskClient) -> None:
    without = ask(client, max_tokens=4)
    assert counts(ask(client, tools=TOOLS, tool_choice="none", max_tokens=4)) == counts(without)
    offered = ask(client, tools=TOOLS, max_tokens=4)["usage"]["prompt_tokens"]
    assert offered > without["usage"]["prompt_tokens"]


def test_a_stream_has_openais_deltas(client: FlaskClient) -> None:
    fields = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
    [plain] = calls_of(ask(client, **fields)["choices"][0])
    body = {"model": "m", "messages": [USER], "temperature": 1, "seed": 1, "stream": True}
    events = client.post("/v1/chat/completions", json=body | fields).text.split("\n\n")
    choices = [json.loads(e.removeprefix("data: "))["choices"][0] for e in events[:-2]]
    pieces = [call for c in choices for call in c["delta"].get("tool_calls", [])]
    assert pieces[0]["id"].startswith("call_")
    assert pieces[0]["function"] == {"name": plain["function"]["name"], "arguments": ""}
    assert all(set(piece) == {"index", "function"} for piece in pieces[1:])
    assert {piece["index"] for piece in pieces} == {0}
    assert len(pieces) > 3
    joined = "".join(piece["function"]["arguments"] for piece in pieces)
    assert joined == plain["function"]["arguments"]
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert not any(choice["delta"].get("content") for choice in choices)


@pytest.mark.parametrize(
    "choice",
    ["any", "required", {"type": "any"}, {"type": "required"}],
)
def test_a_call_can_be_demanded_in_several_ways(client: FlaskClient, choice: Any) -> None:
    assert calls_of(ask(client, tools=TOOLS, tool_choice=choice)["choices"][0])


@pytest.mark.parametrize(
    "choice",
    [{"type": "tool", "name": "get_time"}, {"type": "function", "name": "get_time"}, NAMED],
)
def test_a_function_can_be_named_in_several_ways(client: FlaskClient, choice: Any) -> None:
    [call] = calls_of(ask(client, tools=TOOLS, tool_choice=choice)["choices"][0])
    assert call["function"]["name"] == "get_time"


@pytest.mark.parametrize("choice", ["none", "auto", "required", "any", None])
@pytest.mark.parametrize("tools", [{}, {"tools": []}, {"tools": None}])
def test_a_choice_among_no_functions_is_ignored(
    client: FlaskClient, choice: Any, tools: dict[str, Any]
) -> None:
    fields = {"tool_choice": choice, "parallel_tool_calls": True, "max_tokens": 3, **tools}
    assert "tool_calls" not in ask(client, **fields)["choices"][0]["message"]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", **TIME},
        {"function": TIME},
        {"type": "function", "function": TIME, "cache_control": None, "strict": True},
        {"type": "function", "function": {**TIME, "defer_loading": True, "title": "x"}},
        {"type": "function", "function": {"name": "get_time", "parameters": None}},
        {
            "type": "function",
            "function": {"name": "get_time", "parameters": {"type": ["object"], "required": None}},
        },
    ],
)
def test_functions_are_accepted_as_other_programs_write_them(
    client: FlaskClient, tool: Any
) -> None:
    [choice] = ask(client, tools=[tool], tool_choice="required", max_tokens=400)["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "get_time"


def test_openais_old_form_works_too(client: FlaskClient) -> None:
    fields = {"functions": [WEATHER, TIME], "function_call": {"name": "get_time"}}
    [choice] = ask(client, **fields)["choices"]
    call = choice["message"]["function_call"]
    assert call["name"] == "get_time"
    jsonschema.validate(json.loads(call["arguments"]), TIME["parameters"])
    assert choice["finish_reason"] == "function_call"
    assert "tool_calls" not in choice["message"]
    said = {"role": "assistant", "content": None, "function_call": call}
    result = {"role": "function", "name": "get_time", "content": "noon"}
    assert ask(client, USER, said, result, max_tokens=3)["choices"]


def test_without_a_call_a_schema_applies_to_the_answer(client: FlaskClient) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": {"a": 1}}}}
    seen = set()
    for seed in range(8):
        [choice] = ask(client, tools=TOOLS, response_format=wanted, seed=seed)["choices"]
        if not calls_of(choice):
            assert choice["message"]["content"] == '{"a": 1}'
        seen.add(choice["finish_reason"])
    assert seen <= {"stop", "tool_calls"}


def test_calls_and_results_are_in_the_next_prompt(client: FlaskClient) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Paris", "unit": "C"}'},
    }
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny, 21 degrees"},
    ]
    tokens = ask(client, *messages, tools=TOOLS, max_tokens=2)["usage"]["prompt_tokens"]
    alone = ask(client, USER, tools=TOOLS, max_tokens=2)["usage"]["prompt_tokens"]
    assert tokens > alone + 30


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tools": 3}, "tools", "list"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "only functions"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "is required"),
        (
            {"tools": [{"type": "function", "function": {"name": "a b"}}]},
            "tools[0].function.name",
            "1 to 64 letters",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
            "tools[0].function.parameters",
            "must be a JSON Schema",
        ),
        (
            {
                "tools": [
                    {"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}
                ]
            },
            "tools[0].function.parameters",
            'must have the type "object"',
        ),
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "a", "parameters": {"properties": {"x": {"type": 3}}}},
                    }
                ]
            },
            "tools",
            "cannot be used",
        ),
        ({"tools": TOOLS * 2}, "tools", "the same name"),
        ({"tools": TOOLS, "tool_choice": "always"}, "tool_choice", "must be one of"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice",
            'no function "x"',
        ),
        ({"tool_choice": NAMED}, "tool_choice", "only allowed with tools"),
        ({"tools": TOOLS, "grammar": 'root ::= "x"'}, "grammar", "together with tools"),
        ({"functions": [TIME], "function_call": "required"}, "function_call", "must be one of"),
    ],
)
def test_wrong_functions_are_refused_with_the_reason(
    client: FlaskClient, fields: dict[str, Any], param: str, words: str
) -> None:
    error = ask(client, code=400, **fields)["error"]
    assert error["param"] == param
    assert words in error["message"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": "x", "tool_calls": [{}]}, "messages[0].tool_calls"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "assistant"}, "messages[0].content"),
        ({"role": "tool"}, "messages[0].content"),
    ],
)
def test_wrong_messages_are_refused(
    client: FlaskClient, message: dict[str, Any], param: str
) -> None:
    assert ask(client, message, code=400)["error"]["param"].startswith(param)


@pytest.mark.parametrize("text", ["<tool", "a < b", "<tool_cal", "</tool_call>", "<<tool_call"])
def test_what_only_looks_like_a_call_is_text(text: str) -> None:
    finder = CallFinder(PARALLEL, HERMES)
    assert "".join(map(str, [*finder.feed(text), *finder.finish()])) == text


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_a_call_that_repeats_another_is_not_shown(size: int) -> None:
    def call(arguments: str) -> str:
        return f'<tool_call>\n{{"name": "f", "arguments": {arguments}}}\n</tool_call>'

    text = "\n".join(call(a) for a in ('{"a": 1}', '{"a": 11}', '{"a": 1}', '{"a": 2}'))
    finder = CallFinder(PARALLEL, HERMES)
    pieces = [p for i in range(0, len(text), size) for p in finder.feed(text[i : i + size])]
    pieces += finder.finish()
    assert finder.repeated
    assert finder.calls == 2
    calls = [p for p in pieces if isinstance(p, CallPiece)]
    arguments = ["".join(c.arguments for c in calls if c.number == n) for n in (0, 1)]
    assert arguments == ['{"a": 1}', '{"a": 11}']
    assert {c.number for c in calls} == {0, 1}


def test_a_real_model_calls_a_function(server: Server) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        answer = client.chat.completions.create(
            model=DEFAULT_MODEL,
            messages=[{"role": "user", "content": "What is the weather in Paris in Celsius?"}],
            tools=TOOLS,  # type: ignore[arg-type]
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            temperature=0,
        )
    [call] = answer.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Paris", "unit": "C"}  # type: ignore[union-attr]
