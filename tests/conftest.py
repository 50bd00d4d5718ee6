import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.application import create_app
from app.engines import engine_room
from app.engines.base import LoadOptions
from app.inference.model import Model
from app.inference.tokenizer import Tokenizer
from app.machine import default_threads
from app.models.cache import ModelCache, PreparedModel
from app.models.library import ModelFile
from app.schemas import Settings
from app.service import Service
from localdocs.collections import Collections

from .server import ROOT, Server
from .tiny_gguf import WRITERS, write_tiny_gguf

DEFAULT_MODEL = "SmolLM2-135M-Instruct.Q4_1"


@pytest.fixture
def without_llama_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the second engine is not installed."""
    monkeypatch.setattr("app.engines.llama_cpp.library._PACKAGE", "not_installed")


@pytest.fixture(scope="session")
def default_gguf() -> Path:
    """The default model's file, which `make model` downloads."""
    data = Path(os.environ.get("GPT4ALL_DATA_DIR") or ROOT / "instance")
    path = data / "models" / f"{DEFAULT_MODEL}.gguf"
    if not path.is_file():
        pytest.fail(f"{path} is missing: run `make model`, or put it there.", pytrace=False)
    return path


@pytest.fixture(scope="session")
def data_dir(default_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the default model; what is prepared from it is prepared once."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "models").mkdir()
    shutil.copy2(default_gguf, folder / "models")
    return folder


@pytest.fixture(scope="session")
def server(data_dir: Path) -> Iterator[Server]:
    """A real server, started as the README says, with the default model."""
    with Server(data_dir) as running:
        yield running


@pytest.fixture
def tiny_gguf(tmp_path: Path) -> Path:
    """A data folder's models folder with one tiny random model in it."""
    models = tmp_path / "models"
    models.mkdir()
    return write_tiny_gguf(models / "tiny.gguf")


@pytest.fixture(autouse=True)
def _workers_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends the model processes of the applications that a test makes."""
    built: list[Service] = []
    build = Service.build

    def record(settings: Settings) -> Service:
        built.append(build(settings))
        return built[-1]

    monkeypatch.setattr(Service, "build", record)
    yield
    for service in built:
        service.worker.close()


def serving(folder: Path, writer: Callable[..., Path], **settings: str) -> Iterator[Flask]:
    """An application with a tiny model below ``folder``, whose model process ends with it."""
    models = folder / "models"
    models.mkdir()
    writer(models / "tiny.gguf", context_length=int(settings.get("CONTEXT_LENGTH", 256)))
    app = create_app({"DATA_DIR": str(folder), **settings})
    yield app
    app.extensions["gpt4all"].worker.close()


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application with a tiny model, for all tests that change nothing of it."""
    yield from serving(tmp_path_factory.mktemp("tiny"), write_tiny_gguf)


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


@pytest.fixture
def app(tiny_gguf: Path) -> Flask:
    """An application of the test's own."""
    return create_app({"DATA_DIR": str(tiny_gguf.parent.parent)})


@pytest.fixture
def own_client(app: Flask) -> FlaskClient:
    """Of an application of the test's own, with the model at `tiny_gguf`."""
    return app.test_client()


@pytest.fixture
def load_tiny(tmp_path: Path) -> Iterator[Callable[..., Model]]:
    """A function that writes a tiny model with `write_tiny_gguf`'s arguments and loads it."""
    models: list[Model] = []

    def load(
        context_length: int = 256,
        write: Callable[..., Path] = write_tiny_gguf,
        slots: int = 1,
        **how: object,
    ) -> Model:
        how = {"context_length": max(256, context_length), **how}
        path = write(tmp_path / f"tiny-{len(models)}.gguf", **how)
        prepared = ModelCache(tmp_path / "cache").prepare(path)
        models.append(Model.load(ModelFile(path.stem, path), prepared, context_length, 1, slots))
        return models[-1]

    yield load
    for model in models:
        model.close()


def counts(answer: dict[str, Any]) -> dict[str, int]:
    """The usage, without its details."""
    return {name: n for name, n in answer["usage"].items() if not name.endswith("_details")}


def tokenizer_of(prepared: PreparedModel) -> Tokenizer:
    loaded = engine_room(prepared.plan.engine).load(prepared, LoadOptions(64, 1))
    return Tokenizer(loaded.codec, loaded.vocabulary)


def tokenizer_of_app(client: FlaskClient) -> Tokenizer:
    """That of an application's default model."""
    service: Service = client.application.extensions["gpt4all"]
    return tokenizer_of(service.cache.prepare(service.library.default().path))


@pytest.fixture
def tiny(load_tiny: Callable[..., Model]) -> Model:
    return load_tiny()


@pytest.fixture(params=WRITERS, scope="session")
def any_app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """As `shared_app`, with each kind of vocabulary and a long context."""
    folder = tmp_path_factory.mktemp("any")
    yield from serving(folder, WRITERS[request.param], CONTEXT_LENGTH="4096", THREADS="1")


@pytest.fixture
def any_client(any_app: Flask) -> FlaskClient:
    return any_app.test_client()


@pytest.fixture(params=WRITERS)
def any_tiny(request: pytest.FixtureRequest, load_tiny: Callable[..., Model]) -> Model:
    return load_tiny(1024, write=WRITERS[request.param])


@pytest.fixture(scope="session")
def smollm(data_dir: Path) -> Iterator[Model]:
    """The default model, in this process."""
    path = data_dir / "models" / f"{DEFAULT_MODEL}.gguf"
    prepared = ModelCache(data_dir / "cache").prepare(path)
    model = Model.load(ModelFile(DEFAULT_MODEL, path), prepared, 2048, default_threads())
    yield model
    model.close()


@pytest.fixture
def collections(tmp_path: Path, folder: Path) -> Collections:
    """The collection "Fruit" of a test module's own ``folder``, of which nothing is read."""
    collections = Collections(tmp_path / "localdocs")
    collections.create("Fruit", folder)
    return collections
