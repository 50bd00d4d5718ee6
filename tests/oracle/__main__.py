"""Compares this project with llama.cpp: ``make oracle`` prints the table of docs/models.md.

    .venv/bin/python -m tests.oracle .venv-oracle/bin/python MODEL GEMMA [WORDS]

With WORDS, only the families whose names contain them are compared.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.engines.llama_cpp import library
from app.exceptions import ModelError
from app.inference.model import Model
from app.models.cache import ModelCache
from app.models.library import ModelFile

from ..modern_gguf import MODERN
from .client import LlamaCpp
from .corpus import corpus
from .families import FAMILIES, RealVocabulary, write_family

_PROMPT_LENGTHS = (1, 2, 7, 31, 32, 33, 64, 100, 200, 256)


@dataclass
class Comparison:
    """How close two engines are: equal ``tokens`` of ``texts``, and the logits' differences."""

    texts: int
    equal: int
    difference: float
    spread: float
    correlation: float
    divergence: float
    same_best: int


def compare(python: str, path: Path, cache: ModelCache, engine: str | None) -> Comparison:
    """Asks both engines the same. Raises `ModelError` if the project refuses the model."""
    model = Model.load(ModelFile(path.stem, path), cache.prepare(path, engine), 512, threads=2)
    texts = corpus()
    ours = [model.tokenizer.encode(text) for text in texts]
    random = np.random.default_rng(1)
    last = min(1000, model.tokenizer.size)
    prompts = [random.integers(20, last, n).tolist() for n in _PROMPT_LENGTHS]
    our_logits = [_log_probabilities(model, prompt) for prompt in prompts]
    model.close()
    with LlamaCpp(python, path) as llama_cpp:
        theirs = tokens_of(llama_cpp, texts, model)
        their_logits = [np.array(values) for values in llama_cpp.log_probabilities(prompts)]
    for text, mine, other in zip(texts, ours, theirs, strict=True):
        if mine != other:
            print("differs:", repr(text[:60]), mine[:20], other[:20], file=sys.stderr)
    pairs = list(zip(our_logits, their_logits, strict=True))
    return Comparison(
        texts=len(texts),
        equal=sum(mine == other for mine, other in zip(ours, theirs, strict=True)),
        difference=max(float(abs(a - b).max()) for a, b in pairs),
        spread=float(np.concatenate(their_logits).std()),
        correlation=min(float(np.corrcoef(a, b)[0, 1]) for a, b in pairs),
        divergence=max(float((np.exp(b) * (b - a)).sum()) for a, b in pairs),
        same_best=sum(int(a.argmax() == b.argmax()) for a, b in pairs),
    )


def tokens_of(llama_cpp: LlamaCpp, texts: list[str], model: Model) -> list[list[int]]:
    """llama.cpp's token ids, but only one BOS where it puts two and warns about it."""
    twice = [model.tokenizer.facts.bos] * 2
    return [ids[1:] if ids[:2] == twice else ids for ids in llama_cpp.tokens(texts)]


def _log_probabilities(model: Model, prompt: list[int]) -> NDArray[np.float64]:
    model.session.prefill(prompt, exact=True, check=lambda: None)
    logits = model.session.logits.astype(np.float64)
    peak = logits.max()
    return np.asarray(logits - peak - np.log(np.exp(logits - peak).sum()))


def main(python: str, default_model: Path, gemma: Path, only: str = "") -> None:
    """Prints a table in Markdown with a line for each family."""
    vocabulary = RealVocabulary.read(default_model)
    print("| Model | tokens | largest difference | correlation | divergence | same best |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = ModelCache(folder / "cache")
        for family in FAMILIES:
            if only not in family.name:
                continue
            path = write_family(folder / "model.gguf", family, vocabulary)
            print(_row(family.name, python, path, cache), flush=True)
        models = {"SmolLM2-135M-Instruct, Q4_1": (default_model, "ctransformers")}
        if library.installed():
            models["SmolLM2-135M-Instruct, Q4_1, llama-cpp"] = default_model, "llama-cpp"
            models["Gemma 3 270M, Q4_K_M, llama-cpp"] = gemma, "llama-cpp"
            for name, write in MODERN.items():
                path = write(folder / f"{name}.gguf", context_length=512)
                models[f"{name}, llama-cpp"] = path, "llama-cpp"
        for name, (path, engine) in models.items():
            if only in name:
                print(_row(name, python, path, cache, engine), flush=True)


def _row(name: str, python: str, path: Path, cache: ModelCache, engine: str | None = None) -> str:
    try:
        found = compare(python, path, cache, engine)
    except ModelError as error:
        return f"| {name} | refused: {error} | | | | |"
    tokens = "exact" if found.equal == found.texts else f"{found.equal} of {found.texts}"
    return (
        f"| {name} | {tokens} | {found.difference:.4f} of ±{found.spread:.2f} "
        f"| {found.correlation:.6f} | {found.divergence:.6f} "
        f"| {found.same_best} of {len(_PROMPT_LENGTHS)} |"
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
