"""What an engine must be able to do: evaluate token ids, and turn text into them and back."""

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..models.cache import PreparedModel
    from ..models.facts import Facts, Plan, VocabularyFacts
    from ..models.gguf_file import GGUFFile


class Flag:
    """A flag that a library in C can see too: ``address`` is that of a string, empty or not."""

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)
        self.address = ctypes.addressof(self._text)

    def set(self) -> None:
        """Raises it."""
        self._text[0] = b"1"

    def clear(self) -> None:
        """Lowers it."""
        self._text[0] = b"\0"

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._text[0] != b"\0"


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded: the tokens of context, threads, and layers on the GPU.

    Once ``cancelled`` is set, nobody waits for what is being evaluated.
    """

    context_length: int
    threads: int
    gpu_layers: int = 0
    cancelled: Flag = field(default_factory=Flag)


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
        fails. An engine that can be interrupted raises `Cancelled` once nobody waits any more.
        """

    def evaluate_each(self, tokens: list[int], position: int) -> "Iterator[NDArray[np.float32]]":
        """Evaluates ``tokens`` as `evaluate` does, and yields the `logits` after each of them."""
        for place, token in enumerate(tokens):
            self.evaluate([token], position + place)
            yield self.logits

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


class Codec(ABC):
    """Turns text without special tokens into ids, and ids into bytes."""

    @abstractmethod
    def encode(self, text: str, after_special: bool) -> list[int]:
        """The ids of ``text``.

        With ``after_special``, the text begins a prompt or follows a special token.
        """

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token that is neither special nor silent."""


class LoadedModel(ABC):
    """The weights and the vocabulary of a model. It can be evaluated in several KV caches."""

    codec: Codec
    vocabulary: "VocabularyFacts"

    @abstractmethod
    def open(self) -> Engine:
        """The model with one more KV cache. Raises `ModelError` if that is impossible."""

    @abstractmethod
    def close(self) -> None:
        """Frees the memory, after all of its engines were closed."""


class EngineRoom(Protocol):
    """The package of an engine. It judges, prepares and loads models for it."""

    def refusal(self, architecture: str) -> str | None:
        """Why the engine runs no models of an architecture, as GGUFs name it; None if it may."""

    def plan(self, file: "GGUFFile", facts: "Facts") -> "Plan":
        """How the engine can run the file. Raises `ModelError` with the reason if it cannot."""

    def prepare(
        self,
        file: "GGUFFile",
        model: "PreparedModel",
        progress: Callable[[int], None],
    ) -> None:
        """Writes those files of ``model`` that the engine needs.

        ``progress`` gets the number of bytes of each piece of the weights, and may raise to stop.
        Raises `OSError`, and `ModelError` if a weight or the vocabulary cannot be converted.
        """

    def load(self, model: "PreparedModel", options: LoadOptions) -> LoadedModel:
        """Loads a prepared model. Raises `ModelError` if that is impossible."""
