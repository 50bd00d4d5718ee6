"""ctransformers 0.2.27: llama.cpp of September 2023, for models of the Llama family.

Its kernels are good and fast. Of the code around them, only `batch_eval` and the logits are used.
"""

from collections.abc import Callable
from pathlib import Path

from ...models.facts import Facts, Plan
from ...models.gguf_file import GGUFFile
from ...models.vocabulary import judge_tokenizer
from ..base import Engine
from .adapt import loads_as_it_is, write_adapted
from .weights import ARCHITECTURES, judge_weights

__all__ = ["ARCHITECTURES", "load", "plan", "write_copy"]

_NAME = "ctransformers"


def plan(file: GGUFFile, facts: Facts) -> Plan:
    """How ctransformers can run the file. See `EngineRoom`."""
    judge_tokenizer(file, facts.vocabulary)
    sizes, tensors = judge_weights(file, facts.vocabulary.size)
    in_place = loads_as_it_is(file, sizes, tensors, facts.vocabulary)
    copy_bytes = 0 if in_place else sum(tensor.size for tensor in tensors)
    return Plan(_NAME, sizes.context_length, copy_bytes, sizes.token_bytes)


def write_copy(file: GGUFFile, target: Path, progress: Callable[[int], None]) -> None:
    """Writes a copy that ctransformers can load. See `EngineRoom`."""
    sizes, tensors = judge_weights(file, len(file.get("tokenizer.ggml.tokens")))
    write_adapted(sizes, tensors, file.path, target, progress)


def load(weights: Path, context_length: int, threads: int, gpu_layers: int = 0) -> Engine:
    """Loads a model. See `EngineRoom`."""
    from .engine import CTransformers  # not needed for judging, and slow to import

    return CTransformers(weights, context_length, threads, gpu_layers=gpu_layers)
