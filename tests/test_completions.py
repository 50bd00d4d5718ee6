from typing import Any

import pytest
from flask.testing import FlaskClient

from .tiny_gguf import TOKENS


def complete(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    body = {"model": "tiny", "prompt": "hello", "temperature": 0, "max_tokens": 8, **fields}
    response = client.post("/v1/completions", json=body)
    assert response.status_code == 200, response.json
    return response.json


def texts(answer: dict[str, Any]) -> list[str]:
    return [choice["text"] for choice in answer["choices"]]


def test_the_response_has_openais_shape(client: FlaskClient) -> None:
    answer = complete(client)
    assert answer.pop("id").startswith("cmpl-")
    assert answer.pop("created") > 1_700_000_000
    text = answer["choices"][0].pop("text")
    assert text
    assert answer == {
        "object": "text_completion",
        "model": "tiny",
        "choices": [{"index": 0, "logprobs": None, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 8, "total_tokens": 9},
    }


def test_ids_are_unique(client: FlaskClient) -> None:
    assert complete(client)["id"] != complete(client)["id"]


def test_completions_stop_at_16_tokens_by_default(client: FlaskClient) -> None:
    answer = complete(client, max_tokens=None)
    assert answer["usage"]["completion_tokens"] == 16
    assert answer["choices"][0]["finish_reason"] == "length"


def test_each_prompt_of_a_list_is_answered_as_if_alone(client: FlaskClient) -> None:
    alone = [complete(client, prompt=prompt) for prompt in ("hello", "world and more")]
    together = complete(client, prompt=["hello", "world and more"])
    assert texts(together) == [texts(answer)[0] for answer in alone]
    assert [choice["index"] for choice in together["choices"]] == [0, 1]
    assert together["usage"] == {
        name: alone[0]["usage"][name] + alone[1]["usage"][name] for name in alone[0]["usage"]
    }


def test_token_ids_are_a_prompt(client: FlaskClient) -> None:
    hello = TOKENS.index("hello")
    assert texts(complete(client, prompt=[hello])) == texts(complete(client))
    assert texts(complete(client, prompt=[[hello], [hello]])) == texts(complete(client)) * 2


def test_control_tokens_in_a_prompt_count_as_such(client: FlaskClient) -> None:
    assert complete(client, prompt="<|im_start|>hello")["usage"]["prompt_tokens"] == 2


def test_an_empty_prompt_begins_with_the_models_first_token(client: FlaskClient) -> None:
    answer = complete(client, prompt="")
    assert answer["usage"]["prompt_tokens"] == 1
    assert texts(answer) == texts(complete(client, prompt="<|im_start|>"))


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [("hello <|im_end|>", "hello <|im_end|>"), ([TOKENS.index("hello"), 2], "hello<|im_end|>")],
)
def test_echo_puts_the_prompt_before_each_answer(
    client: FlaskClient, prompt: Any, shown: str
) -> None:
    plain = complete(client, prompt=prompt, n=2)
    echoed = complete(client, prompt=prompt, n=2, echo=True)
    assert texts(echoed) == [shown + text for text in texts(plain)]
    assert echoed["usage"] == plain["usage"]


def test_n_answers_with_a_seed_differ_and_repeat(client: FlaskClient) -> None:
    how = {"n": 3, "seed": 7, "temperature": 1.5, "top_p": 1, "top_k": 0}
    first, second = complete(client, **how), complete(client, **how)
    assert len(set(texts(first))) == 3
    assert texts(first) == texts(second)
    assert first["usage"]["prompt_tokens"] == 1
    assert first["usage"]["completion_tokens"] == 24


def test_an_unknown_model_is_answered_by_the_default(client: FlaskClient) -> None:
    assert complete(client, model="gpt-4o")["model"] == "tiny"


def test_a_model_is_asked_for_by_its_file_name(client: FlaskClient) -> None:
    assert complete(client, model="tiny.gguf")["model"] == "tiny"


def test_the_end_of_the_context_ends_the_answer(client: FlaskClient) -> None:
    answer = complete(client, prompt="hello" * 250, max_tokens=100)
    assert answer["usage"]["total_tokens"] == 256
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("tokens", [256, 300])
def test_a_prompt_without_room_for_an_answer_is_refused(client: FlaskClient, tokens: int) -> None:
    response = client.post("/v1/completions", json={"model": "m", "prompt": "hello" * tokens})
    assert response.status_code == 400
    error = response.json["error"]
    assert error["code"] == "context_length_exceeded"
    assert "256 tokens" in error["message"]
    assert f"{tokens} or more" in error["message"]


def test_a_huge_prompt_is_refused_without_encoding_it(client: FlaskClient) -> None:
    body = {"model": "m", "prompt": "hello" * 150_000}
    error = client.post("/v1/completions", json=body).json["error"]
    assert error["code"] == "context_length_exceeded"
