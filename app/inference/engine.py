"""ctransformers: token ids in, logits out. The only room that imports it.

A second engine would be a second class with the same four members.
"""

import os
import platform
from ctypes import c_int
from pathlib import Path

import ctransformers
import numpy as np
from ctransformers.llm import LLM, Config
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]
from numpy.typing import NDArray

from .errors import EngineError, ModelError


class Engine:
    """One loaded model with one KV cache. Not thread-safe; `close` gives the memory back.

    ``mapped`` maps the file into memory instead of reading it: faster, but a file that is
    cut short meanwhile kills the process. With ``gpu_layers`` ctransformers' build for CUDA
    is used. Raises `ModelError` when ctransformers refuses the file.
    """

    def __init__(
        self,
        weights: Path,
        context_length: int,
        threads: int,
        *,
        gpu_layers: int = 0,
        mapped: bool = True,
    ) -> None:
        self.context_length = context_length
        self._threads = threads
        config = Config(context_length=context_length, gpu_layers=gpu_layers, mmap=mapped)
        lib = None if gpu_layers else _library()
        try:
            self._llm: LLM | None = LLM(str(weights), "gguf", config=config, lib=lib)
        # OSError: no build of ctransformers for this platform; ValueError: no file.
        except (RuntimeError, OSError, ValueError) as error:
            raise ModelError(f"The engine refused the model: {error}") from error

    def evaluate(self, tokens: list[int], position: int) -> None:
        """Evaluates ``tokens`` as those from ``position`` on, over what the KV cache held there.

        ``position + len(tokens)`` must not pass ``context_length``: ctransformers would
        overwrite the cache's end without a word. Raises `ValueError` then, and
        `EngineError` when the evaluation fails.
        """
        assert self._llm is not None
        if not 0 <= position <= self.context_length - len(tokens):
            raise ValueError(f"{len(tokens)} tokens from {position} on leave the context")
        count = len(tokens)
        array = (c_int * count)(*tokens)
        if not self._llm.ctransformers_llm_batch_eval(array, count, position, count, self._threads):
            raise EngineError("The engine failed to evaluate the tokens.")

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits after the last evaluated token: float32 [vocabulary_size].

        A view of the engine's memory: the next `evaluate` overwrites it.
        """
        assert self._llm is not None
        size = self._llm.ctransformers_llm_logits_size()
        return np.ctypeslib.as_array(self._llm.ctransformers_llm_logits_data(), (size,))

    def close(self) -> None:
        """Frees the model; the engine cannot be used afterwards."""
        self._llm = None  # its __del__ calls ctransformers_llm_delete


def usable_cpus() -> int:
    """The CPUs that this process may use. With more threads the engine all but stands still."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


def default_threads() -> int:
    """All CPUs up to four, then half of them: hyper-threads slow the engine down."""
    count = usable_cpus()
    return count if count <= 4 else max(4, count // 2)


def _library() -> str | None:
    """The build of ctransformers' library for this CPU, or ``None`` to let it choose.

    Its own choice asks py-cpuinfo, which takes over a second; numpy knows already.
    """
    built_from_source = (Path(ctransformers.__file__).parent / "lib" / "local").is_dir()
    if built_from_source or platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    if __cpu_features__["AVX2"]:
        return "avx2"
    return "avx" if __cpu_features__["AVX"] and __cpu_features__["F16C"] else "basic"
