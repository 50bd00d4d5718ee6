"""The only module that imports ctransformers."""

import platform
from ctypes import c_int
from pathlib import Path
from typing import TYPE_CHECKING

import ctransformers
import numpy as np
from ctransformers.llm import LLM, Config
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]
from numpy.typing import NDArray

from ...exceptions import EngineError, ModelRefused
from ..base import Engine, LoadedModel, LoadOptions
from .codecs import CODECS

if TYPE_CHECKING:
    from ...models.cache import PreparedModel


class CTransformersModel(LoadedModel):
    """See `LoadedModel`. The weights are mapped, so one more engine loads at once."""

    def __init__(self, model: "PreparedModel", options: LoadOptions) -> None:
        self.vocabulary = model.facts.vocabulary
        self._weights = model.weights
        self._options = options
        try:
            self.codec = CODECS[self.vocabulary.kind].load(model.tokenizer, self.vocabulary)
        except Exception as error:  # tokenizers raises bare Exceptions
            raise ModelRefused(f"{model.tokenizer} is damaged; delete it ({error}).") from error

    def open(self) -> Engine:
        """An engine of its own. See `LoadedModel`."""
        return CTransformers(self._weights, self._options)

    def close(self) -> None:
        """Does nothing: each engine frees what it has."""


class CTransformers(Engine):
    """See `Engine`. With ``gpu_layers``, this uses ctransformers' build for CUDA.

    The file is mapped into memory. If it is truncated while it is in use, the process crashes.
    """

    # In the attention's sum over the context, ctransformers treats the last ``length % 32``
    # positions differently. Larger pieces are no faster, and a piece cannot be interrupted.
    piece = 32

    def __init__(self, weights: Path, options: LoadOptions) -> None:
        self.context_length = options.context_length
        self._threads = options.threads
        config = Config(context_length=options.context_length, gpu_layers=options.gpu_layers)
        lib = None if options.gpu_layers else _library()
        try:
            self._llm: LLM | None = LLM(str(weights), "gguf", config=config, lib=lib)
        # OSError: no build of ctransformers for this platform; ValueError: no file.
        except (RuntimeError, OSError, ValueError) as error:
            raise ModelRefused(f"The engine refused the model: {error}") from error

    def evaluate(self, tokens: list[int], position: int) -> None:
        """Evaluates ``tokens``. See `Engine`.

        Past the end of the context, ctransformers would silently overwrite the end of the cache.
        """
        assert self._llm is not None
        if not 0 <= position <= self.context_length - len(tokens):
            raise ValueError(f"{len(tokens)} tokens from {position} on do not fit into the context")
        count = len(tokens)
        array = (c_int * count)(*tokens)
        if not self._llm.ctransformers_llm_batch_eval(array, count, position, count, self._threads):
            raise EngineError("The engine failed to evaluate the tokens.")

    def truncate(self, length: int) -> int:
        """Does nothing, because all of a Llama's cache can be overwritten."""
        return length

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits after the last evaluated token. See `Engine`."""
        assert self._llm is not None
        size = self._llm.ctransformers_llm_logits_size()
        return np.ctypeslib.as_array(self._llm.ctransformers_llm_logits_data(), (size,))

    def close(self) -> None:
        """Frees the model."""
        self._llm = None  # its __del__ calls ctransformers_llm_delete


def _library() -> str | None:
    """The build of ctransformers' library for this CPU, or None to let it choose.

    To choose, it asks py-cpuinfo, which takes over a second. numpy already knows.
    """
    built_from_source = (Path(ctransformers.__file__).parent / "lib" / "local").is_dir()
    if built_from_source or platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    if __cpu_features__["AVX2"]:
        return "avx2"
    return "avx" if __cpu_features__["AVX"] and __cpu_features__["F16C"] else "basic"
