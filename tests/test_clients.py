"""Real client programs against a real server, each as its users would write it.

`make clients` installs them in separate environments, because some want an older release of the
openai package than the newest, which the other tests use.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import DEFAULT_MODEL
from .server import ROOT, Server

CLIENTS = ROOT / "tests" / "clients"
ANN = {"name": "Ann", "age": 41}
PROGRAMS = ROOT / ".venv-clients" / ("Scripts" if sys.platform == "win32" else "bin")

python_clients = pytest.mark.skipif(not PROGRAMS.exists(), reason="needs `make clients`")
node_client = pytest.mark.skipif(
    shutil.which("node") is None or not (CLIENTS / "node_modules").exists(),
    reason="needs Node (Debian: nodejs, npm) and `make clients`",
)


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        # litellm would fetch a list of prices.
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(
    server: Server, *command: str | Path, more: tuple[str | Path, ...] = ()
) -> dict[str, Any]:
    """What a client's script prints. It gets the address, the model and ``more``."""
    found: dict[str, Any] = json.loads(run(*command, f"{server.url}/v1", DEFAULT_MODEL, *more))
    return found


@python_clients
def test_langchain(server: Server) -> None:
    found = answers(server, PROGRAMS / "python", CLIENTS / "langchain_client.py")
    assert found["chat"] == found["stream"]
    assert found["chat"].startswith("Hello")
    assert found["completion"]
    assert found["person"] == {"name": "Ann", "age": 41}
    assert found["call"] == ["get_weather", {"city": "Paris"}]
    assert json.loads(found["streamed call"]) == {"city": "Paris"}
    assert found["logprobs"] > 0


@python_clients
def test_litellm(server: Server) -> None:
    found = answers(server, PROGRAMS / "python", CLIENTS / "litellm_client.py")
    assert found["chat"] == found["stream"]
    assert found["chat"].startswith("Hello")
    assert found["call"] == "greet"
    assert found["completion"]


@python_clients
def test_llm(server: Server, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"""
- model_id: local
  model_name: {DEFAULT_MODEL}
  api_base: {server.url}/v1
  supports_schema: true
- model_id: local-completion
  model_name: {DEFAULT_MODEL}
  api_base: {server.url}/v1
  completion: true
"""
    )

    def llm(*arguments: str) -> str:
        how = ("--key", "none", "-o", "temperature", "0", "-o", "max_tokens", "30")
        return run(PROGRAMS / "llm", "-m", *arguments, *how, LLM_USER_PATH=str(tmp_path))

    streamed = llm("local", "Say hello.")
    assert streamed.startswith("Hello")
    assert llm("local", "Say hello.", "--no-stream") == streamed
    person = llm("local", "Ann is 41 years old.", "--schema", "name, age int")
    assert json.loads(person) == {"name": "Ann", "age": 41}
    assert llm("local-completion", "1 2 3 4").strip()


@python_clients
@pytest.mark.parametrize("python", [sys.executable, PROGRAMS / "python"], ids=["newest", "older"])
def test_the_messages_of_openais_helpers_go_back(server: Server, python: str | Path) -> None:
    found = answers(server, python, CLIENTS / "openai_client.py")
    for api in "", "responses.":
        parse, stream = found[f"{api}parse"], found[f"{api}stream"]
        assert parse["parsed"] == ANN
        assert stream["calls"] == [{"name": "Ann"}]
        for way in parse, stream:
            assert way["grown"] > 0
            assert way["text"]


@python_clients
@pytest.mark.parametrize("api", ["default", "chat_completions"])
def test_openai_agents(server: Server, api: str) -> None:
    found = answers(server, PROGRAMS / "python", CLIENTS / "agents_client.py", more=(api,))
    steps = ["tool_call_item", "tool_call_output_item", "message_output_item"]
    assert found["plain"] == found["streamed"] == steps
    assert found["asked"] == ["Paris", "Paris"]
    plain, streamed, pieces = found["answers"]
    assert plain
    assert plain == streamed == pieces
    assert found["second"].startswith("Hello")
    assert found["grown"] > 0


