import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.application import create_app
from app.machine import usable_cpus
from app.schemas import Settings, SettingsError, read_settings
from localdocs.limits import Limits

from .server import ROOT, Server
from .tiny_gguf import write_tiny_gguf


def test_the_defaults(tmp_path: Path) -> None:
    assert read_settings({}, str(tmp_path)) == Settings(
        data_dir=tmp_path,
        model=None,
        strict_model=False,
        engine=None,
        reasoning="separate",
        context_length=None,
        threads=None,
        cache_slots=None,
        queue_limit=8,
        keep_alive=None,
        prompt_timeout=10,
        evaluation_timeout=120,
        queue_timeout=None,
        request_timeout=None,
        grace=10,
        log_format="logfmt",
        max_n=8,
        max_body_bytes=1048576,
        hosts=(),
        origins=(),
        localdocs_sources=None,
        localdocs_only=False,
        localdocs_only_text="The documents say nothing about this.",
        localdocs=Limits(snippet_size=512, file_size=50 << 20, exclude=()),
        page=True,
        server_chat=True,
        upstream=(),
        upstream_limit=32,
        upstream_context_length=4096,
    )


def test_values_are_read_from_texts(tmp_path: Path) -> None:
    given = {"DATA_DIR": str(tmp_path), "STRICT_MODEL": "1", "QUEUE_LIMIT": "0", "MODEL": "123"}
    settings = read_settings(given, "/nowhere")
    assert (settings.data_dir, settings.strict_model) == (tmp_path, True)
    assert (settings.queue_limit, settings.model) == (0, "123")
    assert settings.models_dir == tmp_path / "models"
    assert settings.cache_dir == tmp_path / "cache"


def test_upstreams_are_urls_separated_by_commas(tmp_path: Path) -> None:
    given = {"DATA_DIR": str(tmp_path), "UPSTREAM": " http://a:1/v1/ , https://b/v1,"}
    assert read_settings(given, "/nowhere").upstream == ("http://a:1/v1", "https://b/v1")


def test_an_empty_value_is_the_default(tmp_path: Path) -> None:
    assert (
        read_settings({"THREADS": " ", "MODEL": "", "DATA_DIR": str(tmp_path)}, "/nowhere").threads
        is None
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("THREADS", "many"),
        ("THREADS", "0"),
        ("THREADS", str(usable_cpus() + 1)),
        ("QUEUE_LIMIT", "08"),
        ("QUEUE_LIMIT", "1_0"),
        ("QUEUE_LIMIT", "-1"),
        ("ENGINE", "llama"),
        ("REASONING", "no"),
        ("CONTEXT_LENGTH", "2048.5"),
        ("MAX_N", "0"),
        ("MAX_BODY_BYTES", "1"),
        ("STRICT_MODEL", "perhaps"),
        ("CONTEXT_LENGHT", "4096"),
        ("UPSTREAM", "localhost:8000/v1"),
        ("UPSTREAM", "http://good/v1,ftp://bad/v1"),
        ("UPSTREAM", "http:///v1"),
        ("UPSTREAM", "http://host:port/v1"),
        ("UPSTREAM", "http://name:password@host/v1"),
        ("UPSTREAM", "http://host/v1#x"),
        ("UPSTREAM_LIMIT", "0"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"GPT4ALL_{name} \('{text}'\): "):
        read_settings({name: text}, "/nowhere")


def test_a_double_underscore_in_a_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT4ALL_MODEL", "a")
    monkeypatch.setenv("GPT4ALL_MODEL__X", "b")
    with pytest.raises(SettingsError, match="double _"):
        create_app()


def test_the_home_folder_may_be_written_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert read_settings({"DATA_DIR": "~/x"}, "/nowhere").data_dir == tmp_path / "x"


def test_settings_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT4ALL_DATA_DIR", str(tmp_path))
    create_app()
    assert (tmp_path / "models").is_dir()


def test_without_a_setting_data_live_in_the_instance_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GPT4ALL_DATA_DIR", raising=False)
    app = create_app()
    assert app.extensions["gpt4all"].settings.data_dir == ROOT / "instance"


def test_the_server_does_not_start_with_a_wrong_setting(tmp_path: Path) -> None:
    server = Server(tmp_path, QUEUE_LIMIT="x")
    with pytest.raises(RuntimeError), server:
        pass
    assert "GPT4ALL_QUEUE_LIMIT ('x'): must be a whole number." in server.log
    assert "Traceback" not in server.log


def test_strict_model_makes_an_unknown_model_a_404(tiny_gguf: Path) -> None:
    data_dir = str(tiny_gguf.parent.parent)
    client = create_app({"DATA_DIR": data_dir, "STRICT_MODEL": "1"}).test_client()
    body = {"model": "nope", "prompt": "a"}
    response = client.post("/v1/completions", json=body)
    assert (response.status_code, response.json["error"]["code"]) == (404, "model_not_found")
    assert client.post("/v1/completions", json={**body, "model": "tiny"}).status_code == 200


def test_max_n_bounds_n(tiny_gguf: Path) -> None:
    client = create_app({"DATA_DIR": str(tiny_gguf.parent.parent), "MAX_N": "2"}).test_client()
    response = client.post("/v1/completions", json={"model": "m", "prompt": "a", "n": 3})
    assert response.json["error"]["message"] == "n: must be at most 2, not 3."


def test_max_body_bytes_bounds_the_body(tiny_gguf: Path) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "MAX_BODY_BYTES": "1000"}
    client = create_app(settings).test_client()
    assert client.post("/v1/completions", data=b" " * 1000).status_code == 400
    assert client.post("/v1/completions", data=b" " * 1001).status_code == 413


