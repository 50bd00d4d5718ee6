"""What the server and the model process send each other: orders one way, events the other.

Each is one pickle, because both ends are the same program and trust each other.
"""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from .jobs import Job
from .models.library import ModelFile
from .pieces import Begun, Delta


class Step(Enum):
    """What the model process is doing."""

    PREPARING = auto()
    LOADING = auto()
    TEMPLATE = auto()
    TOKENIZING = auto()
    GRAMMAR = auto()
    EVALUATING = auto()


@dataclass(frozen=True)
class Prepare:
    """Make ``file`` ready to be loaded, and keep what is made in the folder ``cache``."""

    file: ModelFile
    cache: Path


@dataclass(frozen=True)
class Load:
    """Load ``file``, and prepare it if necessary. Only once: another model needs a new process.

    Up to ``slots`` conversations keep their KV caches.
    """

    file: ModelFile
    cache: Path
    context_length: int
    threads: int
    slots: int = 1


@dataclass(frozen=True)
class Cancel:
    """Give up the current order soon."""


@dataclass(frozen=True)
class Done:
    """The order was carried out."""


@dataclass(frozen=True)
class Failed:
    """The order failed, perhaps halfway."""

    error: Exception


Order = Prepare | Load | Job | Cancel
Event = Step | Begun | tuple[Delta, ...] | Done | Failed
