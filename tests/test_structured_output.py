"""Answers conform to a JSON Schema or a grammar because they must, not because they are asked."""

import json
import re
import time
from typing import Any
from unittest.mock import Mock

import jsonschema
import numpy as np
import pytest
from flask.testing import FlaskClient
from llguidance import LLMatcher
from openai import OpenAI
from pydantic import BaseModel

from app.exceptions import Cancelled
from app.inference.constraint import grammar_source
from app.inference.generation import Generation
from app.inference.model import Model
from app.jobs import Calling, Function, JsonText, Options, Sampling
from app.pieces import Delta

from .conftest import DEFAULT_MODEL
from .server import Server

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "user", "content": "Describe a person as JSON."}]

ONE = {"const": 1}
SCHEMAS: dict[str, dict[str, Any]] = {
    "empty": {},
    "true or false": {"type": "boolean"},
    "null": {"type": "null"},
    "constant": {"const": {"a": [1, 2]}},
    "enumeration": {"enum": ["red", "green", 3, None]},
    "integer in a range": {"type": "integer", "minimum": 18, "maximum": 99},
    "number": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "multiple": {"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 100},
    "short string": {"type": "string", "minLength": 2, "maxLength": 8},
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
    "date": {"type": "string", "format": "date"},
    "uuid": {"type": "string", "format": "uuid"},
    "several types": {"type": ["integer", "boolean"], "minimum": 0, "maximum": 9},
    "array": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3},
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "boolean"}, {"enum": ["x"]}],
        "items": False,
        "minItems": 2,
    },
    "object": {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 9}, "adult": {"type": "boolean"}},
        "required": ["name", "adult"],
        "additionalProperties": False,
    },
    "optional": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}, "b": {"type": "null"}},
        "additionalProperties": False,
    },
    "nested": {
        "type": "object",
        "properties": {
            "who": {
                "type": "object",
                "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 120}},
                "required": ["age"],
                "additionalProperties": False,
            }
        },
        "required": ["who"],
        "additionalProperties": False,
    },
    "alternatives": {"anyOf": [{"type": "boolean"}, {"enum": ["maybe"]}]},
    "one of": {"oneOf": [{"const": "a"}, {"const": "b"}]},
    "all of": {"allOf": [{"type": "integer", "minimum": 1}, {"maximum": 9}]},
    "references": {
        "$defs": {"flag": {"type": "boolean"}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/flag"}, "b": {"$ref": "#/$defs/flag"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "recursion": {
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {"left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}},
                "required": ["left"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/tree",
    },
    "other names": {
        "type": "object",
        "properties": {'q"uote': {"type": "boolean"}, "ünïcode": {"type": "boolean"}},
        "required": ['q"uote', "ünïcode"],
        "additionalProperties": False,
    },
    "annotations": {
        "title": "T",
        "description": "d",
        "type": "boolean",
        "default": True,
        "examples": [True],
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    },
}


@pytest.fixture
def client(any_client: FlaskClient) -> FlaskClient:
    return any_client


def post(client: FlaskClient, **fields: Any) -> tuple[int, Any]:
    body = {"model": "m", "messages": MESSAGES, "max_tokens": 200, **fields}
    response = client.post(CHAT, json=body)
    return response.status_code, response.json


def wanted(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_answer_that_ends_with_stop_fits_the_schema(
    client: FlaskClient, schema: dict[str, Any]
) -> None:
    # A random model says anything that is allowed.
    stopped = 0
    for seed in range(12):
        how = {"temperature": 1, "top_p": 1, "top_k": -1, "seed": seed}
        status, answer = post(client, response_format=wanted(schema), **how)
        assert status == 200, answer
        choice = answer["choices"][0]
        if choice["finish_reason"] == "stop":
            stopped += 1
            jsonschema.validate(json.loads(choice["message"]["content"]), schema)
    assert stopped


@pytest.mark.parametrize("field", ["response_format", "json_schema"])
def test_a_stream_fits_too(client: FlaskClient, field: str) -> None:
    schema = SCHEMAS["object"]
    fields = {field: wanted(schema) if field == "response_format" else schema}
    body = {"model": "m", "messages": MESSAGES, "seed": 2, "stream": True, **fields}
    events = client.post(CHAT, json=body).text.split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    jsonschema.validate(json.loads(text), schema)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_json_object_is_one(client: FlaskClient) -> None:
    for seed in range(6):
        how = {"seed": seed, "max_tokens": 100, "temperature": 1}
        status, answer = post(client, response_format={"type": "json_object"}, **how)
        assert status == 200
        text = answer["choices"][0]["message"]["content"]
        assert text.startswith("{")
        if answer["choices"][0]["finish_reason"] == "stop":
            assert isinstance(json.loads(text), dict)


def test_a_json_object_may_have_llama_cpps_schema(client: FlaskClient) -> None:
    fields = {"type": "json_object", "schema": {"const": {"a": 1}}}
    assert post(client, response_format=fields)[1]["choices"][0]["message"]["content"] == '{"a": 1}'


def test_text_is_text(client: FlaskClient) -> None:
    plain = post(client, temperature=0)[1]["choices"]
    assert post(client, temperature=0, response_format={"type": "text"})[1]["choices"] == plain


def test_llama_cpps_grammar_works_on_both_endpoints(client: FlaskClient) -> None:
    grammar = 'root ::= "yes" | "no" | [0-9]{3}'
    for path in (CHAT, COMPLETION):
        body = {"model": "m", "messages": MESSAGES, "prompt": "x", "grammar": grammar}
        body.pop("prompt" if path == CHAT else "messages")
        choice = client.post(path, json=body).json["choices"][0]
        text = choice["message"]["content"] if path == CHAT else choice["text"]
        assert text in {"yes", "no"} or (text.isdigit() and len(text) == 3)
        assert choice["finish_reason"] == "stop"


def test_a_schema_that_is_nested_too_deeply_is_refused(client: FlaskClient) -> None:
    schema: dict[str, Any] = {}
    for _ in range(900):
        schema = {"type": "array", "items": schema}
    for fields in ({"json_schema": schema}, {"response_format": wanted(schema)}):
        status, answer = post(client, **fields)
        assert status == 400
        assert "nested too deeply" in answer["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_grammar_that_turns_out_too_large_ends_in_a_short_error(
    client: FlaskClient, stream: bool
) -> None:
    grammar = "root ::= " + " | ".join(f'"{number}"' for number in range(3000))
    body = {"model": "m", "messages": MESSAGES, "grammar": grammar, "stream": stream}
    response = client.post(CHAT, json=body)
    text = response.text.partition("event: error\ndata: ")[2] if stream else response.text
    error = json.loads(text)["error"]
    assert error["message"].startswith("The grammar cannot be used: ")
    assert "\n" not in error["message"]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"response_format": "json"}, "response_format", "must be an object"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "must be one of"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "required"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
            "required",
        ),
        (
            {"response_format": wanted([])},  # type: ignore[arg-type]
            "response_format.json_schema.schema",
            "must be a JSON Schema",
        ),
        (
            {"response_format": wanted({"type": "foo"})},
            "response_format",
            "'foo' is not a type of JSON Schema",
        ),
        (
            {"response_format": wanted({"properties": {"a": {"$ref": "#/gone"}}})},
            "response_format",
            "properties.a: the reference '#/gone' leads to nothing",
        ),
        (
            {"response_format": wanted({"type": "string", "pattern": "("})},
            "response_format",
            "unclosed group",
        ),
        (
            {"response_format": wanted({"type": "object", "patternProperties": 3})},
            "response_format",
            "patternProperties",
        ),
        ({"json_schema": {"not": {}}}, "json_schema", "not"),
        ({"grammar": "root ::= ("}, "grammar", "this is not GBNF"),
        ({"grammar": "root ::= x"}, "grammar", "this is not GBNF: Rule 'x' not found"),
        ({"grammar": 'root ::= root "a"'}, "grammar", "no text fits it"),
        ({"guided_regex": "("}, "guided_regex", "cannot be used: unclosed group"),
        ({"guided_regex": "(?=a)"}, "guided_regex", "look-around, including look-ahead"),
        ({"grammar": 3}, "grammar", "must be a string"),
        ({"grammar": 'root ::= "x"', "json_schema": {}}, "grammar", "together with json_schema"),
    ],
)
def test_what_cannot_be_enforced_is_a_400_that_names_the_place(
    client: FlaskClient, fields: dict[str, Any], param: str, words: str
) -> None:
    status, answer = post(client, **fields)
    assert status == 400
    assert answer["error"]["param"] == param
    assert words in answer["error"]["message"]


