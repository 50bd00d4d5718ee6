"""To start quickly, programs load nothing that they do not use."""

import subprocess
import sys
from pathlib import Path

import pytest

from .server import ROOT, Server

# Of what runs models, reads GGUFs and documents, and describes the API.
SLOW = {
    "apispec", "ctransformers", "gguf", "httpx2", "huggingface_hub", "icu4py", "llama_cpp",
    "llguidance", "lxml", "numpy", "pypdfium2", "sentencepiece", "simplemma", "tokenizers",
    "watchdog", "whoosh",
}  # fmt: skip


def loaded(code: str) -> set[str]:
    """The packages that a program has loaded at its end."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", program]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name.partition(".")[0] for name in names.split()}


@pytest.mark.parametrize(
    "code",
    [
        "import app.schemas",
        "import app.application, app.cli.serve",
        "import wsgi",
        "import localdocs.collections, localdocs.watching_process",
    ],
)
def test_the_server_loads_nothing_slow_before_it_serves(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")  # wsgi.py starts nothing then
    assert loaded(code) & SLOW == set()


def test_the_model_process_loads_no_web_framework() -> None:
    web = {"flask", "marshmallow", "waitress", "whoosh"}
    assert loaded("import app.inference.__main__") & web == set()


def test_a_model_that_is_known_already_is_listed_without_reading_it(
    server: Server, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.get("/v1/models").raise_for_status()
    monkeypatch.setenv("GPT4ALL_DATA_DIR", str(data_dir))
    code = "from app.application import create_app; "
    code += "create_app().extensions['gpt4all'].library.models()[0]"
    assert loaded(code) & SLOW == set()
