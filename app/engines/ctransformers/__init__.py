"""ctransformers 0.2.27: llama.cpp of September 2023, for models of the Llama family.

Its kernels are good and fast. Of the code around them, only `batch_eval` and the logits are used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from localdocs.replacing import replacing

from ...models.facts import Facts, Plan
from ...models.gguf_file import GGUFFile
from ..base import LoadedModel, LoadOptions
from .adapt import loads_as_it_is, write_adapted
from .vocabulary import judge_tokenizer
from .weights import ARCHITECTURES, judge_weights

if TYPE_CHECKING:
    from ...models.cache import PreparedModel

__all__ = ["load", "plan", "prepare", "refusal"]

_NAME = "ctransformers"


def refusal(architecture: str) -> str | None:
    """Why it runs no models of an architecture. See `EngineRoom`."""
    if architecture in ARCHITECTURES:
        return None
    return f"ctransformers runs only {', '.join(map(repr, ARCHITECTURES))}."


def plan(file: GGUFFile, facts: Facts) -> Plan:
    """How ctransformers can run the file. See `EngineRoom`."""
    judge_tokenizer(file, facts.vocabulary)
    sizes, tensors = judge_weights(file, facts.vocabulary.size)
    in_place = loads_as_it_is(file, sizes, tensors, facts.vocabulary)
    copy_bytes = 0 if in_place else sum(tensor.size for tensor in tensors)
    return Plan(_NAME, sizes.context_length, copy_bytes, sizes.token_bytes)


def prepare(file: GGUFFile, model: "PreparedModel", progress: Callable[[int], None]) -> None:
    """Writes the tokenizer and, if need be, a copy of the weights. See `EngineRoom`."""
    from .codecs import CODECS  # its libraries take a while to import

    vocabulary = model.facts.vocabulary
    with replacing(model.tokenizer) as new:
        CODECS[vocabulary.kind].save(file, vocabulary, new)
    if model.plan.copy_bytes:
        sizes, tensors = judge_weights(file, vocabulary.size)
        with replacing(model.weights) as new:
            write_adapted(sizes, tensors, file.path, new, progress)


def load(model: "PreparedModel", options: LoadOptions) -> LoadedModel:
    """Loads a model. See `EngineRoom`."""
    from .engine import CTransformersModel  # not needed for judging, and slow to import

    return CTransformersModel(model, options)
