"""What each endpoint accepts and refuses, and in which words."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from marshmallow import ValidationError, fields

from app.schemas.fields import List

COMPLETION = {"model": "tiny", "prompt": "a", "max_tokens": 1}
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}


def completion(client: FlaskClient, **fields: Any) -> tuple[int, dict[str, Any]]:
    response = client.post("/v1/completions", json={**COMPLETION, **fields})
    return response.status_code, response.json.get("error", response.json)


def chat(client: FlaskClient, **fields: Any) -> tuple[int, dict[str, Any]]:
    response = client.post("/v1/chat/completions", json={**CHAT, **fields})
    return response.status_code, response.json.get("error", response.json)


BOTH = pytest.mark.parametrize("ask", [completion, chat])


@BOTH
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model", 5, "must be a string, not 5."),
        ("max_tokens", "5", 'must be an integer, not "5".'),
        ("max_tokens", 1.5, "must be an integer, not 1.5."),
        ("max_tokens", True, "must be an integer, not true."),
        ("max_tokens", 0, "must be at least 1, not 0."),
        ("temperature", "0.5", 'must be a number, not "0.5".'),
        ("temperature", False, "must be a number, not false."),
        ("temperature", 2.1, "must be between 0 and 2, not 2.1."),
        ("temperature", -1, "must be between 0 and 2, not -1."),
        ("top_p", 1.01, "must be between 0 and 1, not 1.01."),
        ("top_k", -2, "must be at least -1, not -2."),
        ("min_p", 2, "must be between 0 and 1, not 2."),
        ("repeat_penalty", 0, "must be between 0.01 and 10, not 0."),
        ("seed", "x", 'must be an integer, not "x".'),
        ("seed", 2**63, f"must be between {-(2**63)} and {2**63 - 1}, not {2**63}."),
        ("n", 0, "must be at least 1, not 0."),
        ("n", 9, "must be at most 8, not 9."),
        ("stream", "yes", 'must be true or false, not "yes".'),
        ("stream", 1, "must be true or false, not 1."),
        ("stream_options", [], "must be an object."),
        ("user", 5, "must be a string, not 5."),
        ("stop", 5, "must be a string or a list of strings, not 5."),
        ("stop", ["a", 5], 'must be a string or a list of strings, not ["a", 5].'),
        ("stop", "a" * 1001, "each string must have at most 1000 characters."),
        ("stop", ["a"] * 33, "must have at most 32 strings, not 33."),
        ("frequency_penalty", 2.5, "must be between -2 and 2, not 2.5."),
        ("presence_penalty", "1", 'must be a number, not "1".'),
        ("logit_bias", [1], "must be an object of token ids, not [1]."),
        ("logit_bias", {"x": 1}, '"x" is not a token id.'),
        ("logit_bias", {"-1": 1}, '"-1" is not a token id.'),
        ("logit_bias", {"1": 101}, "the bias of 1 must be a number from -100 to 100, not 101."),
        ("logit_bias", {"1": True}, "the bias of 1 must be a number from -100 to 100, not true."),
        (
            "logit_bias",
            {"999999999": 1},
            "999999999 is not a token of this model. Its ids are 0 to {last}.",
        ),
    ],
)
def test_a_wrong_value_is_a_400_that_names_the_field(
    client: FlaskClient, ask: Any, field: str, value: Any, message: str
) -> None:
    status, error = ask(client, **{field: value})
    message = message.replace("{last}", error["message"].rstrip(".").split()[-1])
    assert (status, error["param"], error["message"]) == (400, field, f"{field}: {message}")


@BOTH
def test_an_unknown_field_is_a_400(client: FlaskClient, ask: Any) -> None:
    status, error = ask(client, temperatur=0.5, max_tokens="x")
    assert status == 400
    assert error["param"] == "temperatur"
    assert (
        error["message"]
        == "Unrecognized request argument supplied: temperatur. Did you mean temperature?"
    )


@BOTH
@pytest.mark.parametrize("name", ["colour", "x", "Temperature" * 50])
def test_a_field_unlike_any_known_one_is_only_named(
    client: FlaskClient, ask: Any, name: str
) -> None:
    message = f"Unrecognized request argument supplied: {name[:200]}"
    assert ask(client, **{name: 1})[1]["message"] == message


@BOTH
def test_null_is_the_same_as_left_out(client: FlaskClient, ask: Any) -> None:
    names = (
        "max_tokens temperature top_p top_k min_p repeat_penalty seed stop n stream "
        "stream_options user frequency_penalty presence_penalty logit_bias logprobs"
    )
    assert ask(client, **dict.fromkeys(names.split()))[0] == 200


@BOTH
def test_neutral_values_are_accepted(client: FlaskClient, ask: Any) -> None:
    neutral = {"frequency_penalty": 0.0, "presence_penalty": 0, "logit_bias": {}, "n": 1.0}
    assert ask(client, logprobs=False, **neutral)[0] == 200


def test_neutral_values_of_chats_are_accepted(client: FlaskClient) -> None:
    status, _ = chat(
        client,
        functions=[],
        function_call="auto",
        tools=[],
        tool_choice="none",
        top_logprobs=0,
        response_format={"type": "text"},
        modalities=["text"],
        verbosity="medium",
    )
    assert status == 200


def test_openai_fields_that_change_nothing_are_accepted(client: FlaskClient) -> None:
    status, _ = chat(
        client,
        store=True,
        metadata={"a": "b"},
        service_tier="auto",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        safety_identifier="s",
        parallel_tool_calls=True,
        prediction={"type": "content", "content": "x"},
        reasoning_effort="low",
        verbosity="low",
        user="u",
    )
    assert status == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "x"}),
        ("web_search_options", {}),
    ],
)
def test_chat_fields_that_would_change_the_result_are_refused(
    client: FlaskClient, field: str, value: Any
) -> None:
    status, error = chat(client, **{field: value})
    assert (status, error["param"]) == (400, field)
    assert "is not supported by this server yet" in error["message"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"logprobs": 6}, "logprobs: must be an integer between 0 and 5, not 6."),
        ({"logprobs": True}, "logprobs: must be an integer between 0 and 5, not true."),
        ({"best_of": 9}, "best_of: must be between n (1) and 8, not 9."),
        ({"best_of": 1, "n": 2}, "best_of: must be between n (2) and 8, not 1."),
        ({"best_of": 2, "stream": True}, "best_of: cannot be used with stream."),
        (
            {"suffix": "x"},
            "suffix: is not supported by this server: the model continues a text, it cannot fill a "
            'gap; leave it out or send "".',
        ),
    ],
)
def test_a_completions_own_fields_are_checked(
    client: FlaskClient, fields: dict[str, Any], message: str
) -> None:
    status, error = completion(client, **fields)
    assert (status, error["param"]) == (400, message.split(":")[0])
    assert error["message"] == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"logprobs": 1}, "logprobs: must be true or false, not 1."),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs: must be between 0 and 20, not 21."),
        ({"top_logprobs": 2}, "top_logprobs: is only allowed when logprobs is true."),
    ],
)
def test_a_chats_logprobs_are_checked(
    client: FlaskClient, fields: dict[str, Any], message: str
) -> None:
    status, error = chat(client, **fields)
    assert (status, error["message"]) == (400, message)


def test_best_of_n_is_n(client: FlaskClient) -> None:
    status, answer = completion(client, best_of=2, n=2)
    assert (status, len(answer["choices"])) == (200, 2)


@pytest.mark.parametrize(
    "prompt", [None, 5, [], [[]], [True], ["a", 1], [1.5], {"a": 1}, [["a"]], [[1], []]]
)
def test_a_prompt_of_another_kind_is_refused(client: FlaskClient, prompt: Any) -> None:
    status, error = completion(client, prompt=prompt)
    assert (status, error["param"]) == (400, "prompt")


def test_prompts_are_bounded(client: FlaskClient) -> None:
    _, error = completion(client, prompt=["a"] * 1001)
    assert error["message"] == "prompt: must have at most 1000 prompts, not 1001."


@pytest.mark.parametrize("token", [-1, 269, 2**70])
def test_a_token_id_that_the_model_does_not_have_is_refused(
    client: FlaskClient, token: int
) -> None:
    status, error = completion(client, prompt=[5, token])
    assert status == 400
    assert error["param"] == "prompt"
    assert error["message"] == (
        f"The prompt holds the token id {token}; this model's ids are 0 to 268."
    )


@pytest.mark.parametrize(
    ("messages", "param", "message"),
    [
        (None, "messages", "is required."),
        ("hi", "messages", "must be a list of messages."),
        ([], "messages", "must have at least one message."),
        (["hi"], "messages[0]", "must be an object."),
        ([{"content": "a"}], "messages[0].role", "is required."),
        (
            [{"role": "robot", "content": "a"}],
            "messages[0].role",
            "must be one of system, developer, user, assistant, tool, function.",
        ),
        ([{"role": "user"}], "messages[0].content", "is required."),
        (
            [{"role": "user", "content": 5}],
            "messages[0].content",
            "must be a string or a list of parts, not 5.",
        ),
        (
            [{"role": "user", "content": ["a"]}],
            "messages[0].content[0]",
            'a part must be an object with a type: "a".',
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            "messages[0].content[0]",
            "the model reads text only, not 'image_url'.",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": 5}]}],
            "messages[0].content[0]",
            'a part\'s text must be a string: {"type": "text", "text": 5}.',
        ),
        (
            [{"role": "user", "content": "a"}, {"role": "user", "content": "a", "name": 5}],
            "messages[1].name",
            "must be a string, not 5.",
        ),
    ],
)
def test_wrong_messages_are_refused(
    client: FlaskClient, messages: Any, param: str, message: str
) -> None:
    status, error = chat(client, messages=messages)
    assert (status, error["param"], error["message"]) == (400, param, f"{param}: {message}")


@pytest.mark.parametrize("field", ["prompt", "stop", "temperature", "logit_bias", "user"])
def test_a_deeply_nested_value_is_a_wrong_value(client: FlaskClient, field: str) -> None:
    for depth in range(900, 1000):
        nested = "[" * depth + "]" * depth
        body = f'{{"model": "m", "prompt": "a", "{field}": {nested}}}'
        assert client.post("/v1/completions", data=body).status_code == 400


def test_the_two_names_of_the_limit_exclude_each_other(client: FlaskClient) -> None:
    status, error = chat(client, max_tokens=1, max_completion_tokens=2)
    assert (status, error["param"]) == (400, "max_tokens")
    assert chat(client, max_tokens=1, max_completion_tokens=1)[0] == 200


def test_fields_of_the_other_endpoint_are_unknown(client: FlaskClient) -> None:
    assert chat(client, echo=True)[0] == 400
    assert completion(client, max_completion_tokens=1)[0] == 400


def test_include_usage_needs_a_boolean(client: FlaskClient) -> None:
    _, error = chat(client, stream=True, stream_options={"include_usage": "yes"})
    assert error["param"] == "stream_options.include_usage"


def test_a_function_that_is_nested_too_deeply_is_a_400(client: FlaskClient) -> None:
    deep = '{"properties": {"a": ' * 400 + "{}" + "}}" * 400
    function = f'{{"type": "function", "function": {{"name": "f", "parameters": {deep}}}}}'
    message = '{"role": "user", "content": "x"}'
    body = f'{{"model": "m", "messages": [{message}], "tools": [{function}]}}'
    response = client.post("/v1/chat/completions", data=body)
    assert response.status_code == 400
    message = response.json["error"]["message"]
    assert message == "tools: it is nested too deeply."


def test_a_list_is_read_up_to_its_first_wrong_element() -> None:
    read = []

    class Even(fields.Field):
        def _deserialize(self, value: int, *args: object, **kwargs: object) -> int:
            read.append(value)
            if value % 2:
                raise ValidationError("must be even.")
            return value

    with pytest.raises(ValidationError) as raised:
        List(Even()).deserialize([0, 2, 3, 4, 5])
    assert raised.value.messages == {2: ["must be even."]}
    assert read == [0, 2, 3]
