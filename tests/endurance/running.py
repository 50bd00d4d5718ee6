"""The data folder of a long run, and the ends of processes."""

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..tiny_gguf import write_tiny_gguf

MODEL = "model.gguf"


def made_data(folder: Path, model: Path | None) -> Path:
    """A data folder below ``folder`` with one model: a copy, or else a tiny random one."""
    models = folder / "data" / "models"
    models.mkdir(parents=True)
    if model is None:
        write_tiny_gguf(models / MODEL, context_length=2048)
    else:
        shutil.copy(model, models / MODEL)
    return folder / "data"


def kill(find: Callable[[], int]) -> bool:
    """Kills the process that is found, at once. Returns whether there was one."""
    with suppress(OSError, ValueError):
        os.kill(find(), signal.SIGKILL)
        return True
    return False
