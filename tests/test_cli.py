import hashlib
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from .tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.usefixtures("without_llama_cpp")


@pytest.fixture
def models(app: Flask, tiny_gguf: Path) -> Path:
    """The models folder, with one tiny model in it."""
    return tiny_gguf.parent


def run(app: Flask, *arguments: str, **how: Any) -> Result:
    return app.test_cli_runner().invoke(args=["models", *arguments], **how)


def error(result: Result) -> str:
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output.removeprefix("Error: ").rstrip()


def test_list_shows_each_model(app: Flask, models: Path) -> None:
    write_tiny_gguf(models / "b.gguf", context_length=64)
    lines = run(app, "list").output.splitlines()
    assert re.fullmatch(
        r"b +0 MB +llama F32, 0 M parameters, context 64, ctransformers  \(default\)", lines[0]
    )
    assert re.fullmatch(
        r"tiny +0 MB +llama F32, 0 M parameters, context 256, ctransformers", lines[1]
    )


def test_list_gives_the_reason_for_what_cannot_be_used(app: Flask, models: Path) -> None:
    (models / "bad.gguf").write_bytes(b"no GGUF")
    assert "bad.gguf cannot be used: it is damaged" in run(app, "list").output


def test_list_of_an_empty_folder_says_what_to_do(app: Flask, tiny_gguf: Path) -> None:
    tiny_gguf.unlink()
    assert "`flask --app wsgi models default`" in error(run(app, "list"))


def test_show_prints_facts_and_settings(app: Flask, models: Path) -> None:
    (models / "tiny.json").write_text('{"name": "Tiny ✓", "temperature": 0.5}')
    output = run(app, "show", "Tiny ✓").output
    for line in (
        "context        256 tokens",
        "tokenizer      byte-level BPE, smollm, 269 tokens",
        "ends answers   <|endoftext|> <|im_end|>",
        "chat template  yes",
        "engine         ctransformers",
        "engine loads   a copy of 0 MB",
        "temperature: 0.5",
    ):
        assert line in output


def test_show_gives_the_reason_for_what_cannot_be_used(app: Flask, models: Path) -> None:
    (models / "tiny.json").write_text('{"temprature": 0}')
    assert "tiny.json: temprature is not a setting of a model." in run(app, "show", "tiny").output


@pytest.mark.parametrize("command", ["show", "remove"])
def test_an_unknown_name_is_answered_with_the_names(app: Flask, models: Path, command: str) -> None:
    assert error(run(app, command, "x")) == f"There is no model 'x' in {models}: tiny."


def test_check_says_how_a_file_anywhere_can_be_used(
    app: Flask, models: Path, tmp_path: Path
) -> None:
    result = run(app, "check", str(write_tiny_gguf(tmp_path / "a.gguf")))
    assert result.exit_code == 0
    assert result.output.startswith("a.gguf can be used, after rewriting it once: llama F32")


def test_check_gives_the_reason_for_what_cannot_be_used(
    app: Flask, models: Path, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="qwen2")
    assert "a.gguf cannot be used: its architecture is 'qwen2'" in error(
        run(app, "check", str(path))
    )


def test_check_remembers_nothing_about_a_file_elsewhere(
    app: Flask, models: Path, tmp_path: Path
) -> None:
    run(app, "list")
    before = sorted((tmp_path / "cache").iterdir())
    run(app, "check", str(write_tiny_gguf(tmp_path / "a.gguf")))
    assert sorted((tmp_path / "cache").iterdir()) == before


