"""The models folder: which GGUF files there are and what they are called."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import ModelError


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file in the models folder.

    ``name`` is what ``/v1/models`` shows: the path below the folder, with ``/`` on
    every system and without ``.gguf``.
    """

    name: str
    path: Path

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is this model's display name, file name or file stem."""
        return name in (self.name, self.path.name, self.path.stem)


class Library:
    """The models folder, read anew at every question: a file put there is there at once."""

    def __init__(self, folder: Path, default_name: str | None = None) -> None:
        self.folder = folder
        self._default_name = default_name

    def models(self) -> list[ModelFile]:
        """All models, sorted by name without regard to case."""
        return sorted(self._scan(), key=lambda model: (model.name.casefold(), model.name))

    def find(self, name: str) -> ModelFile | None:
        """The model of that display name, file name or file stem, or ``None``."""
        return next((model for model in self.models() if model.is_called(name)), None)

    def default(self) -> ModelFile:
        """The model named by ``GPT4ALL_MODEL``, or else the first of the folder.

        Raises `ModelError` when there is none; its text says what to do.
        """
        if self._default_name is not None:
            if (model := self.find(self._default_name)) is not None:
                return model
            raise ModelError(
                f"GPT4ALL_MODEL names {self._default_name!r}, which is not in {self.folder}. "
                f"Installed: {', '.join(model.name for model in self.models()) or 'none'}."
            )
        if models := self.models():
            return models[0]
        raise ModelError(
            f"There is no model in {self.folder}. Put a .gguf file there, or run "
            "`flask --app wsgi models default` to download a small one."
        )

    def _scan(self) -> Iterator[ModelFile]:
        for path in self.folder.rglob("*"):
            if path.suffix.lower() == ".gguf" and path.is_file():
                name = path.relative_to(self.folder).with_suffix("").as_posix()
                yield ModelFile(name, path)
