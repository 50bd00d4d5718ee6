"""llama.cpp of today, through llama-cpp-python: models that ctransformers does not know.

It is an extra, because it must be compiled.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...exceptions import ModelError
from ...models.facts import Facts, Plan
from ..base import LoadedModel, LoadOptions
from . import library

if TYPE_CHECKING:
    from ...models.cache import PreparedModel
    from ...models.gguf_file import GGUFFile

__all__ = ["load", "plan", "prepare", "refusal"]

_NAME = "llama-cpp"


def refusal(architecture: str) -> str | None:
    """Why it runs no models of an architecture. See `EngineRoom`."""
    if not library.installed():
        return (
            "llama.cpp may run it, but is not installed: `make llama-cpp` or "
            "`pip install llama-cpp-python` adds it."
        )
    if not library.knows(architecture):
        return f"llama.cpp does not know it either: update {library.release()}."
    return None


def plan(file: "GGUFFile", facts: Facts) -> Plan:
    """How llama.cpp can run the file: as it is. See `EngineRoom`."""
    if file.get(f"{facts.architecture}.attention.causal") is False:
        raise file.unusable("it makes embeddings, and no text.")
    context_length = _number(file, facts, "context_length", 0)
    if context_length <= 0:
        raise file.unusable(f"its metadata lack a valid {facts.architecture}.context_length.")
    return Plan(_NAME, context_length, 0, _token_bytes(file, facts))


def prepare(file: "GGUFFile", model: "PreparedModel", progress: Callable[[int], None]) -> None:
    """Does nothing: llama.cpp loads the file itself. See `EngineRoom`."""


def load(model: "PreparedModel", options: LoadOptions) -> LoadedModel:
    """Loads a model. See `EngineRoom`."""
    try:
        from .engine import LlamaCppModel  # not needed for judging, and slow to import
    except (ImportError, OSError, RuntimeError) as error:  # a library is missing or too old
        raise ModelError(
            f"{model.weights.name} cannot be used: llama.cpp cannot be loaded ({error}). "
            "Install llama-cpp-python again."
        ) from error
    return LlamaCppModel(model, options)


def _token_bytes(file: "GGUFFile", facts: Facts) -> int:
    """The bytes of a token in the KV cache: a key and a value in F16 for each block.

    Blocks without attention are counted too, so this may be too much.
    """
    blocks, heads = (
        _number(file, facts, key, 1) for key in ("block_count", "attention.head_count")
    )
    kv_heads = _number(file, facts, "attention.head_count_kv", heads)
    head = max(1, _number(file, facts, "embedding_length", 1) // heads)
    key, value = (_number(file, facts, f"attention.{n}_length", head) for n in ("key", "value"))
    return 2 * blocks * kv_heads * (key + value)


def _number(file: "GGUFFile", facts: Facts, name: str, default: int) -> int:
    """A number of the model, or the largest if each block has its own."""
    value: Any = file.get(f"{facts.architecture}.{name}", default)
    values = value if isinstance(value, list) and value else [value]
    if not all(type(number) is int and 0 < number < 2**31 for number in values):
        return default
    return int(max(values))
