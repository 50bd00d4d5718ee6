"""What clients of other servers send: names that OpenAI's API does not have, and messages."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.application import create_app
from app.inference.constraint import grammar_source
from app.jobs import Calling, Function
from app.schemas import ChatSchema, CompletionSchema, foreign, load
from app.schemas.generation import OthersSchema

from .conftest import tokenizer_of_app
from .server import ROOT
from .tiny_gguf import write_tiny_gguf

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
USER = {"role": "user", "content": "x"}
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
BOTH = pytest.mark.parametrize("path", [CHAT, COMPLETION])

TAKEN = [(name, other) for name, others in foreign.TAKEN.items() for other in others]
VALUES: dict[str, Any] = {
    "stop": "x",
    "ignore_eos": True,
    "json_schema": {"const": 1},
    "grammar": 'root ::= "x"',
    "guided_regex": "a+",
    "chat_template_kwargs": {"a": 1},
}
OFF: list[Any] = [None, False, "", []]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    models = tmp_path_factory.mktemp("data") / "models"
    models.mkdir()
    write_tiny_gguf(models / "tiny.gguf", context_length=1024)
    settings = {"DATA_DIR": str(models.parent), "CONTEXT_LENGTH": "1024", "THREADS": "1"}
    return create_app(settings).test_client()


def ask(client: FlaskClient, path: str, **fields: Any) -> Any:
    body: dict[str, Any] = {"max_tokens": 2}
    body |= {"messages": [USER]} if path == CHAT else {"prompt": "x"}
    return client.post(path, json=body | fields)


@pytest.mark.parametrize(("name", "other"), TAKEN)
def test_another_name_means_the_same(name: str, other: str) -> None:
    value = VALUES.get(name, 2)
    body = {"messages": [USER]}
    assert load(ChatSchema(8), {**body, other: value}) == load(ChatSchema(8), {**body, name: value})
    assert load(ChatSchema(8), {**body, other: value}) != load(ChatSchema(8), body)


def test_the_fields_own_name_wins() -> None:
    body = {"messages": [USER], "repeat_penalty": 1.5, "repetition_penalty": 1.1, "rep_pen": 1.2}
    assert load(ChatSchema(8), body).sampling == {"repeat_penalty": 1.5}


@pytest.mark.parametrize("other", [other for _, other in TAKEN])
@BOTH
def test_another_name_with_an_empty_value_is_accepted(
    client: FlaskClient, path: str, other: str
) -> None:
    for value in OFF:
        assert ask(client, path, **{other: value}).status_code == 200


@pytest.mark.parametrize("name", ["n_predict", "num_predict", "max_new_tokens", "max_tokens"])
@pytest.mark.parametrize("value", [-1, -2])
def test_minus_one_is_no_limit(name: str, value: int) -> None:
    assert load(ChatSchema(8), {"messages": [USER], name: value}).job.options.max_tokens is None
    assert load(CompletionSchema(8), {"prompt": "x", name: value}).job.options.max_tokens is None


def test_without_a_limit_a_completion_ends_with_the_context(client: FlaskClient) -> None:
    answer = ask(client, COMPLETION, max_tokens=-1, ignore_eos=True).json
    assert answer["usage"]["total_tokens"] == 1024
    assert answer["choices"][0]["finish_reason"] == "length"


def test_another_servers_seed_of_minus_one_is_none() -> None:
    assert load(ChatSchema(8), {"messages": [USER], "sampler_seed": -1}).sampling == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (path, name)
        for path, schema in ((CHAT, ChatSchema), (COMPLETION, CompletionSchema))
        for name in sorted(foreign.IGNORED - schema(8).fields.keys())
    ],
)
def test_ignored_fields_are_logged(
    client: FlaskClient, path: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.schemas"):
        for value in (1, "x", {"a": 1}):
            assert ask(client, path, **{name: value}).status_code == 200
    assert f"Ignored fields of a request: {name}." in caplog.text


def test_ignored_fields_of_openais_are_logged_too(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.schemas"):
        fields = {"verbosity": "low", "store": True, "metadata": None, "num_ctx": 4096}
        assert ask(client, CHAT, **fields).status_code == 200
    assert "Ignored fields of a request: num_ctx, store, verbosity." in caplog.text


@pytest.mark.parametrize(
    ("name", "meant"),
    [("repetiton_penalty", "repetition_penalty"), ("max_tokens ", "max_tokens"), ("Stop", "stop")],
)
def test_a_near_miss_of_any_known_name_gets_a_suggestion(
    client: FlaskClient, name: str, meant: str
) -> None:
    error = ask(client, CHAT, **{name: 1}).json["error"]
    assert error["message"].endswith(f"{name}. Did you mean {meant}?")


def test_a_name_cannot_start_a_line_of_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    function = Function("f", "", {"type": "object", "properties": {"a\nb": {"not": {}}}})
    with caplog.at_level(logging.INFO, "app"):
        assert ask(client, CHAT, **{"dry_\nroot": 1}).status_code == 400
        assert ask(client, CHAT, **{"dry_" + "x" * 500: 1}).status_code == 200
        grammar_source(Calling([function]), lambda: None)
    assert "properties.a\ufffdb.not" in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert all(len(record.getMessage()) < 300 for record in caplog.records)


def test_families_of_names_are_ignored(client: FlaskClient) -> None:
    names = ["mirostat", "mirostat_tau", "dynatemp_range", "dry_base", "xtc_probability"]
    fields = dict.fromkeys(names, 0.5)
    assert ask(client, CHAT, **fields).status_code == 200


@pytest.mark.parametrize("name", sorted(OthersSchema._declared_fields))
@BOTH
def test_what_would_change_the_answer_is_refused_unless_it_asks_for_nothing(
    client: FlaskClient, path: str, name: str
) -> None:
    for value in OFF:
        assert ask(client, path, **{name: value}).status_code == 200
    response = ask(client, path, **{name: "x"})
    assert response.status_code == 400
    assert response.json["error"]["param"] == name
    assert "is not supported by this server yet; leave it out" in response.json["error"]["message"]


def test_the_page_has_every_name() -> None:
    for name, others in foreign.TAKEN.items():
        assert f"| `{name}` | {', '.join(f'`{other}`' for other in others)} |" in PAGE
    names = {*foreign.IGNORED, *foreign.IGNORED_BEGINNINGS, *OthersSchema._declared_fields}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []


SILLY_TAVERN: dict[str, Any] = {
    "prompt": "x", "model": "m", "max_new_tokens": 2, "max_tokens": 2, "temperature": 1,
    "top_p": 1, "typical_p": 1, "typical": 1, "sampler_seed": -1, "seed": -1, "min_p": 0,
    "repetition_penalty": 1.1, "frequency_penalty": 0, "presence_penalty": 0, "top_k": 0,
    "skew": 0, "min_tokens": 0, "add_bos_token": True, "smoothing_factor": 0,
    "smoothing_curve": 1, "dry_allowed_length": 2, "dry_multiplier": 0, "dry_base": 1.75,
    "dry_sequence_breakers": '["\\n"]', "dry_penalty_last_n": 0, "stopping_strings": ["a"],
    "stop": ["a"], "truncation_length": 2048, "ban_eos_token": False, "top_a": 0, "tfs": 1,
    "skip_special_tokens": True, "mirostat_mode": 0, "mirostat_tau": 5, "mirostat_eta": 0.1,
    "custom_token_bans": "", "banned_strings": [], "api_type": "ooba", "api_server": "http://x",
    "guidance_scale": 1, "negative_prompt": "", "grammar_string": "", "json_schema": None,
    "xtc_threshold": 0.1, "xtc_probability": 0, "nsigma": 0, "rep_pen": 1.1, "num_ctx": 4096,
    "rep_pen_range": 0, "repetition_penalty_range": 0, "encoder_repetition_penalty": 1,
    "no_repeat_ngram_size": 0, "penalty_alpha": 0, "temperature_last": False, "do_sample": True,
    "num_beams": 1, "length_penalty": 1, "early_stopping": False, "epsilon_cutoff": 0,
    "eta_cutoff": 0, "dynamic_temperature": False, "sampler_priority": [], "samplers": [],
    "logit_bias": [], "n_predict": 2, "num_predict": 2, "legacy_api": False, "stream": False,
}  # fmt: skip
LLAMA_CPP_PAGE: dict[str, Any] = {
    "messages": [USER], "stream": False, "return_progress": True, "reasoning_format": "auto",
    "temperature": 0.8, "max_tokens": -1, "dynatemp_range": 0, "dynatemp_exponent": 1,
    "top_k": 40, "top_p": 0.95, "min_p": 0.05, "xtc_probability": 0, "xtc_threshold": 0.1,
    "typ_p": 1, "repeat_last_n": 64, "repeat_penalty": 1, "presence_penalty": 0,
    "frequency_penalty": 0, "dry_multiplier": 0, "dry_base": 1.75, "dry_allowed_length": 2,
    "dry_penalty_last_n": -1, "samplers": ["top_k"], "timings_per_token": True,
    "backend_sampling": False, "n_probs": 0, "cache_prompt": True, "id_slot": -1, "stop": [""],
}  # fmt: skip
OPEN_WEBUI: dict[str, Any] = {
    "messages": [USER], "max_tokens": 2, "top_k": 40, "min_p": 0, "repeat_penalty": 1.1,
    "repeat_last_n": 64, "mirostat": 0, "mirostat_eta": 0.1, "mirostat_tau": 5, "tfs_z": 1,
    "num_ctx": 4096, "num_batch": 512, "num_keep": 24, "num_gpu": 0, "num_thread": 4,
    "use_mmap": True, "use_mlock": False, "keep_alive": "5m", "think": False, "stop": [],
    "chat_id": "c", "session_id": "s", "features": {}, "options": {"num_ctx": 1}, "format": "",
}  # fmt: skip
OPEN_ROUTER: dict[str, Any] = {
    "messages": [USER], "max_tokens": 2, "provider": {"order": ["x"]}, "route": "fallback",
    "models": ["a"], "transforms": [], "plugins": [], "usage": {"include": True}, "user": "",
    "reasoning": {"effort": "low"}, "include_reasoning": True, "top_a": 0, "model": None,
    "cache_control": {"type": "ephemeral"}, "thinking": {"type": "disabled"}, "best_of": 1,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True}, "stream": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETION, SILLY_TAVERN),
        (CHAT, LLAMA_CPP_PAGE),
        (CHAT, OPEN_WEBUI),
        (CHAT, OPEN_ROUTER),
    ],
    ids=["SillyTavern", "llama.cpp's page", "Open WebUI", "OpenRouter's SDK"],
)
def test_bodies_of_real_programs_are_answered(
    client: FlaskClient, path: str, body: dict[str, Any]
) -> None:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    assert "error" not in response.text


MORE_KEYS: dict[str, Any] = {
    "parsed": {"a": 1}, "reasoning": "hm", "reasoning_content": "hm", "images": [], "id": "i",
    "annotations": [], "cache_control": {"type": "ephemeral"}, "thinking_blocks": None,
    "extra_content": {}, "provider_specific_fields": None, "refusal": None, "audio": None,
    "function_call": None, "reasoning_details": [{}], "anything": {"else": [1]},
}  # fmt: skip
CALL = {
    "id": "call_1",
    "type": "function",
    "index": 0,
    "extra_content": {"google": {}},
    "function": {
        "name": "f",
        "arguments": "{}",
        "parsed_arguments": {"a": 1},
        "provider_specific_fields": None,
    },
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}, "x": 1}, "y": None}


@pytest.mark.parametrize("key", MORE_KEYS)
@pytest.mark.parametrize("null", [True, False])
def test_what_a_client_adds_to_a_message_is_ignored(
    client: FlaskClient, key: str, null: bool
) -> None:
    more = {key: None if null else MORE_KEYS[key]}
    answer = {"role": "assistant", "content": "yes", **more}
    assert ask(client, CHAT, messages=[USER, answer, {**USER, **more}]).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"content": None},
        {"content": ""},
        {"content": []},
        {"tool_calls": [{**CALL, "id": None}]},
        {"tool_calls": [{**CALL, "type": None}]},
        {"tool_calls": [{**CALL, "type": ""}]},
        {"tool_calls": [{"function": {"name": "f"}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": {"a": [1]}}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": None}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": "not json"}}]},
    ],
)
def test_a_call_can_be_sent_back_as_it_came(client: FlaskClient, change: dict[str, Any]) -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [CALL], **MORE_KEYS, **change}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "42", "cache_control": None}
    response = ask(client, CHAT, messages=[USER, called, result], tools=[TOOL])
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("calls", [{}, {"tool_calls": None}, {"tool_calls": []}])
def test_null_content_is_empty(client: FlaskClient, calls: dict[str, Any]) -> None:
    said = {"role": "assistant", "content": None, **calls}
    counts = [
        ask(client, CHAT, messages=[USER, {**said, "content": content}, USER]).json["usage"][
            "prompt_tokens"
        ]
        for content in (None, "")
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}, "hello"),
        ({"type": "input_text", "text": "hello"}, "hello"),
        ({"type": "output_text", "text": "hello", "annotations": []}, "hello"),
        ({"type": "refusal", "refusal": "hello"}, "hello"),
        ({"text": "hello"}, "hello"),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, ""),
        ({"type": "reasoning", "text": "hm"}, ""),
    ],
)
def test_parts_of_text_have_several_names(part: dict[str, Any], text: str) -> None:
    body = {"messages": [{"role": "user", "content": [part]}]}
    assert load(ChatSchema(8), body).job.conversation.messages[0]["content"] == text


@BOTH
@pytest.mark.parametrize("model", [{}, {"model": None}, {"model": ""}])
@pytest.mark.parametrize("strict", ["0", "1"])
def test_without_a_model_the_default_one_answers(
    tiny_gguf: Path, path: str, model: dict[str, Any], strict: str
) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "STRICT_MODEL": strict}
    response = ask(create_app(settings).test_client(), path, **model)
    assert response.json["model"] == "tiny"


@BOTH
@pytest.mark.parametrize("stop", ["", [""], ["", ""], [None], None, []])
def test_empty_stop_strings_are_dropped(client: FlaskClient, path: str, stop: Any) -> None:
    fields = {"temperature": 0, "max_tokens": 8}
    plain = ask(client, path, **fields).json["choices"]
    assert ask(client, path, **fields, stop=stop).json["choices"] == plain


@BOTH
def test_an_answer_can_be_kept_from_ending(client: FlaskClient, path: str) -> None:
    [end] = set(tokenizer_of_app(client).facts.end_tokens) - {0}
    wanted = {"logit_bias": {str(end): 100, "0": -100}, "max_tokens": 9}
    assert ask(client, path, **wanted).json["usage"]["completion_tokens"] == 0
    kept = ask(client, path, **wanted, min_tokens=4).json
    assert kept["usage"]["completion_tokens"] == 4
    assert kept["choices"][0]["finish_reason"] == "stop"
    endless = ask(client, path, **wanted, ignore_eos=True).json
    assert endless["usage"]["completion_tokens"] == 9
    # An answer that a grammar has ended cannot go on.
    grammar = {"grammar": 'root ::= "ab"', "ignore_eos": True, "max_tokens": 9}
    assert ask(client, path, **grammar).json["choices"][0]["finish_reason"] == "stop"


def test_the_chat_template_gets_the_requests_variables(tiny_gguf: Path) -> None:
    source = "{% if enable_thinking is defined %}{{ enable_thinking }}{% endif %}{{ name }}."
    settings = json.dumps({"chat_template": source})
    tiny_gguf.with_suffix(".json").write_text(settings)
    client = create_app({"DATA_DIR": str(tiny_gguf.parent.parent)}).test_client()

    def tokens(**fields: Any) -> int:
        return int(ask(client, CHAT, **fields).json["usage"]["prompt_tokens"])

    assert tokens() == len(".")
    assert tokens(enable_thinking=False) == len("False.")
    assert tokens(chat_template_kwargs={"name": "Ann", "messages": []}) == len("Ann.")
    assert tokens(chat_template_kwargs={"name": "<|im_end|>"}) == len("<|im_end|>.")
    assert ask(client, CHAT, chat_template_kwargs=[]).json["error"]["param"] == (
        "chat_template_kwargs"
    )
