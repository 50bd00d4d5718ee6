"""What Prometheus is told."""

import os
import signal
from pathlib import Path

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app.service import Service
from localdocs.limits import Limits
from localdocs.refreshing import refresh

CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3, "min_tokens": 3}


def figures(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """The figures, by name and values of labels."""
    response = client.get("/metrics", buffered=True)
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name.removeprefix("gpt4all_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(own_client: FlaskClient) -> None:
    for path in ("/v1/models", "/v1/models", "/a", "/b", "/v1/models/tiny"):
        own_client.get(path, buffered=True)
    own_client.post(CHAT, json={}, buffered=True)
    found = figures(own_client)
    assert found["requests_total", "/v1/models", "200"] == 2
    assert found["requests_total", "other", "404"] == 2
    assert found["requests_total", "/v1/models/<path:name>", "200"] == 1
    assert found["requests_total", CHAT, "400"] == 1


def test_tokens_and_times_are_counted(own_client: FlaskClient) -> None:
    usage = own_client.post(CHAT, json=BODY, buffered=True).json["usage"]
    own_client.post(CHAT, json={**BODY, "stream": True}, buffered=True)
    found = figures(own_client)
    assert found["tokens_total", "prompt"] == 2 * usage["prompt_tokens"]
    assert found["tokens_total", "cached"] == usage["prompt_tokens"]
    assert found["tokens_total", "answer"] == 6
    assert found["queue_seconds_count",] == found["first_text_seconds_count",] == 2
    assert found["busy",] == found["waiting",] == 0


def test_loads_and_crashes_are_counted(own_client: FlaskClient) -> None:
    own_client.post(CHAT, json=BODY, buffered=True)
    service: Service = own_client.application.extensions["gpt4all"]
    assert (figures(own_client)["model_loads_total",], service.worker.crashes) == (1, 0)
    process = service.worker._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process._reader.join(30)
    assert figures(own_client)["model_crashes_total",] == 1
    own_client.post(CHAT, json=BODY, buffered=True)
    found = figures(own_client)
    assert (found["model_loads_total",], found["model_crashes_total",]) == (2, 1)


def test_localdocs_is_counted(own_client: FlaskClient, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("A text about apples.")
    (folder / "b.pdf").write_bytes(b"no PDF")
    collections = own_client.application.extensions["gpt4all"].collections
    collections.create("Fruit", folder)
    refresh(collections, "Fruit", Limits())
    found = figures(own_client)
    assert (found["localdocs_files",], found["localdocs_failed_files",]) == (2, 1)
    assert found["localdocs_snippets",] == 1
