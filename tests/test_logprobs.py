"""Log-probabilities on both endpoints, plain and streamed."""

import ast
import json
import math
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app.inference.generation import Generation
from app.inference.log_probabilities import offsets
from app.inference.model import Model
from app.jobs import Options, Sampling
from app.pieces import LogProbability, TokenLogProbability

from .conftest import counts, tokenizer_of_app

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def client(any_client: FlaskClient) -> FlaskClient:
    return any_client


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
def test_there_are_none_unless_asked_for(client: FlaskClient, fields: Any) -> None:
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
    assert_offsets(choice)
    assert all(len(likely) <= 6 for likely in found["top_logprobs"])


def token_bytes(name: str) -> bytes:
    """The bytes of a token as a completion names it."""
    if not name.startswith("bytes:"):
        return name.encode()
    return bytes(ast.literal_eval(f"b'{name.removeprefix('bytes:')}'"))


def assert_offsets(choice: dict[str, Any]) -> None:
    """Each token begins in the text where the list says, and is among the likely ones there."""
    found = choice["logprobs"]
    for name, offset, likely in zip(
        found["tokens"], found["text_offset"], found["top_logprobs"], strict=True
    ):
        assert likely is None or name in likely
        if name in ("<s>", "<|im_start|>"):
            assert offset == 0
        elif not name.startswith("bytes:"):
            assert choice["text"][offset:].startswith((name, name.removeprefix(" ")))


TEXTS = [
    "hello world",
    " hello",
    "  two spaces",
    "The café in Zürich sells 🍕 pizza",
    "🍕🍕",
    "ünï\ncode\t日本語 text",
    "<tool>hello<tool> world",
    "a\u2028b",
]


@pytest.mark.parametrize("text", TEXTS)
def test_offsets_count_what_is_in_the_text(any_tiny: Model, text: str) -> None:
    vocabulary = any_tiny.tokenizer
    tokens = vocabulary.encode(text)
    found = list(offsets(vocabulary, tokens, text))
    if tokens[0] == vocabulary.facts.bos:
        assert found.pop(0) == 0
        del tokens[0]
    # SentencePiece puts a space before a text, if that does not begin with a special token.
    added = vocabulary.facts.space_prefix and not text.startswith("<tool>")
    written, place = " " * added + text, 0
    for token, offset in zip(tokens, found, strict=True):
        data = vocabulary.written_bytes(token)
        if not written.encode().startswith(data, place):
            data = data.removeprefix(b" ")  # and another one after a special token
        assert written.encode()[place : place + len(data)] == data
        before = written.encode()[:place].decode(errors="ignore")
        assert offset == max(0, len(before) - added)
        place += len(data)
    assert place == len(written.encode())


@pytest.mark.parametrize("stream", [False, True])
def test_the_characters_of_several_tokens_count_as_one(client: FlaskClient, stream: bool) -> None:
    text = "The café in Zürich sells 🍕 pizza"
    fields = {"prompt": text, "logprobs": 1, "echo": True, "max_tokens": 1, "stream": stream}
    answer = post(client, COMPLETION, **fields)
    found = (answer[0] if stream else answer)["choices"][0]["logprobs"]
    places = dict(zip(found["text_offset"], found["tokens"], strict=True))
    assert text[26:].startswith("pizza") or text[26:].startswith(" pizza")
    assert [name for name in found["tokens"] if name.startswith("bytes:")]
    assert max(places) <= len(text) + 1
    assert found["text_offset"] == sorted(found["text_offset"])


@pytest.mark.parametrize("text", TEXTS)
def test_with_echo_every_token_is_among_the_likely_ones(client: FlaskClient, text: str) -> None:
    for top in 0, 1, 5:
        choice = post(client, COMPLETION, logprobs=top, echo=True, prompt=text)["choices"][0]
        found = choice["logprobs"]
        for name, value, likely in list(
            zip(found["tokens"], found["token_logprobs"], found["top_logprobs"], strict=True)
        )[1:]:
            assert likely[name] >= value - 1e-6
            assert max(len(likely), 1) <= top + 1


def test_parts_of_a_character_are_told_apart(client: FlaskClient) -> None:
    found = post(client, COMPLETION, prompt="🍕", echo=True, max_tokens=0, logprobs=0)
    names = found["choices"][0]["logprobs"]["tokens"][-4:]
    assert names == ["bytes:\\xf0", "bytes:\\x9f", "bytes:\\x8d", "bytes:\\x95"]


def test_a_space_before_a_part_of_a_character_is_shown() -> None:
    assert LogProbability(b" \xf0\x9f", -1.0).name == "bytes: \\xf0\\x9f"
    assert LogProbability(" é".encode(), -1.0).name == " é"