@pytest.mark.parametrize("stop", ['"b"', ": 2", "}"])
def test_a_stop_string_that_cuts_json_ends_it_unfinished(client: FlaskClient, stop: str) -> None:
    schema = {"const": {"a": 1, "b": 2}}
    choice = post(client, response_format=wanted(schema), stop=stop)[1]["choices"][0]
    assert choice["message"]["content"] == '{"a": 1, "b": 2}'.partition(stop)[0]
    assert choice["finish_reason"] == "length"


def test_a_stop_string_after_what_a_grammar_allows_ends_it(client: FlaskClient) -> None:
    fields = {"grammar": 'root ::= "yes" " please"', "stop": [" please"]}
    assert post(client, **fields)[1]["choices"][0]["finish_reason"] == "length"
    fields["grammar"] = 'root ::= "yes" (" please" | "")'
    fields["logit_bias"] = {}
    for seed in range(8):
        choice = post(client, **fields, seed=seed)[1]["choices"][0]
        assert choice["message"]["content"] == "yes"
        assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("path", [CHAT, COMPLETION])
@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"guided_regex": "[A-C]{3}-[0-9]+0"}, "[A-C]{3}-[0-9]+0"),
        ({"regex": "ab|cd"}, "ab|cd"),
        ({"grammar": 'root ::= (("a" | "b"){2} "-"){3}'}, "([ab]{2}-){3}"),
        ({"guided_choice": ["a.b", "x|y", "é "]}, r"a\.b|x\|y|é "),
        ({"guided_json": '{"const": 5}'}, "5"),
        ({"guided_json": {"const": 5}}, "5"),
        ({"structured_outputs": {"json": {"const": [1]}, "regex": None}}, r"\[1\]"),
        ({"structured_outputs": {"regex": "x{3}"}}, "xxx"),
        ({"structured_outputs": {"choice": ["p", "q"]}}, "[pq]"),
        ({"structured_outputs": {"grammar": 'root ::= "z"'}}, "z"),
        ({"guided_grammar": 'root ::= "z"'}, "z"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 1}}}},
            "1",
        ),
        ({"response_format": {"type": "json_schema", "schema": {"const": 1}, "strict": True}}, "1"),
    ],
)
def test_the_forms_of_other_servers_work_too(
    client: FlaskClient, path: str, fields: dict[str, Any], form: str
) -> None:
    body = {"messages": MESSAGES} if path == CHAT else {"prompt": "x"}
    for seed in range(3):
        how = {"max_tokens": 60, "seed": seed, "temperature": 1}
        choice = client.post(path, json={**body, **fields, **how}).json["choices"][0]
        text = choice["message"]["content"] if path == CHAT else choice["text"]
        if choice["finish_reason"] == "stop":
            assert re.fullmatch(form, text)
        else:
            assert "regex" in str(fields)


