from typing import Any

import pytest
from flask.testing import FlaskClient

from app.exceptions import ContextLengthExceeded
from app.inference.model import Model

from .conftest import counts
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
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 8,
            "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
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
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert together["usage"][name] == sum(answer["usage"][name] for answer in alone)


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
    assert counts(echoed) == counts(plain)


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
    assert f"alone has {tokens}." in error["message"]
    assert error["param"] == "prompt"


def test_a_huge_prompt_is_refused_without_encoding_it(tiny: Model) -> None:
    def fail(*arguments: object, **how: object) -> list[int]:
        raise AssertionError("this would take seconds")

    tiny.tokenizer.encode = fail  # type: ignore[method-assign]
    with pytest.raises(ContextLengthExceeded, match="or more"):
        tiny.text_prompt("hello" * 150_000)


@pytest.mark.parametrize("strict", [{"top_k": 1}, {"top_p": 0}, {"min_p": 1}, {"temperature": 0}])
def test_every_filter_of_the_request_is_used(client: FlaskClient, strict: dict[str, Any]) -> None:
    # Each of them alone leaves only the most likely token.
    off = {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0, "repeat_penalty": 1}
    greedy = texts(complete(client, repeat_penalty=1))
    assert texts(complete(client, **off, seed=1)) != greedy
    assert texts(complete(client, **{**off, **strict})) == greedy


def test_the_repeat_penalty_of_the_request_is_used(client: FlaskClient) -> None:
    with_and_without = [complete(client, repeat_penalty=p, max_tokens=60) for p in (10, 1)]
    assert texts(with_and_without[0]) != texts(with_and_without[1])


def test_a_stop_string_ends_the_answer(client: FlaskClient) -> None:
    [whole] = texts(complete(client, max_tokens=12))
    answer = complete(client, max_tokens=12, stop=["never in it", whole[3]])
    assert texts(answer) == [whole[: whole.index(whole[3])]]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_seed_gives_a_prompt_in_a_list_what_it_gives_it_alone(client: FlaskClient) -> None:
    how = {"seed": 3, "temperature": 1.5, "top_p": 1, "n": 2}
    alone = [texts(complete(client, prompt=prompt, **how)) for prompt in ("hello", "world")]
    assert texts(complete(client, prompt=["hello", "world"], **how)) == alone[0] + alone[1]


def test_seeds_may_be_negative(client: FlaskClient) -> None:
    how = {"temperature": 2, "top_p": 1, "top_k": 0}
    answers = [texts(complete(client, seed=seed, **how)) for seed in (1, -1, -1, -(2**63))]
    assert answers[0] != answers[1] == answers[2] != answers[3]


def test_fields_come_in_openais_order(client: FlaskClient) -> None:
    response = client.post("/v1/completions", json={"model": "m", "prompt": "a"})
    assert response.text.startswith('{"id":')
