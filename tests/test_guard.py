from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.application import create_app

from .server import Server


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:4891", "127.0.0.1:4891", "[::1]:4891", "192.168.1.7", "LOCALHOST:1"],
)
def test_addresses_and_localhost_are_allowed(client: FlaskClient, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("/v1/models", headers=headers).status_code == 200


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
    "origin", ["https://evil.example", "null", "", "http://localhost.evil.example", "file://", "x"]
)
def test_pages_of_other_hosts_are_refused(client: FlaskClient, origin: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    response = client.post("/v1/chat/completions", json=body, headers={"Origin": origin})
    assert response.status_code == 403
    error = response.json["error"]
    assert error["code"] == "forbidden"
    assert "GPT4ALL_HOSTS" in error["message"]
    assert "Access-Control-Allow-Origin" not in response.headers


def test_names_can_be_allowed(tiny_gguf: Path) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "HOSTS": "My.Server, other"}
    client = create_app(settings).test_client()
    for host in ("my.server:4891", "other"):
        headers = {"Host": host, "Origin": f"https://{host}"}
        assert client.get("/v1/models", headers=headers).status_code == 200
    assert client.get("/v1/models", headers={"Host": "third"}).status_code == 403


def test_a_real_server_is_guarded(server: Server) -> None:
    assert server.get("/health").status_code == 200
    assert server.get("/health", headers={"Host": "evil.example"}).status_code == 403