def test_after_an_echo_the_token_that_ends_the_answer_is_shown(client: FlaskClient) -> None:
    fields = {"prompt": "hello", "echo": True, "logprobs": 1}
    scored = post(client, COMPLETION, **fields, max_tokens=0)["choices"][0]["logprobs"]
    tokenizer = tokenizer_of_app(client)
    end = max(tokenizer.facts.end_tokens)
    choice = post(client, COMPLETION, **fields, logit_bias={str(end): 100})["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["text"] == "hello"
    assert len(choice["logprobs"]["tokens"]) == len(scored["tokens"]) + 1
    assert choice["logprobs"]["tokens"][-1].encode() == tokenizer.written_bytes(end)
    assert choice["logprobs"]["text_offset"][-1] == len("hello")


def test_echo_shows_those_of_the_prompt_too(client: FlaskClient) -> None:
    found = post(client, COMPLETION, logprobs=1, echo=True)["choices"][0]
    logprobs = found["logprobs"]
    assert_offsets(found)
    assert found["text"].startswith("hello")
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(value < 0 for value in logprobs["token_logprobs"][1:])


def test_a_text_can_be_scored_without_an_answer(client: FlaskClient) -> None:
    answer = post(client, COMPLETION, logprobs=0, echo=True, max_tokens=0, prompt="hello world")
    choice = answer["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("hello world", "length")
    assert "".join(choice["logprobs"]["tokens"]).endswith("hello world")
    assert answer["usage"]["completion_tokens"] == 0


def test_each_prompt_counts_its_own_characters(client: FlaskClient) -> None:
    for choice in post(client, COMPLETION, prompt=["hello", "x"], logprobs=0, n=2)["choices"]:
        assert choice["logprobs"]["text_offset"][0] == 0


def test_tokens_after_a_stop_string_are_not_shown(client: FlaskClient) -> None:
    text = post(client, COMPLETION, max_tokens=20)["choices"][0]["text"]
    stop = text[7:9]
    cut = post(client, COMPLETION, max_tokens=20, stop=stop, logprobs=0)["choices"][0]
    shown = b"".join(map(token_bytes, cut["logprobs"]["tokens"])).decode(errors="replace")
    assert shown.startswith(cut["text"])
    assert len(shown) < len(cut["text"]) + 20


def test_values_are_of_the_models_own_distribution(any_tiny: Model) -> None:
    tiny = any_tiny
    prompt = tiny.text_prompt("hello")

    def first(**how: Any) -> TokenLogProbability:
        options = Options(max_tokens=9, top_logprobs=5, sampling=Sampling(**how))
        deltas = Generation(tiny, prompt, options, lambda: None)
        return next(found for delta in deltas for found in delta.logprobs)

    bare = first(temperature=0, repeat_penalty=1)
    tiny.session.prefill(prompt, exact=True, check=lambda: None)
    logits = tiny.session.logits.astype(np.float64)
    best = int(logits.argmax())
    assert bare.value == pytest.approx(-math.log(np.exp(logits - logits[best]).sum()), abs=1e-5)
    # Bias, temperature and filters do not change what is shown.
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
    assert counts(best) == counts(all_)


def test_best_of_counts_the_tokens_that_are_held_back_to_the_end(client: FlaskClient) -> None:
    post(client, COMPLETION)
    end_tokens = tokenizer_of_app(client).facts.end_tokens
    # What ends with such a letter may be the beginning of a stop string until the answer ends.
    fields: dict[str, Any] = {
        "stop": [f"{letter}\0\0" for letter in "abcdefghijklmnopqrstuvwxyz012"]
    }
    fields |= {"logit_bias": {str(end): 4 for end in end_tokens}, "max_tokens": 8}
    held = 0
    for seed in range(25):
        how = {"temperature": 1, "top_p": 1, "seed": seed, "logprobs": 0, **fields}
        all_ = post(client, COMPLETION, n=8, **how)["choices"]
        best = post(client, COMPLETION, n=1, best_of=8, **how)["choices"]
        values = [choice["logprobs"]["token_logprobs"] for choice in all_]
        ranked = sorted(values, key=lambda v: float(np.mean(v)) if v else 0.0, reverse=True)
        assert best[0]["logprobs"]["token_logprobs"] == ranked[0]
        held += sum(choice["finish_reason"] == "stop" and bool(choice["text"]) for choice in all_)
    assert held


def test_best_of_shows_no_logprobs_that_were_not_asked_for(client: FlaskClient) -> None:
    answer = post(client, COMPLETION, best_of=2, prompt=["a", "b"])
    assert [choice["logprobs"] for choice in answer["choices"]] == [None, None]
