"""Real client programs against a real server, each as its users would write it.

They are installed by `make clients` in environments of their own: some want another release of
the openai package than the newest, which the rest of the tests use.
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


def answers(server: Server, *command: str | Path) -> dict[str, Any]:
    """What a client's script prints, given the address and the model."""
    found: dict[str, Any] = json.loads(run(*command, f"{server.url}/v1", DEFAULT_MODEL))
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
