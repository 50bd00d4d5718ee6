"""The forms in which different servers say the same. The chunks are theirs, cut to what counts."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.exceptions import UpstreamFailed, UpstreamRefused
from app.jobs import Conversation, Job, Options
from app.pieces import CallPiece, Delta, Thought
from app.upstreams.answers import Answers
from app.upstreams.models import models_in
from app.upstreams.refusals import refusal

CHAT = Job(conversation=Conversation([{"role": "user", "content": "Hi"}]))
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def deltas(*chunks: Any, job: Job = CHAT) -> list[Delta]:
    def generator() -> Iterator[Any]:
        yield from chunks

    return list(Answers(job, generator()).deltas())


def said(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def calls(*pieces: dict[str, Any]) -> list[CallPiece]:
    found = deltas(*(said(tool_calls=[piece]) for piece in pieces), END)
    assert [delta.finish_reason for delta in found if delta.finish_reason] == ["tool_calls"]
    return [piece for delta in found for piece in delta.pieces]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_have_two_names(name: str) -> None:
    [first, *_] = deltas(said(**{name: "hm", "content": ""}), END)
    assert first.pieces == [Thought("hm")]


def test_a_call_in_pieces() -> None:  # llama.cpp, vLLM
    assert calls(
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ) == [
        CallPiece(0, "a", "f", ""),
        CallPiece(0, arguments='{"x"'),
        CallPiece(0, arguments=": 1}"),
        CallPiece(1, "b", "f", "{}"),
    ]


def test_whole_calls_with_the_same_index() -> None:  # Ollama's
    assert calls(
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
        {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}},
    ) == [CallPiece(0, "a", "f", "{}"), CallPiece(1, "b", "g", "{}")]


def test_a_call_whose_name_is_repeated() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}
    more = {**call, "function": {"name": "f", "arguments": "}"}}
    assert calls(call, more) == [CallPiece(0, "a", "f", "{"), CallPiece(0, arguments="}")]


def test_a_call_without_an_id_gets_one() -> None:
    [call] = calls({"index": 0, "function": {"name": "f", "arguments": "{}"}})
    assert call.id.startswith("call_")


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "stop"), ("abort", "stop")],
)
def test_reasons_to_end(reason: str, shown: str) -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    assert deltas(end)[0].finish_reason == shown


USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
COUNTS = Delta(0, tokens=3, reasoning_tokens=2, prompt_tokens=5, cached=4)


@pytest.mark.parametrize(
    "chunks",
    [
        [END, {"choices": [], "usage": USAGE}],
        [{**END, "usage": USAGE}],
        # vLLM with continuous_usage_stats
        [{**said(content="a"), "usage": {"completion_tokens": 1}}, {**END, "usage": USAGE}],
    ],
    ids=["last", "with the end", "always"],
)
def test_tokens_are_counted_once(chunks: list[Any]) -> None:
    assert deltas(*chunks)[-1] == COUNTS


def test_without_a_usage_nothing_is_counted() -> None:
    assert deltas({**END, "usage": None})[-1] == Delta(0)
    bare = {"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": None}
    assert deltas({**END, "usage": bare})[-1] == Delta(0, tokens=3, prompt_tokens=5)


def test_each_answer_of_a_completion_may_have_its_own_usage() -> None:  # llama.cpp's
    ends = [
        {"choices": [{"index": i, "text": "", "finish_reason": "stop"}], "usage": USAGE}
        for i in range(2)
    ]
    job = Job(prompts=["a", "b"])
    assert deltas(ends[0], None, ends[1], job=job)[-1].prompt_tokens == 10


def test_bytes_of_tokens_survive_openais_lists() -> None:
    listed = {
        "tokens": ["a", r"bytes:\xf0\x9f", "bytes:"],
        "token_logprobs": [None, -1.0, -2.0],
        "top_logprobs": [None, {"b": -3.0, "c": -0.5, r"bytes:\xf0\x9f": -1.0}, {}],
        "text_offset": [0, 1, 1],
    }
    choice = {"index": 0, "text": "a", "logprobs": listed, "finish_reason": "stop"}
    job = Job(prompts=["x"], options=Options(top_logprobs=2))
    first, second, third = deltas({"choices": [choice]}, job=job)[0].logprobs
    assert (first.data, first.value, first.top) == (b"a", None, None)
    assert (second.data, third.data) == (b"\xf0\x9f", b"bytes:")
    assert second.top is not None
    assert [(token.data, token.value) for token in second.top] == [(b"c", -0.5), (b"\xf0\x9f", -1)]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [said(content="half")],
        [{"choices": [{"index": 7, "delta": {}}]}],
        [{"choices": "x"}],
        [{"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {}}]}}]}],
        [[1, 2]],
    ],
)
def test_what_is_no_answer_is_an_error(chunks: list[Any]) -> None:
    with pytest.raises(UpstreamFailed):
        deltas(*chunks)


def test_an_error_among_the_chunks_is_one() -> None:
    error = {"error": {"code": 503, "message": "Out of memory.", "type": "server_error"}}
    with pytest.raises(UpstreamRefused, match=r"^Out of memory\.$") as raised:
        deltas(said(content="half"), error)
    assert raised.value.status == 503


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"error": {"message": "No.", "type": "x", "param": "n", "code": "c"}}, "No."),
        ({"error": "No."}, "No."),  # text-generation-inference
        ({"object": "error", "message": "No.", "code": 400}, "No."),  # vLLM's old form
        ({"detail": "No."}, "No."),  # FastAPI
        ({"detail": [{"loc": ["body"], "msg": "No."}]}, "[{'loc': ['body'], 'msg': 'No.'}]"),
        ({}, "It answered with the status 400."),
        (None, "It answered with the status 400."),
        ([], "It answered with the status 400."),
    ],
)
def test_errors_have_many_forms(error: Any, words: str) -> None:
    assert (str(refusal(error, 400)), refusal(error, 400).status) == (words, 400)


def test_an_error_keeps_its_field_and_code() -> None:
    error = refusal({"error": {"message": "No.", "param": "n", "code": "c"}}, 429, "7")
    assert (error.param, error.code, error.status, error.retry_after) == ("n", "c", 429, "7")
    assert refusal({"error": {"message": "No.", "param": 1, "code": 400}}, 400).code is None


@pytest.mark.parametrize(
    "words",
    [  # vLLM's, SGLang's and llama.cpp's
        "This model's maximum context length is 2048 tokens. However, you requested 3000.",
        "The input (3000 tokens) is longer than the model's context length (2048 tokens).",
        "request (3000 tokens) exceeds the available context size (2048 tokens)",
    ],
)
def test_a_prompt_that_is_too_long_has_openais_code(words: str) -> None:
    error = refusal({"error": {"message": words, "code": 400}}, 400)
    assert error.code == "context_length_exceeded"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_the_clients(status: int) -> None:
    error = refusal({"error": {"message": "Invalid key."}}, status)
    assert error.status == 502
    assert "GPT4ALL_UPSTREAM_KEY: Invalid key." in str(error)


def test_a_redirection_is_not_followed() -> None:
    assert (refusal(None, 307).status, str(refusal(None, 307))) == (
        502,
        "It answered with the status 307.",
    )


@pytest.mark.parametrize("listed", [None, [], {}, {"data": None}, {"error": "No."}])
def test_what_is_no_list_of_models_is_an_error(listed: Any) -> None:
    with pytest.raises(UpstreamFailed, match="does not list its models"):
        models_in(listed, "http://x/v1", 4096)


@pytest.mark.parametrize(
    ("about", "length"),
    [
        ({"max_model_len": 2048}, 2048),  # vLLM, SGLang
        ({"context_length": 2048}, 2048),  # this project
        ({"meta": {"n_ctx": 2048, "n_ctx_train": 8192}}, 2048),  # llama.cpp
        ({"meta": None}, 4096),
        ({"max_model_len": "many"}, 4096),
        ({}, 4096),  # Ollama
    ],
)
def test_the_length_of_the_context_has_many_names(about: dict[str, Any], length: int) -> None:
    listed = {"data": [{"id": "a", "owned_by": "b", **about}, {"id": 5}, "x"]}
    [model] = models_in(listed, "http://x/v1", 4096)
    assert (model.name, model.owner, model.context_length) == ("a", "b", length)
