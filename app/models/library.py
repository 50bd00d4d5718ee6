"""The models folder: its GGUF files, their names, and which of them can be used."""

import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..exceptions import ModelError, NoModel
from .disk import Version
from .facts import Judgement, Plan


@dataclass(frozen=True)
class ModelSettings:
    """What the file ``NAME.json`` beside ``NAME.gguf`` says. None lets the server choose.

    ``max_length`` limits the tokens of a chat's answer if the request sets no limit. Its default is
    GPT4All's.
    ``context_length`` is in tokens too. ``sampling`` has only what the file sets, under the names
    of `Sampling`.
    """

    name: str | None = None
    system_message: str | None = None
    chat_template: str | None = None
    context_length: int | None = None
    max_length: int = 4096
    sampling: Mapping[str, Any] = field(default_factory=dict, hash=False)
    gpu_layers: int = 0
    threads: int | None = None
    engine: str | None = None


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file in the models folder.

    ``name`` is what ``/v1/models`` shows: the name in its settings, or else the path below the
    folder, with ``/`` on every system and without ``.gguf``. ``version`` tells when another file
    has taken its place, which is then another model. ``engine`` is the one that shall run it, if
    not the preferred one. ``problem`` says why it cannot be used.
    """

    name: str
    path: Path
    version: Version = (0, 0)
    settings: ModelSettings = field(default_factory=ModelSettings)
    engine: str | None = None
    problem: str | None = None

    @property
    def settings_path(self) -> Path:
        """Where its settings are, if it has any."""
        return self.path.with_suffix(".json")

    def context_length(self, plan: Plan, usual: int) -> int:
        """How many tokens the context has: the file's own setting, or the ``usual`` number.

        Never more than the model was trained for.
        """
        return min(self.settings.context_length or usual, plan.context_length)


class Library:
    """The models folder. It is read again for every call, so a new file can be used at once.

    ``judge`` says what a GGUF is, and ``read_settings`` reads a settings file. Both raise
    `ModelError`. ``engine`` shall run the models whose settings name no other one.
    """

    def __init__(
        self,
        folder: Path,
        judge: Callable[[Path], Judgement],
        read_settings: Callable[[Path], ModelSettings],
        default_name: str | None = None,
        engine: str | None = None,
    ) -> None:
        self.folder = folder
        self._judge = judge
        self._read_settings = read_settings
        self._default_name = default_name
        self._engine = engine

    def models(self) -> list[ModelFile]:
        """All models that can be used, sorted by name regardless of case."""
        return [model for model in self.files() if model.problem is None]

    def files(self) -> list[ModelFile]:
        """All GGUF files, also those with a problem, sorted by name."""
        files = sorted(self._scan(), key=lambda model: (model.name.casefold(), model.path))
        named: dict[str, ModelFile] = {}
        for i, file in enumerate(files):
            if file.problem is None and (other := named.setdefault(file.name, file)) is not file:
                problem = f"{other.path.name} has the same name, {file.name!r}."
                files[i] = replace(file, problem=problem)
        return files

    def find(self, name: str) -> ModelFile | None:
        """The file with that display name, or else that file name, or else that stem, or None.

        A file that can be used comes before one that cannot.
        """
        files = sorted(self.files(), key=lambda file: file.problem is not None)
        called = [(f.name, self._path_name(f.path), f.path.name, f.path.stem) for f in files]
        for kind in zip(*called, strict=True):
            if name in kind:
                return files[kind.index(name)]
        return None

    def default(self) -> ModelFile:
        """The model that ``GPT4ALL_MODEL`` names, or else the first one in the folder.

        Raises `NoModel` if there is none. Its text says what to do.
        """
        models = self.models()
        if self._default_name is not None:
            if (model := self.find(self._default_name)) is not None:
                return model
            raise NoModel(
                f"GPT4ALL_MODEL names {self._default_name!r}, which is not in {self.folder}. "
                f"Installed: {', '.join(model.name for model in models) or 'none'}."
            )
        if models:
            return models[0]
        raise NoModel(
            f"There is no usable model in {self.folder}. Put a .gguf file there, or run "
            "`flask --app wsgi models default` to download a small one. "
            "`flask --app wsgi models list` says why existing files cannot be used."
        )

    def _scan(self) -> Iterator[ModelFile]:
        for path in self.folder.rglob("*"):
            relative = path.relative_to(self.folder)
            # Hidden files are macOS' resource forks and unfinished downloads.
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.suffix.lower() != ".gguf" or hidden:
                continue
            # A file that cannot be accessed, or is gone by now, is not a model.
            with suppress(OSError):
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    version = status.st_size, status.st_mtime_ns
                    yield self._judged(ModelFile(self._path_name(path), path, version))

    def _path_name(self, path: Path) -> str:
        return path.relative_to(self.folder).with_suffix("").as_posix()

    def _judged(self, file: ModelFile) -> ModelFile:
        try:
            settings = self._read_settings(file.settings_path)
            engine = settings.engine or self._engine
            name = settings.name or file.name
            file = replace(file, name=name, settings=settings, engine=engine)
            self._judge(file.path).plan(engine)
        except ModelError as error:
            return replace(file, problem=str(error))
        return file
