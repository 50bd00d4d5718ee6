"""What docs/operations.md says about other programs, tried with them."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from openai import OpenAI

from .conftest import DEFAULT_MODEL
from .server import ROOT, Server, free_port

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "gpt4all-wsgi.service"
    text = (ROOT / "docs" / unit.name).read_text()
    assert "/opt/gpt4all-wsgi/.venv/bin/flask --app wsgi serve\n" in text
    # systemd looks whether the program is there.
    unit.write_text(text.replace("/opt/gpt4all-wsgi/.venv/bin/flask", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, unit.name in done.stderr) == (0, False), done.stderr


@pytest.fixture
def proxy(data_dir: Path, tmp_path: Path) -> Iterator[str]:
    """The address of Caddy in front of a server, with the file of the documentation."""
    [config] = re.findall(r"```\n(models\.example\.org \{\n.*?\n\}\n)```", OPERATIONS, re.DOTALL)
    port = free_port()
    with Server(data_dir, API_KEY="key", HOSTS="models.example.org") as server:
        # A certificate of its own, because nobody else gives one for this name.
        own = config.replace("4891", str(server.port)).replace("{\n", "{\n\ttls internal\n", 1)
        options = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttps_port {port}\n"
        file = tmp_path / "Caddyfile"
        file.write_text(options + "\tskip_install_trust\n}\n" + own)
        caddy = subprocess.Popen(
            ["caddy", "run", "--config", str(file)],
            env={**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert caddy.stderr is not None
        try:
            for line in caddy.stderr:
                if "certificate obtained successfully" in line:
                    break
            wait_for_handshake(port)
            yield f"{port}"
        finally:
            caddy.terminate()
            caddy.communicate(timeout=30)


def wait_for_handshake(port: int) -> None:
    """Waits until Caddy uses its certificate, which is a moment after it has it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    end = time.monotonic() + 30
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", port)) as connection,
                context.wrap_socket(connection, server_hostname="models.example.org"),
            ):
                return
        except ssl.SSLError:
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.skipif(shutil.which("caddy") is None, reason="needs Caddy (Debian: caddy)")
def test_caddy_serves_others(proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def here(host: str, *how: object, **more: object) -> object:
        return resolve("127.0.0.1" if host == "models.example.org" else host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    base = f"https://models.example.org:{proxy}"
    assert requests.get(f"{base}/v1/models", verify=str(root), timeout=60).status_code == 401
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    with OpenAI(base_url=f"{base}/v1", api_key="key") as client:
        stream = client.completions.create(
            model=DEFAULT_MODEL, prompt="1 2 3", max_tokens=5, stream=True
        )
        assert len([chunk for chunk in stream if chunk.choices[0].text]) > 1
