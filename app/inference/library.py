"""The models folder: which GGUF files there are and what they are called."""

import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import NoModel


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file in the models folder.

    ``name`` is what ``/v1/models`` shows: the path below the folder, with ``/`` on
    every system and without ``.gguf``. ``version`` is the file's size in bytes and its
    modification time in nanoseconds: a file that took another's place is another model.
    """

    name: str
    path: Path
    version: tuple[int, int] = (0, 0)


class Library:
    """The models folder, read anew at every question: a file put there is there at once."""

    def __init__(self, folder: Path, default_name: str | None = None) -> None:
        self.folder = folder
        self._default_name = default_name

    def models(self) -> list[ModelFile]:
        """All models, sorted by name without regard to case."""
        return sorted(self._scan(), key=lambda model: (model.name.casefold(), model.name))

    def find(self, name: str) -> ModelFile | None:
        """The model of that display name, or else file name, or else file stem, or ``None``."""
        models = self.models()
        by_display_name = {model.name: model for model in models}
        by_file_name = {model.path.name: model for model in reversed(models)}
        by_stem = {model.path.stem: model for model in reversed(models)}
        return by_display_name.get(name) or by_file_name.get(name) or by_stem.get(name)

    def default(self) -> ModelFile:
        """The model named by ``GPT4ALL_MODEL``, or else the first of the folder.

        Raises `NoModel` when there is none; its text says what to do.
        """
        if self._default_name is not None:
            if (model := self.find(self._default_name)) is not None:
                return model
            raise NoModel(
                f"GPT4ALL_MODEL names {self._default_name!r}, which is not in {self.folder}. "
                f"Installed: {', '.join(model.name for model in self.models()) or 'none'}."
            )
        if models := self.models():
            return models[0]
        raise NoModel(
            f"There is no model in {self.folder}. Put a .gguf file there, or run "
            "`flask --app wsgi models default` to download a small one."
        )

    def _scan(self) -> Iterator[ModelFile]:
        for path in self.folder.rglob("*"):
            relative = path.relative_to(self.folder)
            # Hidden ones are macOS' resource forks and downloads under way.
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.suffix.lower() != ".gguf" or hidden:
                continue
            # What cannot be looked at, or is gone by now, is no model.
            with suppress(OSError):
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    version = status.st_size, status.st_mtime_ns
                    yield ModelFile(relative.with_suffix("").as_posix(), path, version)
