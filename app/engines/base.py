"""What an engine must be able to do. It knows token ids and logits, but no text."""

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
    """A loaded model with a KV cache of ``context_length`` tokens. Not thread-safe.

    If a prompt is evaluated in pieces that end at multiples of ``piece``, its logits are the same
    to the bit, whatever was evaluated before.
    """

    context_length: int
    piece: int

    @abstractmethod
    def evaluate(self, tokens: list[int], position: int) -> None:
        """Evaluates ``tokens`` from ``position`` on, and overwrites the KV cache there.

        Raises `ValueError` if they do not fit into the context, and `EngineError` if the evaluation
        fails.
        """

    @abstractmethod
    def truncate(self, length: int) -> int:
        """Cuts the KV cache to its first ``length`` tokens, or fewer.

        Returns how many remain. Not every model can go back to any position.
        """

    @property
    @abstractmethod
    def logits(self) -> "NDArray[np.float32]":
        """The logits after the last evaluated token: float32 [vocabulary_size].

        This is a view of the engine's memory. The next `evaluate` overwrites it.
        """

    @abstractmethod
    def close(self) -> None:
        """Frees the memory. The engine cannot be used afterwards."""


class EngineRoom(Protocol):
    """The package of an engine. It judges, prepares and loads models for it."""

    @property
    def ARCHITECTURES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the package
        """The architectures that it can run, as GGUFs name them."""

    def plan(self, file: "GGUFFile", facts: "Facts") -> "Plan":
        """How the engine can run the file. Raises `ModelError` with the reason if it cannot."""

    def write_copy(self, file: "GGUFFile", target: Path, progress: Callable[[int], None]) -> None:
        """Writes the copy that a plan asks for.

        ``progress`` gets the number of bytes of each piece, and may raise to stop.
        Raises `OSError`, and `ModelError` if a weight cannot be converted.
        """

    def load(self, weights: Path, context_length: int, threads: int, gpu_layers: int = 0) -> Engine:
        """Loads the file, or its copy. Raises `ModelError` if the engine refuses it."""
