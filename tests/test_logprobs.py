"""Log-probabilities on both endpoints, plain and streamed."""

import json
import math
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app.inference.generation import AnswerOptions, answers
from app.inference.log_probabilities import TokenLogProbability
from app.inference.model import Model
from app.inference.sampling import Sampling

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "user", "content": "hello"}]


def post(client: FlaskClient, path: str, **fields: Any) -> Any:
    body = {"model": "m", "temperature": 0, "max_tokens": 6, **fields}
    body |= {"messages": MESSAGES} if path == CHAT else {"prompt": fields.get("prompt", "hello")}
    response = client.post(path, json=body)
    assert response.status_code == 200, response.json
    if fields.get("stream"):
        events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
        return [json.loads(event) for event in events[:-1]]
    return response.json


def test_a_chat_shows_each_tokens_logprob_and_the_likely_ones(client: FlaskClient) -> None:
    choice = post(client, CHAT, logprobs=True, top_logprobs=3)["choices"][0]
    content = choice["logprobs"]["content"]
    assert choice["logprobs"]["refusal"] is None
    assert len(content) == 6
    data = bytes(byte for token in content for byte in token["bytes"])
    assert data.decode(errors="replace") == choice["message"]["content"]
    for token in content:
        likely = token["top_logprobs"]
        assert len(likely) == 3
        assert likely == sorted(likely, key=lambda other: -other["logprob"])
        assert token["logprob"] <= 0
        assert token["token"] == bytes(token["bytes"]).decode(errors="replace")


def test_greedy_tokens_are_the_most_likely_ones(client: FlaskClient) -> None:
    choice = post(client, CHAT, logprobs=True, top_logprobs=1, repeat_penalty=1)["choices"][0]
    for token in choice["logprobs"]["content"]:
        assert token["top_logprobs"] == [{k: token[k] for k in ("token", "logprob", "bytes")}]


@pytest.mark.parametrize("fields", [{}, {"logprobs": False}])
def test_without_being_asked_for_there_are_none(client: FlaskClient, fields: Any) -> None:
    for path in (CHAT, COMPLETION):
        assert post(client, path, **fields)["choices"][0]["logprobs"] is None


def test_a_chat_without_top_logprobs_has_empty_lists(client: FlaskClient) -> None:
    content = post(client, CHAT, logprobs=True)["choices"][0]["logprobs"]["content"]
    assert [token["top_logprobs"] for token in content] == [[]] * 6


@pytest.mark.parametrize("path", [CHAT, COMPLETION])
def test_a_stream_has_the_same_as_a_plain_answer(client: FlaskClient, path: str) -> None:
    fields = {"logprobs": True, "top_logprobs": 2} if path == CHAT else {"logprobs": 2}
    plain = post(client, path, **fields)["choices"][0]["logprobs"]
    joined: dict[str, list[Any]] = {}
    for chunk in post(client, path, stream=True, **fields):
        for key, value in (chunk["choices"][0]["logprobs"] or {}).items():
            if value is not None:
                joined.setdefault(key, []).extend(value)
    assert joined == {key: value for key, value in plain.items() if value is not None}


def test_a_completion_has_openais_lists(client: FlaskClient) -> None:
    choice = post(client, COMPLETION, logprobs=5)["choices"][0]
    found = choice["logprobs"]
    assert {len(values) for values in found.values()} == {6}
    assert "".join(found["tokens"]) == choice["text"]
    assert [
        choice["text"][at:][: len(t)]
        for at, t in zip(found["text_offset"], found["tokens"], strict=True)
    ] == (found["tokens"])
    assert all(len(likely) <= 5 for likely in found["top_logprobs"])


def test_echo_has_those_of_the_prompt_too(client: FlaskClient) -> None:
    found = post(client, COMPLETION, logprobs=1, echo=True)["choices"][0]
    logprobs = found["logprobs"]
    assert "".join(logprobs["tokens"]) == found["text"]
    assert found["text"].startswith("hello")
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(value < 0 for value in logprobs["token_logprobs"][1:])


def test_a_text_can_be_scored_without_an_answer(client: FlaskClient) -> None:
    answer = post(client, COMPLETION, logprobs=0, echo=True, max_tokens=0, prompt="hello world")
    choice = answer["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("hello world", "length")
    assert "".join(choice["logprobs"]["tokens"]) == "hello world"
    assert answer["usage"]["completion_tokens"] == 0


def test_each_prompt_counts_its_own_characters(client: FlaskClient) -> None:
    for choice in post(client, COMPLETION, prompt=["hello", "x"], logprobs=0, n=2)["choices"]:
        assert choice["logprobs"]["text_offset"][0] == 0


def test_tokens_after_a_stop_string_are_not_shown(client: FlaskClient) -> None:
    text = post(client, COMPLETION, max_tokens=20)["choices"][0]["text"]
    stop = text[7:9]
    cut = post(client, COMPLETION, max_tokens=20, stop=stop, logprobs=0)["choices"][0]
    shown = "".join(cut["logprobs"]["tokens"])
    assert shown.startswith(cut["text"])
    assert len(shown) < len(cut["text"]) + 20


def test_values_are_of_the_models_own_distribution(tiny: Model) -> None:
    prompt = tiny.text_prompt("hello")

    def first(**how: Any) -> TokenLogProbability:
        options = AnswerOptions(max_tokens=9, top_logprobs=5, sampling=Sampling(**how))
        deltas = answers(tiny, prompt, options, lambda: None)
        return next(found for delta in deltas for found in delta.logprobs)

    bare = first(temperature=0, repeat_penalty=1)
    tiny.cache.prefill(prompt, exact=True, check=lambda: None)
    logits = tiny.logits.astype(np.float64)
    best = int(logits.argmax())
    assert bare.value == pytest.approx(-math.log(np.exp(logits - logits[best]).sum()), abs=1e-5)
    # Neither bias nor temperature nor filters change what is shown.
    biased = first(temperature=1, seed=1, top_k=1, logit_bias=((best, -100.0),))
    assert biased.top == bare.top
    assert biased.value == pytest.approx((bare.top or ())[1].value)


def test_best_of_gives_the_most_likely_answers(client: FlaskClient) -> None:
    fields = {"temperature": 1, "top_p": 1, "seed": 3, "logprobs": 0}
    all_ = post(client, COMPLETION, n=6, **fields)
    best = post(client, COMPLETION, n=2, best_of=6, **fields)

    def mean(choice: dict[str, Any]) -> float:
        return float(np.mean(choice["logprobs"]["token_logprobs"]))

    ranked = sorted(all_["choices"], key=mean, reverse=True)
    assert [c["text"] for c in best["choices"]] == [c["text"] for c in ranked[:2]]
    assert [c["index"] for c in best["choices"]] == [0, 1]
    assert best["usage"] == all_["usage"]


def test_best_of_shows_no_logprobs_that_were_not_asked_for(client: FlaskClient) -> None:
    answer = post(client, COMPLETION, best_of=2, prompt=["a", "b"])
    assert [choice["logprobs"] for choice in answer["choices"]] == [None, None]