@pytest.mark.parametrize(
    "fields",
    [{"grammar": ""}, {"guided_regex": ""}, {"guided_choice": []}, {"guided_json": None}],
)
def test_an_empty_form_is_none(client: FlaskClient, fields: dict[str, Any]) -> None:
    plain = post(client, temperature=0, max_tokens=5)[1]["choices"]
    assert post(client, temperature=0, max_tokens=5, **fields)[1]["choices"] == plain


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= r1\n" + "\n".join(f"r{i} ::= r{i + 1}" for i in range(1, 30_000)),
        "\n".join(f"r{i}::=x" for i in range(2_001)),
        'root ::= "' + "x" * 32_768 + '"',
    ],
)
def test_a_grammar_beyond_its_bounds_is_refused_before_any_work(
    client: FlaskClient, grammar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[str] = []
    monkeypatch.setattr("app.inference.grammar.grammar_from", lambda *a: converted.append(a[1]))
    status, answer = post(client, grammar=grammar)
    assert status == 400
    assert "at most 32768 bytes and 2000 rules are allowed" in answer["error"]["message"]
    assert not converted


def test_a_grammar_is_compiled_once(any_tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Mock(wraps=LLMatcher)
    monkeypatch.setattr("app.inference.constraint.LLMatcher", compiler)
    grammar = grammar_source(JsonText({"enum": ["a", "b"]}), lambda: None)
    for _ in range(3):
        constraint = any_tiny.constraint(grammar)
        for token in any_tiny.tokenizer.encode_fragment('"a"'):
            constraint.accept(token)
        assert constraint.finished
    assert compiler.call_count == 1


def test_a_client_that_leaves_stops_the_compiling_of_its_schemas() -> None:
    checks = []

    def leave() -> None:
        checks.append(None)
        if len(checks) == 5:
            raise Cancelled("gone")

    function = Function("f", "", {"properties": {"a": {"type": "string", "format": "date"}}})
    with pytest.raises(Cancelled):
        grammar_source(Calling([function] * 100), leave)
    assert len(checks) == 5


def test_openais_client_parses_what_a_real_model_says(server: Server) -> None:
    class Person(BaseModel):
        name: str
        age: int
        adult: bool

    with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        answer = client.chat.completions.parse(
            model=DEFAULT_MODEL,
            messages=[{"role": "user", "content": "Ann is 41 years old. Describe her as JSON."}],
            response_format=Person,
            temperature=0,
            max_tokens=60,
        )
    person = answer.choices[0].message.parsed
    assert person is not None
    assert (person.name, person.age) == ("Ann", 41)


def test_a_step_costs_little_compared_with_the_models_own(smollm: Model) -> None:
    constraint = smollm.constraint(grammar_source(JsonText(SCHEMAS["nested"]), lambda: None))
    logits = np.random.default_rng(0).normal(size=smollm.tokenizer.size).astype(np.float32)
    smollm.session.prefill(smollm.text_prompt("hello"), exact=True, check=lambda: None)
    token = smollm.tokenizer.encode("{")[0]
    constraint.masked(logits)

    def seconds(work: Any) -> float:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return sorted(times)[10]

    masking = seconds(lambda: constraint.masked(logits))
    assert masking < seconds(lambda: smollm.session.extend([token]))


FIXED = {
    "type": "object",
    "properties": {
        "the_kind_of_animal": {"enum": ["cat", "dog"]},
        "number_of_legs": {"const": 4},
        "it_lives_on_land": {"const": True},
    },
    "required": ["the_kind_of_animal", "number_of_legs", "it_lives_on_land"],
}


def generated(model: Model, prompt: str, **options: Any) -> list[Delta]:
    source = model.grammar_source(JsonText(FIXED), lambda: None)
    asked = Options(grammar=JsonText(FIXED), **options)
    return list(Generation(model, model.text_prompt(prompt), asked, lambda: None, source))


def test_what_has_no_choice_is_evaluated_together(
    any_tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    engine = any_tiny.session._engine
    evaluate = engine.evaluate

    def record(tokens: list[int], position: int) -> None:
        lengths.append(len(tokens))
        evaluate(tokens, position)

    monkeypatch.setattr(engine, "evaluate", record)
    deltas = generated(any_tiny, "hello")
    answer = json.loads("".join(str(piece) for delta in deltas for piece in delta.pieces))
    assert answer["the_kind_of_animal"] in ("cat", "dog")
    assert answer["number_of_legs"] == 4
    tokens = sum(delta.tokens for delta in deltas)
    # The prompt; what is before the choice; and what of the chosen word is a choice itself.
    assert len(lengths) <= 5
    assert tokens > 30
    assert max(lengths) > 10


def test_those_who_want_log_probabilities_get_each_of_them(any_tiny: Model) -> None:
    deltas = generated(any_tiny, "hello", top_logprobs=1)
    assert sum(len(delta.logprobs) for delta in deltas) == sum(delta.tokens for delta in deltas)


def test_an_answer_without_much_choice_is_repeatable(smollm: Model) -> None:
    def text() -> str:
        deltas = generated(smollm, "It barks. In JSON:", sampling=Sampling(temperature=0))
        return "".join(str(piece) for delta in deltas for piece in delta.pieces)

    smollm.session.rewind(0)
    fresh = text()
    generated(smollm, "It barks. In JSON, please:", sampling=Sampling())
    assert text() == fresh