def test_the_queue_limit_bounds_the_queue(tiny_gguf: Path) -> None:
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "QUEUE_LIMIT": "0"}
    client = create_app(settings).test_client()
    body = {"model": "m", "prompt": "a"}
    with client.post("/v1/completions", json={**body, "stream": True}, buffered=False):
        assert client.post("/v1/completions", json=body).status_code == 503
    assert client.post("/v1/completions", json=body).status_code == 200


def test_the_threads_are_a_setting(tiny_gguf: Path) -> None:
    app = create_app({"DATA_DIR": str(tiny_gguf.parent.parent), "THREADS": "1"})
    service = app.extensions["gpt4all"]
    assert service.worker._order(service.library.default()).threads == 1


def test_a_data_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"GPT4ALL_DATA_DIR: .*file"):
        read_settings({"DATA_DIR": str(tmp_path / "file")}, "/nowhere")


def test_a_missing_default_model_is_logged(tmp_path: Path) -> None:
    with Server(tmp_path, MODEL="nope") as server:
        assert server.get("/health").json()["model"] is None
        while "GPT4ALL_MODEL names 'nope'" not in server.log:
            assert server.get("/health").ok


def test_the_default_model_is_loaded_at_the_start(tiny_gguf: Path) -> None:
    with Server(tiny_gguf.parent.parent) as server:
        while server.get("/health").json()["model"] != "tiny":
            time.sleep(0.01)  # asking without a pause would take the time of the model's process
        assert "tiny is loaded, context 256 tokens" in server.log


def test_the_context_length_is_a_setting_that_the_model_bounds(tiny_gguf: Path) -> None:
    for text, length in (("64", 64), ("100000", 256)):
        settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "CONTEXT_LENGTH": text}
        client = create_app(settings).test_client()
        response = client.post("/v1/completions", json={"model": "m", "prompt": "a " * 300})
        assert f"{length} tokens" in response.json["error"]["message"]


def test_a_request_for_another_model_gets_it(tiny_gguf: Path) -> None:
    write_tiny_gguf(tiny_gguf.parent / "other.gguf", seed=1)
    settings = {"DATA_DIR": str(tiny_gguf.parent.parent), "MODEL": "tiny"}
    client = create_app(settings).test_client()

    def ask(model: str) -> tuple[str, str]:
        body = {"model": model, "prompt": "hello", "temperature": 0}
        answer = client.post("/v1/completions", json=body).json
        return answer["model"], answer["choices"][0]["text"]

    tiny, other = ask("tiny"), ask("other")
    assert (tiny[0], other[0]) == ("tiny", "other")
    assert tiny[1] != other[1]
    assert ask("anything") == tiny


def test_white_space_around_a_setting_is_ignored(tmp_path: Path) -> None:
    settings = {"DATA_DIR": f" {tmp_path}\n", "MODEL": " x ", "MAX_N": " 3 ", "HOSTS": " "}
    found = read_settings(settings, "/nowhere")
    assert (found.data_dir, found.model, found.max_n, found.hosts) == (tmp_path, "x", 3, ())


def serve(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "serve"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "80 80", "4891.0"])
def test_a_wrong_port_is_one_line(tmp_path: Path, port: str) -> None:
    done = serve(PORT=port, GPT4ALL_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"Error: PORT must be a number from 1 to 65535, not {port!r}.\n"


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(PORT=f" {port} ", GPT4ALL_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: The server cannot listen on 127.0.0.1, PORT {port}: ")


@pytest.mark.usefixtures("without_llama_cpp")
def test_an_engine_that_is_not_installed_is_refused_with_what_adds_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"GPT4ALL_ENGINE .*`make llama-cpp` adds it"):
        read_settings({"ENGINE": "llama-cpp"}, str(tmp_path))
