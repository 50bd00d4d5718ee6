"""What the server and the model process say to each other: orders one way, events the other.

Each is one pickle. The server answers for what it sends; both ends are the same program.
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
    """Make ``file`` ready to be loaded; what is made is kept in the folder ``cache``."""

    file: ModelFile
    cache: Path


@dataclass(frozen=True)
class Load:
    """Load ``file``, prepared if it is not. Once: another model takes another process.

    Up to ``slots`` conversations keep their KV caches.
    """

    file: ModelFile
    cache: Path
    context_length: int
    threads: int
    slots: int = 1


@dataclass(frozen=True)
class Cancel:
    """Give the present order up, soon."""


@dataclass(frozen=True)
class Done:
    """The order is carried out."""


@dataclass(frozen=True)
class Failed:
    """The order cannot be carried out, or no further."""

    error: Exception


Order = Prepare | Load | Job | Cancel
Event = Step | Begun | Delta | Done | Failed
