"""What an engine must be able to do. It knows token ids and logits, and no text."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..models.facts import Facts, Plan
    from ..models.gguf_file import GGUFFile


class Engine(ABC):
    """One loaded model with one KV cache, of ``context_length`` tokens. Not thread-safe.

    Pieces of a prompt whose ends are multiples of ``piece`` give the same logits to the bit,
    whatever was evaluated before.
    """

    context_length: int
    piece: int

    @abstractmethod
    def evaluate(self, tokens: list[int], position: int) -> None:
        """Evaluates ``tokens`` as those from ``position`` on, over what the KV cache held there.

        Raises `ValueError` when they leave the context, `EngineError` when the evaluation fails.
        """

    @abstractmethod
    def truncate(self, length: int) -> int:
        """Forgets all but the first ``length`` tokens of the KV cache, or more of them.

        Returns how many remain: not every model can go back to any place.
        """

    @property
    @abstractmethod
    def logits(self) -> "NDArray[np.float32]":
        """The logits after the last evaluated token: float32 [vocabulary_size].

        A view of the engine's memory: the next `evaluate` overwrites it.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives the memory back; the engine cannot be used afterwards."""


class EngineRoom(Protocol):
    """The package of an engine: what judges, prepares and loads models for it."""

    @property
    def ARCHITECTURES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the package
        """The architectures of which it can run models, as GGUFs name them."""

    def plan(self, file: "GGUFFile", facts: "Facts") -> "Plan":
        """How the engine can run the file. Raises `ModelError` with the reason when it cannot."""

    def write_copy(self, file: "GGUFFile", target: Path, progress: Callable[[int], None]) -> None:
        """Writes the copy that a plan speaks of.

        ``progress`` is called with the number of bytes of each piece, and may raise to stop. Raises
        `OSError`, and `ModelError` when a weight cannot be converted.
        """

    def load(self, weights: Path, context_length: int, threads: int, gpu_layers: int = 0) -> Engine:
        """Loads the file, or its copy. Raises `ModelError` when the engine refuses it."""
