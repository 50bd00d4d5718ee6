"""Models of other servers: llama.cpp's, and another one of this project."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from openai import APIError, OpenAI

from app.application import create_app
from app.upstreams.models import models_in

from .llama_cpp_server import CONTEXT_LENGTH, LlamaCppServer
from .server import Server, soon
from .test_localdocs_chat import QUESTION, SECRET, add_collection
from .test_server import CHAT, COMPLETION, wait_until
from .test_thoughts import OPENED, write_thinking
from .tiny_gguf import write_tiny_gguf

HELLO = {"role": "user", "content": "Name two animals."}
LONG = {"prompt": "hello", "max_tokens": 90_000, "ignore_eos": True, "temperature": 0}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris"]}},
            "required": ["city"],
        },
    },
}
Upstream = tuple[Server | LlamaCppServer, str]


def serving(folder: Path, **settings: str) -> Server:
    """Another instance, with a tiny model and one that thinks."""
    models = folder / "models"
    models.mkdir(parents=True)
    write_tiny_gguf(models / "tiny.gguf", context_length=100_000)
    write_thinking(models / "zen.gguf", OPENED)
    return Server(folder, CONTEXT_LENGTH="100000", THREADS="1", **settings)


def v1(*servers: Server | LlamaCppServer) -> str:
    return ",".join(f"{server.url}/v1" for server in servers)


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("another")) as running:
        yield running


@pytest.fixture(scope="module")
def llama_cpp(default_gguf: Path) -> Iterator[LlamaCppServer]:
    with LlamaCppServer(default_gguf) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    another: Server, llama_cpp: LlamaCppServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server without a model of its own, which has a collection."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("folder")
    (folder / "office.txt").write_text(f"Nothing here.\n\n{SECRET}")
    add_collection(data, folder)
    with Server(data, UPSTREAM=v1(another, llama_cpp)) as running:
        running.get("/health/ready").raise_for_status()  # waits for the upstreams
        yield running


@pytest.fixture(params=["another", "llama.cpp"])
def upstream(
    request: pytest.FixtureRequest, another: Server, llama_cpp: LlamaCppServer
) -> Upstream:
    return (another, "tiny") if request.param == "another" else (llama_cpp, llama_cpp.model)


@pytest.fixture
def own_gateway(tmp_path: Path) -> Callable[..., Server]:
    """Makes a gateway of the test's own."""
    return lambda *servers, **settings: Server(
        tmp_path / "gateway", UPSTREAM=v1(*servers), **settings
    )


def body(endpoint: str, model: str, **fields: Any) -> dict[str, Any]:
    asked = {"messages": [HELLO]} if endpoint == CHAT else {"prompt": "One, two,"}
    return {"model": model, "max_tokens": 6, "temperature": 0, **asked, **fields}


def whole(server: Any, endpoint: str, asked: dict[str, Any]) -> dict[str, Any]:
    response = server.post(endpoint, asked)
    assert response.status_code == 200, response.text
    return response.json()


