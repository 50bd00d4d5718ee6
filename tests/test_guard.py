import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.application import create_app
from app.schemas import SettingsError
from app.schemas.settings import read_settings

from .server import ROOT, Server, free_port


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:4891", "127.0.0.1:4891", "[::1]:4891", "192.168.1.7", "LOCALHOST:1"],
)
def test_addresses_and_localhost_are_allowed(client: FlaskClient, host: str) -> None:
    # A page that this server has sent is its own.
    headers = {"Host": host, "Origin": f"http://{host}"}
    response = client.get("/v1/models", headers=headers)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:4891", "x@y", "0x7f.1"],
)
@pytest.mark.parametrize("path", ["/v1/models", "/health", "/nothing"])
def test_other_names_are_refused(client: FlaskClient, host: str, path: str) -> None:
    response = client.get(path, headers={"Host": host})
    assert response.status_code in {400, 403}
    assert "error" in response.json


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost.evil.example",
        "file://",
        "x",
        "http://203.0.113.5",
        "http://[2001:db8::1]:80",
        "http://192.168.1.7",
        "tauri://localhost",
        "vscode-webview://abc",
        "http://127.0.0.1.evil.example",
        "http://x@evil.example",
        "http://[",
    ],
)
def test_pages_of_other_hosts_are_refused(client: FlaskClient, origin: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    response = client.post("/v1/chat/completions", json=body, headers={"Origin": origin})
    assert response.status_code == 403
    error = response.json["error"]
    assert error["code"] == "forbidden"
    assert "GPT4ALL_ORIGINS" in error["message"]
    assert "Access-Control-Allow-Origin" not in response.headers
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert client.options("/v1/chat/completions", headers=preflight).status_code == 403


def test_names_can_be_allowed(tiny_gguf: Path) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "HOSTS": "My.Server, other"}
    client = create_app(settings).test_client()
    for host in ("my.server:4891", "other"):
        headers = {"Host": host, "Origin": f"https://{host}"}
        assert client.get("/v1/models", headers=headers).status_code == 200
    assert client.get("/v1/models", headers={"Host": "third"}).status_code == 403


FRIENDS = ["http://localhost:3000", "https://my.localhost", "http://127.0.0.1:5173", "http://[::1]"]


def make_client(tiny_gguf: Path, **settings: str) -> FlaskClient:
    return create_app({"DATA_DIR": str(tiny_gguf.parent.parent), **settings}).test_client()


@pytest.mark.parametrize("origin", FRIENDS)
@pytest.mark.parametrize(
    ("body", "status"),
    [({"prompt": "x", "max_tokens": 1}, 200), ({"prompt": 1.5}, 400)],
    ids=["answer", "error"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_pages_of_this_machine_can_read_the_answers(
    client: FlaskClient, origin: str, body: dict[str, Any], status: int, stream: bool
) -> None:
    asked = {"model": "m", "stream": stream, **body}
    response = client.post("/v1/completions", json=asked, headers={"Origin": origin})
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in response.vary


@pytest.mark.parametrize("origin", FRIENDS)
def test_browsers_may_ask_before_they_send_a_friends_request(
    client: FlaskClient, origin: str
) -> None:
    wanted = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    }
    response = client.options("/v1/chat/completions", headers=wanted)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "x-stainless-os" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("named", "origin"),
    [
        ("https://chat.example", "https://chat.example"),
        ("tauri://localhost, app://obsidian.md", "app://obsidian.md"),
        ("vscode-webview://*", "vscode-webview://1ab2"),
        ("null", "null"),
        ("http://203.0.113.5:80*", "http://203.0.113.5:8080"),
    ],
)
def test_origins_can_be_named(tiny_gguf: Path, named: str, origin: str) -> None:
    client = make_client(tiny_gguf, ORIGINS=named)
    response = client.get("/v1/models", headers={"Origin": origin})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin
    other = client.get("/v1/models", headers={"Origin": "https://evil.example"})
    assert other.status_code == 403


def test_foreign_pages_are_refused_without_an_origin_too(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/v1/models", headers=headers).status_code == 403
    for site in ("same-origin", "same-site", "none"):
        headers = {"Sec-Fetch-Site": site}
        assert client.get("/v1/models", headers=headers).status_code == 200


@pytest.fixture
def locked(tiny_gguf: Path, tmp_path: Path) -> FlaskClient:
    (tmp_path / "keys").write_text("second\n\n  schlüssel \n", encoding="utf-8")
    return make_client(tiny_gguf, API_KEY="first", API_KEY_FILE=str(tmp_path / "keys"))


@pytest.mark.parametrize("key", ["first", "second", "schlüssel"])
def test_each_key_opens(locked: FlaskClient, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode().decode("latin-1")}
    assert locked.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Bearer third", "Bearer firs", "Basic first", "first"]
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/tiny", "/openapi.json", "/nothing"])
def test_without_a_key_nothing_is_answered(
    locked: FlaskClient, given: str | None, path: str
) -> None:
    headers = {} if given is None else {"Authorization": given}
    response = locked.get(path, headers=headers)
    assert response.status_code == 401
    assert response.json["error"]["code"] == "invalid_api_key"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_health_needs_no_key(locked: FlaskClient) -> None:
    assert locked.get("/health").status_code == 200


def test_a_browser_need_not_know_the_key_to_ask_whether_it_may_ask(locked: FlaskClient) -> None:
    headers = {"Origin": FRIENDS[0], "Access-Control-Request-Method": "POST"}
    assert locked.options("/v1/completions", headers=headers).status_code == 204


@pytest.mark.parametrize("text", [None, "", " \n\n"])
def test_a_file_without_keys_locks_nothing_by_mistake(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "keys"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match="GPT4ALL_API_KEY_FILE"):
        create_app({"DATA_DIR": str(tmp_path), "API_KEY_FILE": str(path)})


def test_keys_are_shown_nowhere(tmp_path: Path) -> None:
    assert "secret" not in repr(read_settings({"API_KEY": "secret"}, str(tmp_path)))


def test_responses_cannot_be_taken_for_something_else(client: FlaskClient) -> None:
    for path in ("/v1/models", "/nothing"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_real_server_does_not_say_what_it_is(server: Server) -> None:
    assert "Server" not in server.get("/health").headers


@pytest.mark.parametrize(
    ("host", "key", "warned"),
    [("0.0.0.0", "", True), ("0.0.0.0", "x", False), ("127.0.0.1", "", False)],
)
def test_a_server_that_other_machines_can_reach_without_a_key_says_so(
    tmp_path: Path, host: str, key: str, warned: bool
) -> None:
    port = free_port()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "wsgi",
            "serve",
            f"--host={host}",
            f"--port={port}",
        ],
        env=os.environ | {"GPT4ALL_DATA_DIR": str(tmp_path), "GPT4ALL_API_KEY": key},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = ""
        while "Serving on" not in said:
            said += process.stderr.readline()
        process.kill()
    assert ("Set GPT4ALL_API_KEY" in said) == warned


def test_a_real_server_is_guarded(server: Server) -> None:
    assert server.get("/health").status_code == 200
    assert server.get("/health", headers={"Host": "evil.example"}).status_code == 403