def test_add_copies_a_file(app: Flask, models: Path, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    assert "Installed a: llama F32" in run(app, "add", str(path)).output
    assert (models / "a.gguf").read_bytes() == path.read_bytes()
    assert sorted(path.name for path in models.iterdir()) == ["a.gguf", "tiny.gguf"]


def test_add_refuses_what_cannot_be_used(app: Flask, models: Path, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="gemma2")
    assert "its architecture is 'gemma2'" in error(run(app, "add", str(path)))
    assert [path.name for path in models.iterdir()] == ["tiny.gguf"]


def test_add_overwrites_nothing(app: Flask, models: Path, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", seed=9)
    before = (models / "tiny.gguf").read_bytes()
    assert "already exists; run `flask --app wsgi models remove tiny` first" in error(
        run(app, "add", str(path))
    )
    assert (models / "tiny.gguf").read_bytes() == before


@pytest.mark.parametrize("source", ["nowhere.gguf", "http://127.0.0.1/a.txt", "http://127.0.0.1/"])
def test_add_refuses_what_is_not_a_gguf(app: Flask, models: Path, source: str) -> None:
    assert re.search(r"There is no file|not the name of a GGUF", error(run(app, "add", source)))


def test_add_checks_the_disk_first(
    app: Flask, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    # A test cannot fill the disk.
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert "only 0 MiB left" in error(run(app, "add", str(path)))
    assert not (models / "a.gguf").exists()


def test_remove_asks_first(app: Flask, models: Path) -> None:
    result = run(app, "remove", "tiny", input="n\n")
    assert result.exit_code == 1
    assert (models / "tiny.gguf").exists()


def test_remove_deletes_file_settings_and_what_was_made_from_it(
    app: Flask, models: Path, tmp_path: Path
) -> None:
    (models / "tiny.json").write_text('{"name": "T"}')
    app.extensions["gpt4all"].cache.prepare(models / "tiny.gguf")
    assert run(app, "remove", "T", "--yes").output == "Deleted T.\n"
    assert list(models.iterdir()) == []
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


class Hub(ThreadingHTTPServer):
    """A server that speaks the hub's paths and has one file, of which it may send only a part."""

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _HubRequest)
        self.data = data
        self.etag = hashlib.sha256(data).hexdigest()
        self.breaks_off_at: int | None = None
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing, because clients may leave."""


class _HubRequest(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        if not self.path.endswith("/model.gguf"):
            self.send_error(404)
            return
        self._headers(200, len(self.server.data))

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        data = self.server.data[start:]
        self._headers(206 if asked else 200, len(data), start)
        end, self.server.breaks_off_at = self.server.breaks_off_at, None
        self.wfile.write(data[:end])

    def _headers(self, status: int, length: int, start: int = 0) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{self.server.etag}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(length))
        size = len(self.server.data)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Logs nothing."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    data = write_tiny_gguf(tmp_path / "served.gguf").read_bytes()
    with Hub(data) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        # An interrupted download keeps only whole chunks, which have 10 MB by default.
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
        yield hub
        hub.shutdown()
        thread.join()


def downloading(hub: Hub, command: str) -> tuple[str, ...]:
    """The arguments of the command that downloads the hub's file."""
    if command == "pull":
        return "pull", "some/repository", "model.gguf"
    return "add", f"{hub.url}/model.gguf"


@pytest.mark.parametrize("command", ["add", "pull"])
def test_a_file_is_downloaded(app: Flask, models: Path, hub: Hub, command: str) -> None:
    assert "Installed model: llama F32" in run(app, *downloading(hub, command)).output
    assert (models / "model.gguf").read_bytes() == hub.data
    assert sorted(path.name for path in models.iterdir()) == ["model.gguf", "tiny.gguf"]


@pytest.mark.parametrize("command", ["add", "pull"])
def test_an_interrupted_download_resumes_where_it_stopped(
    app: Flask, models: Path, hub: Hub, command: str
) -> None:
    hub.breaks_off_at = 20_000
    # The first command tries again by itself.
    run(app, *downloading(hub, command))
    assert hub.ranges == [None, "bytes=20000-"]
    assert (models / "model.gguf").read_bytes() == hub.data


def test_a_download_resumes_what_an_earlier_command_left(
    app: Flask, models: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(url: str, file: Any, **how: Any) -> None:
        file.write(hub.data[:30_000])
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr("app.models.downloads.http_get", broken_off)
        assert run(app, "add", f"{hub.url}/model.gguf").exit_code == 1
    run(app, "add", f"{hub.url}/model.gguf")
    assert hub.ranges == ["bytes=30000-"]
    assert (models / "model.gguf").read_bytes() == hub.data


def test_another_version_of_the_file_starts_over(
    app: Flask, models: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(url: str, file: Any, **how: Any) -> None:
        file.write(hub.data[:30_000])
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr("app.models.downloads.http_get", broken_off)
        run(app, "add", f"{hub.url}/model.gguf")
    hub.etag = "another"
    run(app, "add", f"{hub.url}/model.gguf")
    assert hub.ranges == [None]


def test_a_wrong_checksum_is_reported_and_the_file_deleted(
    app: Flask, models: Path, hub: Hub
) -> None:
    hub.etag = "0" * 64
    assert "its checksum is not the hub's" in error(run(app, *downloading(hub, "pull")))
    assert [path.name for path in models.iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize("command", ["add", "pull"])
def test_an_unusable_download_is_reported_and_deleted(
    app: Flask, models: Path, hub: Hub, command: str
) -> None:
    hub.data = b"<html>" * 1000
    hub.etag = hashlib.sha256(hub.data).hexdigest()
    message = error(run(app, *downloading(hub, command))).splitlines()[-1]
    assert "model.gguf cannot be used: it is damaged" in message
    assert [path.name for path in models.iterdir()] == ["tiny.gguf"]


def test_a_file_that_the_hub_lacks_is_reported(app: Flask, models: Path, hub: Hub) -> None:
    message = error(run(app, "pull", "some/repository", "other.gguf"))
    assert message.startswith("other.gguf of some/repository cannot be downloaded: ")
    assert "404 Not Found" in message


def test_an_unreachable_server_is_reported(app: Flask, models: Path) -> None:
    message = error(run(app, "add", "http://127.0.0.1:9/a.gguf"))
    assert message.startswith("http://127.0.0.1:9/a.gguf cannot be downloaded: ")