def folded(server: Server, endpoint: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The whole answer, from a stream."""
    asked = {**asked, "stream_options": {"include_usage": True}}
    *events, done = server.events(endpoint, asked)
    assert done == "[DONE]"
    *chunks, counted = map(json.loads, events)
    text, choice = "", {}
    for chunk in chunks:
        (part,) = chunk["choices"]
        text += part.get("text") or part.get("delta", {}).get("content") or ""
        choice = {**choice, **{k: v for k, v in part.items() if v is not None}}
    said = {"message": {"content": text}} if endpoint == CHAT else {"text": text}
    return {**counted, "choices": [{**choice, **said}]}


def essence(answer: dict[str, Any]) -> dict[str, Any]:
    """The text, how it ended, and how many tokens it had."""
    (choice,) = answer["choices"]
    text = choice["text"] if "text" in choice else choice["message"]["content"]
    counts = {name: answer["usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    return {"text": text, "finish_reason": choice["finish_reason"], **counts}


def error_of(response: requests.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    return response.json()["error"]


def test_the_models_of_all_upstreams_are_listed(gateway: Server, llama_cpp: LlamaCppServer) -> None:
    data = gateway.get("/v1/models").json()["data"]
    assert [(m["id"], m["owned_by"], m["context_length"], m["engine"]) for m in data] == [
        ("tiny", "humanity", 100_000, "upstream"),
        ("zen", "humanity", 1024, "upstream"),
        (llama_cpp.model, "llamacpp", CONTEXT_LENGTH, "upstream"),
    ]
    assert gateway.get("/v1/models/zen").json() == data[1]


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETION])
@pytest.mark.parametrize("ask", [whole, folded])
def test_an_answer_is_that_of_the_upstream(
    gateway: Server, upstream: Upstream, endpoint: str, ask: Any
) -> None:
    server, model = upstream
    asked = body(endpoint, model)
    answer = ask(gateway, endpoint, asked)
    assert essence(answer) == essence(whole(server, endpoint, asked))
    assert essence(answer)["completion_tokens"] == 6
    assert answer["model"] == model


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_has_only_chats_answers_responses(
    gateway: Server, llama_cpp: LlamaCppServer, stream: bool
) -> None:
    asked = {"input": QUESTION["content"], "model": llama_cpp.model, "max_output_tokens": 5}
    if stream:
        last = gateway.events("/v1/responses", asked)[-1]
        response = json.loads(last.removeprefix("event: response.incomplete\ndata: "))["response"]
    else:
        response = whole(gateway, "/v1/responses", asked)
    assert response["id"].startswith("resp_")
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == 5
    [message] = response["output"]
    assert message["content"][0]["annotations"][0]["filename"] == "office.txt"
    assert response["references"][0]["file"] == "office.txt"


def test_the_id_is_that_of_the_upstream(gateway: Server, llama_cpp: LlamaCppServer) -> None:
    # This project's have 32 hexadecimal digits.
    assert len(whole(gateway, CHAT, body(CHAT, llama_cpp.model))["id"]) == len("chatcmpl-") + 32
    mine = whole(gateway, CHAT, body(CHAT, "tiny"))["id"]
    theirs = whole(gateway, CHAT, body(CHAT, llama_cpp.model))["id"]
    assert set(mine.removeprefix("chatcmpl-")) <= set("0123456789abcdef")
    assert not set(theirs.removeprefix("chatcmpl-")) <= set("0123456789abcdef")


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETION])
def test_several_answers_come_in_order(gateway: Server, upstream: Upstream, endpoint: str) -> None:
    several = {"n": 2} if endpoint == CHAT else {"prompt": ["One, two,", "A, B,"], "n": 1}
    answer = whole(gateway, endpoint, body(endpoint, upstream[1], **several))
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    if upstream[1] == "tiny" or endpoint == COMPLETION:
        # llama.cpp counts only one of several answers to a chat.
        assert answer["usage"]["completion_tokens"] == 12


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETION])
@pytest.mark.parametrize("top", [0, 2])
def test_log_probabilities_are_those_of_the_upstream(
    gateway: Server, upstream: Upstream, endpoint: str, top: int
) -> None:
    server, model = upstream
    wanted = {"logprobs": True, "top_logprobs": top} if endpoint == CHAT else {"logprobs": top}
    asked = body(endpoint, model, **wanted)
    shown = whole(gateway, endpoint, asked)["choices"][0]["logprobs"]
    if server.url == gateway.url or model == "tiny":
        assert shown == whole(server, endpoint, asked)["choices"][0]["logprobs"]
    elif endpoint == CHAT:
        assert [len(token["top_logprobs"]) for token in shown["content"]] == [top] * 6
        assert all(token["logprob"] <= 0 for token in shown["content"])
    else:
        assert [len(shown[name]) for name in ("tokens", "token_logprobs", "text_offset")] == [6] * 3


@pytest.mark.parametrize("ask", [whole, folded])
def test_an_answer_has_the_references_of_the_gateways_collections(
    gateway: Server, upstream: Upstream, ask: Any
) -> None:
    _, model = upstream
    answer = ask(gateway, CHAT, body(CHAT, model, messages=[QUESTION]))
    (reference,) = answer["choices"][0]["references"]
    assert reference["file"] == "office.txt"
    assert SECRET in reference["text"]
    without = whole(gateway, CHAT, body(CHAT, model))
    assert answer["usage"]["prompt_tokens"] > without["usage"]["prompt_tokens"] + 30


def test_only_the_request_with_its_snippets_is_sent(gateway: Server, another: Server) -> None:
    before = another.get("/page/server-chat", headers=PAGE).json()["entries"][-1]["number"]
    whole(gateway, CHAT, body(CHAT, "tiny", messages=[QUESTION]))
    chat = another.get(f"/page/server-chat?after={before}", headers=PAGE).json()
    ((asked,),) = [entry["asked"] for entry in chat["entries"]]
    assert asked["content"].startswith("### Context:\nCollection: Office\n")
    assert asked["content"].endswith(QUESTION["content"])


PAGE = {"X-GPT4All-Page": "1"}


@pytest.mark.parametrize("model", ["llama.cpp", "zen"])
def test_as_many_sources_are_sent_as_leave_room_for_an_answer(
    own_gateway: Callable[..., Server],
    tmp_path: Path,
    llama_cpp: LlamaCppServer,
    another: Server,
    model: str,
) -> None:
    # Zen's tokens are single bytes, so that it has to refuse what seems to fit.
    is_zen = model == "zen"
    upstream, name = (another, "zen") if is_zen else (llama_cpp, llama_cpp.model)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(9):
        text = f"{SECRET} " + f"Of machine {number}. " * (1 if is_zen else 8)
        (folder / f"{number}.txt").write_text(text)
    add_collection(tmp_path / "gateway", folder)
    with own_gateway(upstream, LOCALDOCS_SOURCES="9") as server:
        asked = body(CHAT, name, messages=[QUESTION], max_tokens=2)
        answer = whole(server, CHAT, asked)
        assert 0 < len(answer["choices"][0]["references"]) < 9
        length = 1024 if is_zen else CONTEXT_LENGTH
        assert length / 2 < answer["usage"]["prompt_tokens"] < length
        longer = QUESTION["content"] + " please" * (120 if is_zen else 350)
        answer = whole(server, CHAT, {**asked, "messages": [{**QUESTION, "content": longer}]})
        assert answer["choices"][0]["references"] is None


def test_without_its_length_a_context_has_what_the_setting_says() -> None:
    # Ollama's list says nothing of it.
    listed = {"object": "list", "data": [{"id": "a", "object": "model", "owned_by": "library"}]}
    assert [model.context_length for model in models_in(listed, "", 4096)] == [4096]


def test_functions_are_called_as_by_the_upstream(gateway: Server, another: Server) -> None:
    asked = body(CHAT, "tiny", tools=[TOOL], tool_choice="required", max_tokens=300)
    answer, direct = whole(gateway, CHAT, asked), whole(another, CHAT, asked)
    calls, expected = (a["choices"][0]["message"]["tool_calls"] for a in (answer, direct))
    assert calls[0].pop("id").startswith("call_")
    expected[0].pop("id")
    assert calls == expected
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_results_of_functions_are_sent_in_openais_form(gateway: Server, another: Server) -> None:
    call = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    messages = [
        HELLO,
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    asked = body(CHAT, "tiny", messages=messages, tools=[TOOL])
    assert essence(whole(gateway, CHAT, asked)) == essence(whole(another, CHAT, asked))


def test_a_schema_holds_the_upstreams_answer(gateway: Server, upstream: Upstream) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    answer = whole(gateway, CHAT, body(CHAT, upstream[1], response_format=wanted, max_tokens=50))
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"a": "x"}


def test_a_grammar_holds_the_upstreams_answer(gateway: Server, upstream: Upstream) -> None:
    asked = body(COMPLETION, upstream[1], grammar='root ::= "yes"')
    assert whole(gateway, COMPLETION, asked)["choices"][0]["text"] == "yes"


def test_a_pattern_is_refused_where_the_upstream_has_none(
    gateway: Server, llama_cpp: LlamaCppServer
) -> None:
    asked = body(COMPLETION, "tiny", guided_regex="yes")
    assert whole(gateway, COMPLETION, asked)["choices"][0]["text"] == "yes"
    response = gateway.post(COMPLETION, {**asked, "model": llama_cpp.model})
    error = error_of(response, 400)
    assert error["param"] == "guided_regex"
    assert "can only be asked for" in error["message"]


def test_thoughts_come_apart(gateway: Server, another: Server) -> None:
    asked = body(CHAT, "zen")
    message, expected = (
        whole(server, CHAT, asked)["choices"][0]["message"] for server in (gateway, another)
    )
    assert message == expected
    assert message["reasoning_content"]


def test_sampling_and_its_extensions_reach_the_upstream(gateway: Server, another: Server) -> None:
    fields = {
        "temperature": 2,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.01,
        "seed": 5,
        "repeat_penalty": 3,
        "frequency_penalty": 1,
        "presence_penalty": 1,
        "logit_bias": {"7": 5},
        "stop": ["q"],
        "min_tokens": 9,
        "max_tokens": 30,
    }
    asked = body(CHAT, "tiny", **fields)
    expected = essence(whole(another, CHAT, asked))
    assert essence(whole(gateway, CHAT, asked)) == expected
    for name in fields:
        changed = {k: v for k, v in asked.items() if k != name}
        if essence(whole(another, CHAT, changed)) != expected:
            assert essence(whole(gateway, CHAT, changed)) != expected


def test_an_error_of_the_upstream_comes_with_its_status_and_words(
    gateway: Server, llama_cpp: LlamaCppServer
) -> None:
    asked = body(COMPLETION, llama_cpp.model, prompt="word " * 3000)
    error = error_of(gateway.post(COMPLETION, asked), 400)
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "context_length_exceeded"
    assert f"exceeds the available context size ({CONTEXT_LENGTH} tokens)" in error["message"]
    assert "GPT4ALL_UPSTREAM" in error["message"]


def test_what_this_server_refuses_is_not_sent(gateway: Server, another: Server) -> None:
    error = error_of(gateway.post(CHAT, body(CHAT, "tiny", temperature=9)), 400)
    assert error["param"] == "temperature"


def test_the_key_is_sent(own_gateway: Callable[..., Server], tmp_path: Path) -> None:
    with serving(tmp_path / "another", API_KEY="right") as another:
        with own_gateway(another, UPSTREAM_KEY="right") as server:
            assert whole(server, CHAT, body(CHAT, "tiny"))
        with own_gateway(another, UPSTREAM_KEY="wrong") as server:
            assert server.get("/v1/models").json()["data"] == []
            error_of(server.get("/health/ready"), 503)
            assert "refuses the key in GPT4ALL_UPSTREAM_KEY" in server.log
            assert "wrong" not in server.log


def test_a_gateway_has_no_engine_and_little_memory(
    own_gateway: Callable[..., Server], another: Server
) -> None:
    with own_gateway(another, MODEL="zen") as server:
        assert server.get("/health/ready").json() == {"status": "ok", "model": "zen"}
        assert whole(server, CHAT, {"messages": [HELLO], "max_tokens": 2})["model"] == "zen"
        with pytest.raises(ValueError, match="unpack"):
            _ = server.model_pid
        assert psutil.Process(server.pid).memory_info().rss < 200 << 20


def test_the_log_says_at_the_start_where_questions_go(gateway: Server, another: Server) -> None:
    line = f"Questions to the models of {another.url}/v1 go there, with what LocalDocs finds."
    assert gateway.log.count(line) == 1


def test_the_page_lists_the_models(gateway: Server) -> None:
    models = gateway.get("/page/models", headers=PAGE).json()["models"]
    assert [(m["name"], m["default"], m["problem"]) for m in models][:2] == [
        ("tiny", True, None),
        ("zen", False, None),
    ]


def test_a_file_comes_before_a_model_of_that_name(
    own_gateway: Callable[..., Server], tmp_path: Path, another: Server
) -> None:
    models = tmp_path / "gateway" / "models"
    models.mkdir(parents=True)
    write_tiny_gguf(models / "tiny.gguf")
    with own_gateway(another) as server:
        assert server.get("/v1/models/tiny").json()["engine"] == "ctransformers"
        assert server.get("/v1/models/zen").json()["engine"] == "upstream"
        listed = [model["id"] for model in server.get("/v1/models").json()["data"]]
        assert listed == ["tiny", "zen"]


def test_nobody_waits_behind_the_local_model(
    own_gateway: Callable[..., Server], tmp_path: Path, another: Server
) -> None:
    models = tmp_path / "gateway" / "models"
    models.mkdir(parents=True)
    write_tiny_gguf(models / "own.gguf", context_length=100_000)
    with own_gateway(another, CONTEXT_LENGTH="100000", QUEUE_LIMIT="0", THREADS="1") as server:
        wait_until(server, model="own", busy=False)
        with server.send(COMPLETION, {**LONG, "model": "own"}):
            wait_until(server, busy=True)
            assert whole(server, CHAT, body(CHAT, "tiny"))
            assert server.get("/health").json()["busy"]


def test_a_client_that_leaves_frees_the_upstream(gateway: Server, another: Server) -> None:
    wait_until(another, busy=False)
    for stream in (False, True):
        with gateway.send(COMPLETION, {**LONG, "model": "tiny", "stream": stream}):
            wait_until(another, busy=True)
        wait_until(another, busy=False)


def test_many_can_ask_at_once(gateway: Server, another: Server, llama_cpp: LlamaCppServer) -> None:
    # llama.cpp's server lets them wait, this one only so many.
    asked = body(CHAT, llama_cpp.model)
    expected = essence(whole(gateway, CHAT, asked))["text"]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: whole(gateway, CHAT, asked), range(32)))
    assert {essence(answer)["text"] for answer in answers} == {expected}


def test_as_many_as_the_limit_are_there_at_once(gateway: Server, llama_cpp: LlamaCppServer) -> None:
    with ExitStack() as connections:
        for _ in range(32):
            asked = body(COMPLETION, llama_cpp.model, max_tokens=400)
            connections.enter_context(gateway.send(COMPLETION, asked))
        soon(lambda: "gpt4all_upstream_requests 32.0" in gateway.get("/metrics").text)
    soon(lambda: "gpt4all_upstream_requests 0.0" in gateway.get("/metrics").text)


def test_more_than_the_limit_are_told_to_come_again(
    own_gateway: Callable[..., Server], another: Server
) -> None:
    with own_gateway(another, UPSTREAM_LIMIT="1") as server:
        with server.send(COMPLETION, {**LONG, "model": "tiny"}):
            wait_until(another, busy=True)
            response = server.post(CHAT, body(CHAT, "tiny"))
            error = error_of(response, 503)
            assert error["code"] == "queue_full"
            assert "GPT4ALL_UPSTREAM_LIMIT" in error["message"]
            assert response.headers["Retry-After"]
        wait_until(another, busy=False)
        assert whole(server, CHAT, body(CHAT, "tiny"))


def test_an_upstream_that_is_killed_between_requests_is_away_until_it_is_back(
    own_gateway: Callable[..., Server], tmp_path: Path
) -> None:
    another = serving(tmp_path / "another")
    with another, own_gateway(another) as server:
        assert whole(server, CHAT, body(CHAT, "tiny"))
        os.kill(another.pid, signal.SIGKILL)
        another.__exit__()
        response = server.post(CHAT, body(CHAT, "tiny"))
        assert error_of(response, 503)["code"] == "upstream_unreachable"
        assert response.headers["Retry-After"]
        assert server.get("/v1/models").json()["data"] == []
        assert server.log.count("is away") == 1
        with another:
            assert whole(server, CHAT, body(CHAT, "tiny"))


def test_an_upstream_that_starts_later_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = serving(tmp_path / "another")
    settings = {"DATA_DIR": str(tmp_path / "gateway"), "UPSTREAM": v1(another)}
    client = create_app(settings).test_client()
    error = client.get("/health/ready").json["error"]
    assert error["code"] == "no_model"
    assert f"{another.url}/v1: ConnectError" in error["message"]
    with another:
        assert client.get("/health/ready").status_code == 503  # it was asked just now
        monkeypatch.setattr("app.upstreams.directory._ASKED_EVERY", 0)
        assert client.get("/health/ready").json == {"status": "ok", "model": "tiny"}
        transport = client.application.extensions["gpt4all"].upstreams._transport
        transport.begin(transport._client.aclose()).result()


def has_text(server: Server) -> bool:
    """Whether the last request to ``server`` has got some text."""
    entries = server.get("/page/server-chat", headers=PAGE).json()["entries"]
    return bool(entries and entries[-1]["answers"])


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_is_killed_in_an_answer_costs_that_answer(
    own_gateway: Callable[..., Server], tmp_path: Path, stream: bool
) -> None:
    another = serving(tmp_path / "another")
    with another, own_gateway(another) as server, ThreadPoolExecutor() as pool:
        asked = {**LONG, "model": "tiny", "stream": stream}
        answer = pool.submit(server.post, COMPLETION, asked)
        soon(lambda: has_text(another))
        os.kill(another.pid, signal.SIGKILL)
        response = answer.result()
        if stream:
            last = response.text.strip().split("\n\n")[-1]
            error = json.loads(last.removeprefix("event: error\ndata: "))["error"]
        else:
            error = error_of(response, 502)
            assert response.headers["x-should-retry"] == "false"
        assert error["code"] == "upstream_failed"


LONG_PROMPT = {"model": "tiny", "prompt": "hello world " * 3_000, "max_tokens": 1}


def test_an_upstream_that_is_killed_in_the_prompt_has_not_answered(
    own_gateway: Callable[..., Server], tmp_path: Path
) -> None:
    another = serving(tmp_path / "another")
    with another, own_gateway(another) as server, ThreadPoolExecutor() as pool:
        wait_until(another, model="tiny", busy=False)
        answer = pool.submit(server.post, COMPLETION, LONG_PROMPT)
        wait_until(another, busy=True)
        os.kill(another.pid, signal.SIGKILL)
        assert error_of(answer.result(), 503)["code"] == "upstream_unreachable"


def test_what_was_not_answered_is_asked_once_more_of_another_upstream(
    own_gateway: Callable[..., Server], tmp_path: Path
) -> None:
    first, second = serving(tmp_path / "first"), serving(tmp_path / "second")
    with first, second, own_gateway(first, second) as server, ThreadPoolExecutor() as pool:
        wait_until(first, model="tiny", busy=False)
        answer = pool.submit(server.post, COMPLETION, LONG_PROMPT)
        wait_until(first, busy=True)
        os.kill(first.pid, signal.SIGKILL)
        assert answer.result().status_code == 200


def test_an_upstream_may_restart_between_two_requests(
    own_gateway: Callable[..., Server], tmp_path: Path
) -> None:
    another = serving(tmp_path / "another")
    with another, own_gateway(another) as server:
        assert whole(server, CHAT, body(CHAT, "tiny"))
        another.__exit__()
        with another:
            assert whole(server, CHAT, body(CHAT, "tiny"))
        assert "is away" not in server.log


def test_a_stopping_server_lets_upstreams_finish(
    own_gateway: Callable[..., Server], another: Server
) -> None:
    with own_gateway(another, GRACE="60") as server, ThreadPoolExecutor() as pool:
        asked = {**LONG, "model": "tiny", "max_tokens": 3000}
        answer = pool.submit(whole, server, COMPLETION, asked)
        wait_until(another, busy=True)
        server.signal(signal.SIGTERM)
        assert answer.result()["usage"]["completion_tokens"] == 3000


def test_openais_client_streams_from_an_upstream(gateway: Server, upstream: Upstream) -> None:
    client = OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)
    asked = {"model": upstream[1], "messages": [QUESTION], "max_tokens": 5}
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert chunks[-1].choices[0].references[0]["file"] == "office.txt"
    with pytest.raises(APIError, match=r"exceeds the available|context length"):
        client.completions.create(model=upstream[1], prompt="word " * 120_000, max_tokens=1)
