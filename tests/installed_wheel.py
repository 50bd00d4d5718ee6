"""Builds the wheel, installs it into an empty environment, and asks its server.

`make wheel` runs this. It takes up to half a minute, so its name keeps it out of `make test`.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests
from flask.testing import FlaskClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app import __version__

from .server import ROOT, free_port

# Nothing here may find the checkout, or the settings of the person who runs the tests.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONPATH" and "GPT4ALL_" not in name
}
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "instance", "node_modules")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A build leaves a folder next to the sources.
    checkout = shutil.copytree(ROOT, folder / "checkout", ignore=NOT_COPIED)
    run(folder, sys.executable, "-m", "build", "--outdir", folder, checkout)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs in an environment that has only the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    run(folder, sys.executable, "-m", "venv", folder)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    run(folder, *pip, "install", "--quiet", "--constraint", ROOT / "requirements.txt", wheel)
    return folder / "bin"


def test_the_wheel_holds_the_server_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    about = f"gpt4all_wsgi-{__version__}.dist-info/"
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("app", "localdocs")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith(about)} == sources | {"wsgi.py"}
    assert f"{about}licenses/LICENSE" in names


def test_what_is_installed_with_it_is_what_requirements_txt_pins(programs: Path) -> None:
    pins = [
        Requirement(line)
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    frozen = run(programs, programs / "python", "-m", "pip", "freeze", "--exclude", "gpt4all-wsgi")
    installed = [Requirement(line) for line in frozen.splitlines()]
    assert {canonicalize_name(found.name): found.specifier for found in installed} == {
        canonicalize_name(pin.name): pin.specifier
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def test_the_installed_server_answers_as_the_checkout_does(
    programs: Path, tiny_gguf: Path, client: FlaskClient
) -> None:
    request = {"prompt": "hello world", "max_tokens": 8, "temperature": 0, "ignore_eos": True}
    port = free_port()
    server = subprocess.Popen(
        [programs / "flask", "--app", "wsgi", "serve", f"--port={port}"],
        cwd=programs,
        env={**ENVIRONMENT, "GPT4ALL_DATA_DIR": str(tiny_gguf.parent.parent)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = threading.Timer(60, server.kill)
    deadline.start()
    try:
        assert server.stderr is not None
        log = ""
        while "Serving on" not in log:
            line = server.stderr.readline()
            assert line, log
            log += line
        url = f"http://127.0.0.1:{port}"
        page, module = (
            requests.get(url + path, timeout=60) for path in ("/", "/page/files/main.js")
        )
        response = requests.post(f"{url}/v1/completions", json=request, timeout=60)
    finally:
        deadline.cancel()
        server.terminate()
        server.communicate()
    assert "main.js" in page.text
    assert module.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.status_code == 200
    answer = response.json()
    assert answer["model"] == "tiny"
    assert answer["usage"]["completion_tokens"] == 8
    assert answer["choices"] == client.post("/v1/completions", json=request).get_json()["choices"]


def run(folder: Path, *command: str | Path) -> str:
    """What a command prints. Its error messages are shown."""
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
