"""Which parts of a JSON Schema are enforced, left out and refused."""

import json
import logging
import math
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.exceptions import GrammarError
from app.inference.constraint import grammar_source
from app.jobs import Calling, Function, JsonText

from .conftest import tokenizer_of_app

CHAT = "/v1/chat/completions"
LETTER = {"type": "string", "maxLength": 1}


def never() -> None:
    pass


def held(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that calls of a function conform to."""
    function = Function("f", "", {"type": "object", "properties": {"a": schema}})
    grammar, begin = grammar_source(Calling([function]), never).text, "arguments_0: %json "
    [line] = (line for line in grammar.splitlines() if line.startswith(begin))
    found: dict[str, Any] = json.loads(line.removeprefix(begin))["properties"]["a"]
    return found


def strict_error(schema: dict[str, Any]) -> str:
    with pytest.raises(GrammarError) as caught:
        grammar_source(JsonText(schema), never)
    return str(caught.value)


@pytest.mark.parametrize("name", ["path", "uuid4", "color", "binary", "password", "int32", "x-y"])
def test_an_unknown_format_is_an_annotation(name: str) -> None:
    assert held({"type": "string", "format": name}) == {"type": "string"}
    assert grammar_source(JsonText({"type": "string", "format": name}), never)


@pytest.mark.parametrize(
    "name", ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "uuid", "uri"]
)
def test_a_known_format_is_enforced(name: str) -> None:
    assert held({"type": "string", "format": name})["format"] == name


NOT_HELD: list[tuple[str, dict[str, Any]]] = [
    ("uniqueItems", {"type": "array", "items": LETTER, "uniqueItems": True}),
    ("propertyNames", {"type": "object", "propertyNames": {"pattern": "^a"}}),
    ("contains", {"type": "array", "contains": {"const": 1}, "minContains": 1}),
    ("not", {"type": "string", "not": {"const": "x"}}),
    ("if", {"type": "object", "if": {}, "then": {"required": ["a"]}}),
    ("dependentRequired", {"type": "object", "dependentRequired": {"a": ["b"]}}),
    ("dependentSchemas", {"type": "object", "dependentSchemas": {"a": {}}}),
    ("unevaluatedProperties", {"type": "object", "unevaluatedProperties": False}),
    ("unevaluatedItems", {"type": "array", "unevaluatedItems": False}),
    ("$dynamicRef", {"$dynamicRef": "#a"}),
    ("pattern", {"type": "string", "pattern": "(?=a)b"}),
    ("pattern", {"type": "string", "pattern": r"(a)\1"}),
    ("patternProperties", {"type": "object", "patternProperties": {"(?!a)": {}}}),
    ("minProperties", {"type": "object", "properties": {"b": {}}, "minProperties": 1}),
]


@pytest.mark.parametrize(("keyword", "schema"), NOT_HELD, ids=[k for k, _ in NOT_HELD])
def test_what_cannot_be_enforced_is_left_out_of_a_function_and_logged(
    keyword: str, schema: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "app"):
        assert keyword not in held(schema) or held(schema)[keyword] == {}
    assert f"The function f ignores a part of its schema: properties.a.{keyword}" in caplog.text


@pytest.mark.parametrize(("keyword", "schema"), NOT_HELD, ids=[k for k, _ in NOT_HELD])
def test_what_cannot_be_enforced_is_refused_if_all_is_promised(
    keyword: str, schema: dict[str, Any]
) -> None:
    deep = {"properties": {"list": {"items": {"anyOf": [{}, schema]}}}}
    error = strict_error(deep)
    assert error.startswith(f"properties.list.items.anyOf[1].{keyword}: ")
    assert "cannot be enforced" in error
    function = Function("f", "", {"type": "object", **deep}, strict=True)
    with pytest.raises(GrammarError, match=r"the function 'f': properties\.list\.items\.anyOf"):
        grammar_source(Calling([function]), never)


def test_bounds_that_cannot_be_enforced_are_left_out_or_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    schema = {"type": "number", "minimum": 1e300}
    with caplog.at_level(logging.WARNING, "app"):
        assert held(schema) == {"type": "number"}
    assert "properties.a: these bounds cannot be enforced" in caplog.text
    assert strict_error({"items": schema}) == "items: these bounds cannot be enforced."


def test_overlapping_alternatives_become_any_of_or_are_refused_if_all_is_promised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    schema = {"oneOf": [{"type": "string"}, {"type": "string", "minLength": 2}]}
    with caplog.at_level(logging.WARNING, "app"):
        assert "anyOf" in held(schema)
    assert "its alternatives may overlap" in caplog.text
    assert strict_error({"properties": {"a": schema}}).startswith("properties.a: its alternatives")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "uniqueItems": False},
        {"type": "object", "unevaluatedProperties": True},
        {"type": "object", "dependentRequired": {}},
        {"type": "string", "minLength": 2.0},
        {"type": "object", "x-order": 3, "example": {}, "nullable": True},
    ],
)
def test_what_asserts_nothing_is_not_refused(schema: dict[str, Any]) -> None:
    assert grammar_source(JsonText(schema), never)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "foo"}, "'foo' is not a type of JSON Schema"),
        ({"type": 3}, "type must be a string or array of strings"),
        ({"type": "string", "minLength": -1}, "Expected positive integer for 'minLength', got -1"),
        ({"$ref": "#/$defs/gone"}, "the reference '#/$defs/gone' leads to nothing"),
        ({"$ref": "https://example.com/s"}, "references to other documents"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_wrong_schema_is_refused_with_its_path(
    schema: dict[str, Any], words: str, strict: bool
) -> None:
    function = Function("f", "", {"properties": {"a": {"items": schema}}}, strict)
    if words.startswith("references") and not strict:
        assert grammar_source(Calling([function]), never)  # it is right, but cannot be followed
        return
    with pytest.raises(GrammarError) as caught:
        grammar_source(Calling([function]), never)
    text = str(caught.value)
    assert text.startswith("the function 'f': properties.a.items: ")
    assert words in text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"enum": []}, "anyOf is empty"),
        ({"type": "string", "pattern": "^a$", "minLength": 2}, "no text has this form"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "minimum (3) is greater than maximum"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "incompatible types"),
    ],
)
def test_a_schema_that_nothing_fits_is_refused_with_its_path(
    schema: dict[str, Any], words: str
) -> None:
    properties = {"b": {}, "a": schema}
    error = strict_error({"type": "object", "properties": properties, "required": ["a"]})
    assert error.startswith(f"properties.a: no value fits it: {words}")


def test_objects_that_list_their_properties_have_no_others() -> None:
    pair = {"properties": {"x": LETTER}, "required": ["x"]}
    assert held({"items": pair})["items"]["additionalProperties"] is False
    assert held({"anyOf": [pair, LETTER]})["anyOf"][0]["additionalProperties"] is False
    assert held({**pair, "additionalProperties": LETTER})["additionalProperties"] == LETTER
    assert held({**pair, "additionalProperties": True})["additionalProperties"] is True


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"properties": {"x": LETTER}, "required": ["x", "y"]},
        {"properties": {"x": LETTER}, "anyOf": [{"required": ["x"]}, {"properties": {"y": {}}}]},
    ],
)
def test_objects_that_say_more_elsewhere_are_not_closed(schema: dict[str, Any]) -> None:
    assert "additionalProperties" not in held(schema)


def test_what_is_inherited_is_not_closed(any_client: FlaskClient) -> None:
    schema = {
        "$defs": {"Base": {"type": "object", "properties": {"a": LETTER}, "required": ["a"]}},
        "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": LETTER}, "required": ["b"]}],
    }
    body = {"messages": [{"role": "user", "content": "x"}], "seed": 1, "max_tokens": 400}
    body |= {"json_schema": schema, "logit_bias": {}, "top_k": 1}
    response = any_client.post(CHAT, json=body)
    assert response.status_code == 200
    assert '"a": ' in response.json["choices"][0]["message"]["content"]


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("bounds", [{}, {"minimum": 0}, {"maximum": 0}])
def test_numbers_end(any_client: FlaskClient, kind: str, bounds: dict[str, Any]) -> None:
    schema = {"type": "array", "items": {"type": kind, **bounds}, "minItems": 2, "maxItems": 2}
    for wanted in "57":
        # A model that wants only that digit.
        biased = {str(_token(any_client, wanted)): 100}
        body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 300}
        body |= {"logit_bias": biased, "json_schema": schema, "temperature": 0}
        choice = any_client.post(CHAT, json=body).json["choices"][0]
        assert choice["finish_reason"] == "stop"
        for number in choice["message"]["content"].strip("[]").split(", "):
            assert re.fullmatch(r"-?\d{1,16}(\.\d{1,16})?([eE][+-]?\d{1,2})?", number)
            assert math.isfinite(float(number))


def _token(client: FlaskClient, text: str) -> int:
    [token] = tokenizer_of_app(client).encode_fragment(text)
    return int(token)


def test_digits_in_strings_and_long_constants_are_left_alone(any_client: FlaskClient) -> None:
    wanted = {"id": "1234567890" * 4, "n": 10**20}
    body = {"messages": [{"role": "user", "content": "x"}], "json_schema": {"const": wanted}}
    content = any_client.post(CHAT, json=body).json["choices"][0]["message"]["content"]
    assert json.loads(content) == wanted


def test_digits_after_a_quote_in_a_string_are_in_the_string(any_client: FlaskClient) -> None:
    schema = {"type": "string", "pattern": '^\\\\?"5*$'}
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 40, "temperature": 0}
    body |= {"json_schema": schema, "logit_bias": {str(_token(any_client, "5")): 100}}
    choice = any_client.post(CHAT, json=body).json["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"].count("5") > 30


@pytest.mark.parametrize("text", ["\\", "a\\\\", '"', '\\"', "é\n"])
def test_numbers_end_after_any_string(any_client: FlaskClient, text: str) -> None:
    items = [{"const": text}, {"type": "integer"}]
    schema = {"type": "array", "prefixItems": items, "items": False, "minItems": 2}
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 100, "temperature": 0}
    body |= {"json_schema": schema, "logit_bias": {str(_token(any_client, "5")): 100}}
    choice = any_client.post(CHAT, json=body).json["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert json.loads(choice["message"]["content"]) == [text, 5555555555555555]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
@pytest.mark.parametrize("field", ['"json_schema": {"maximum": %s}', '"temperature": %s'])
def test_a_number_that_is_too_large_gets_a_message_that_says_so(
    any_client: FlaskClient, number: str, field: str
) -> None:
    body = f'{{"messages": [{{"role": "user", "content": "x"}}], {field % number}}}'
    response = any_client.post(CHAT, data=body)
    assert response.status_code == 400
    message = response.json["error"]["message"]
    assert message == f"error parsing request JSON: the number {number[:20]} is too large"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "NaN", "Infinity"])
def test_a_schema_in_a_string_has_finite_numbers_too(any_client: FlaskClient, number: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "json_schema": f'{{"const": {number}}}'}
    response = any_client.post(CHAT, json=body)
    assert response.status_code == 400
    assert response.json["error"]["message"].startswith("json_schema: is not JSON: ")
    assert number[:20] in response.json["error"]["message"]
