"""The commands that the README shows, run as it shows them."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.schemas.settings import SettingsSchema
from localdocs.collections import Collections

from .conftest import DEFAULT_MODEL
from .server import ROOT, Server

README = (ROOT / "README.md").read_text(encoding="utf-8")


def code(language: str, containing: str) -> str:
    """The README's code block in ``language`` that contains a text."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    [block] = [text for name, text in blocks if name == language and containing in text]
    return block


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs the program curl")
def test_gpt4alls_curl_call_is_answered(server: Server) -> None:
    command = code("", "curl -X POST").replace("http://localhost:4891", server.url)
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    answer = json.loads(run.stdout)
    assert answer["model"] == DEFAULT_MODEL
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 50


def test_gpt4alls_powershell_call_is_answered(server: Server) -> None:
    # This uses only the body and the content type, because PowerShell may not be installed.
    call = code("powershell", "Invoke-WebRequest")
    body = call[call.index("'") + 1 : call.rindex("'")]
    response = server.post(
        "/v1/chat/completions", None, data=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"]


def test_the_openai_snippet_streams(server: Server) -> None:
    snippet = code("python", "stream=True").replace("http://127.0.0.1:4891", server.url)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(snippet, {})
    assert len(output.getvalue()) > 10


def test_localdocs_commands_and_snippet_work(server: Server, data_dir: Path) -> None:
    flask = f"{shlex.quote(sys.executable)} -m flask "
    output = ""
    for command in code("", "localdocs create").replace(".venv/bin/flask ", flask).splitlines():
        run = subprocess.run(
            command,
            shell=True,
            cwd=ROOT,
            env={**os.environ, "GPT4ALL_DATA_DIR": str(data_dir)},
            capture_output=True,
            text=True,
            check=True,
        )
        output += run.stdout
    assert re.search(r"^Manual: [3-9] files", output, re.MULTILINE)
    assert "models.md, lines" in output
    snippet = code("python", "references").replace("http://127.0.0.1:4891", server.url)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(snippet, {})
    finally:
        Collections(data_dir / "localdocs").remove("Manual")
    assert "models.md lines" in printed.getvalue()


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `GPT4ALL_(\w+)` \| (.*?) \|", README, re.MULTILINE))
    fields = SettingsSchema().fields
    assert {name.lower() for name in rows} == fields.keys()
    for name, default in rows.items():
        if default.isdigit():
            assert fields[name.lower()].load_default == int(default)


def test_every_endpoint_is_in_the_table(server: Server) -> None:
    for method, path in re.findall(r"^\| (GET|POST) (\S+) \|", README, re.MULTILINE):
        response = server.post(path, {}) if method == "POST" else server.get(path)
        if path != "/v1/models/NAME":
            assert response.status_code == (400 if method == "POST" else 200)