@python_clients
def test_pydantic_ai(server: Server) -> None:
    found = answers(server, PROGRAMS / "python", CLIENTS / "pydantic_ai_client.py")
    assert found["chat"] == found["stream"]
    assert found["chat"].startswith("Hello")
    assert found["by tool"] == found["by schema"] == ANN
    assert found["asked"] == ["Paris"]
    assert found["parts"] == ["user-prompt", "tool-call", "tool-return", "text"]
    assert found["second"].startswith("Hello")
    assert found["grown"] > 0


@python_clients
def test_instructor(server: Server) -> None:
    found = answers(server, PROGRAMS / "python", CLIENTS / "instructor_client.py")
    for way in "TOOLS", "JSON_SCHEMA":
        assert found[way]["person"] == ANN
        assert found[way]["doubts"] == [True, False]
        assert found[way]["streamed"]["age"] == 41


@python_clients
def test_lm_eval(server: Server, default_gguf: Path) -> None:
    script = CLIENTS / "lm_eval_client.py"
    found = answers(server, PROGRAMS / "python", script, more=(default_gguf,))
    assert found["text"] == found["ids"] == found["batches"] == found["at once"]
    likelihoods, greedy = zip(*found["text"], strict=True)
    (paris, no_rome), (no_paris, rome) = likelihoods[:2], likelihoods[2:4]
    assert paris > no_rome
    assert rome > no_paris
    assert greedy[:4] == (True, False, False, True)
    # Without an entry for the end of the answer, the last token would not be counted.
    assert likelihoods[-1] < likelihoods[-2] < 0
    # The same by definition: nothing but the beginning comes before the text.
    assert found["after nothing"][0][0] == found["rolling"][0]
    assert found["generated"] == found["generated from ids"] == found["generated at once"]
    assert found["generated"][:2] == [" Paris", " Rome"]


@node_client
def test_the_openai_package_for_node(server: Server) -> None:
    found = answers(server, "node", CLIENTS / "node_client.mjs")
    assert found["chat"] == found["stream"]
    assert found["chat"].startswith("Hello")
    assert found["call"]["name"] == "greet"
    assert isinstance(json.loads(found["call"]["arguments"]), dict)
    assert found["completion"] == found["pieces"]
    assert found["model"] == DEFAULT_MODEL
    assert found["refused"] == "400 messages"


@node_client
@pytest.mark.parametrize("release", ["openai4", "openai5", "openai6", "openai"])
def test_the_messages_of_nodes_helpers_go_back(server: Server, release: str) -> None:
    found = answers(server, "node", CLIENTS / "node_helpers_client.mjs", more=(release,))
    assert json.loads(found["parse"]["content"]) == ANN
    assert json.loads(found["stream"]["content"]) == ANN
    assert found["call"]["calls"] == [{"name": "Ann"}]
    for way in "parse", "stream", "call":
        assert found[way]["grown"] > 0
        assert found[way]["text"]
    assert found["run"]["asked"] == ["Ann", "Ann"]
    assert found["run"]["roles"] == ["user", "assistant", "tool", "assistant", "tool"]


@node_client
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_ai_sdk(server: Server, api: str) -> None:
    found = answers(server, "node", CLIENTS / "ai_sdk_client.mjs", more=(api,))
    assert found["chat"] == found["stream"]
    assert found["chat"].startswith("Hello")
    assert found["object"] == found["streamed object"] == ANN
    assert found["steps"] == found["streamed steps"] == ["tool-calls", "stop"]
    assert found["asked"] == ["Paris", "Paris"]
    plain, streamed = found["answers"]
    assert plain
    assert plain == streamed
    assert found["second"].startswith("Hello")
    assert found["grown"] > 0
