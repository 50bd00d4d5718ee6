"""Records what llama.cpp says, for test_llama_cpp.py: `make record`.

    .venv/bin/python -m tests.oracle.record .venv-oracle/bin/python MODEL

MODEL is the default one. The ids of the families are kept as digests.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.inference.model import Model
from app.models.cache import ModelCache
from app.models.library import ModelFile
from tests.f16_copy import write_f16_copy

from .__main__ import tokens_of
from .client import LlamaCpp
from .corpus import TEXTS, corpus, random_text
from .families import FAMILIES, RealVocabulary, write_family

PROMPTS = [
    "The capital of France is",
    "Once upon a time there was a fox who",
    "def fibonacci(n):\n",
    "Water boils at a temperature of",
    "<|im_start|>user\nWhat is two plus two?<|im_end|>\n<|im_start|>assistant\n",
    "Die Hauptstadt von Deutschland heißt",
    "Monday, Tuesday, Wednesday,",
    "The chemical symbol of gold is",
]


def main(python: str, model: Path) -> None:
    """Writes tests/llama_cpp.json."""
    texts = [*TEXTS, *(random_text(seed, 400) for seed in range(8))]
    with tempfile.TemporaryDirectory() as folder, LlamaCpp(python, model) as quantised:
        f16 = write_f16_copy(model, Path(folder) / "f16.gguf")
        with LlamaCpp(python, f16) as llama_cpp:
            greedy = [[_lead(token) for token in text] for text in llama_cpp.greedy(PROMPTS, 24)]
        record = {
            "tokens": list(zip(texts, quantised.tokens(texts), strict=True)),
            "greedy_f16": list(zip(PROMPTS, greedy, strict=True)),
            "top_10": [
                [prompt, tokens[0]]
                for prompt, tokens in zip(PROMPTS, quantised.greedy(PROMPTS, 1), strict=True)
            ],
            "families": _families(python, RealVocabulary.read(model), Path(folder)),
        }
    target = Path(__file__).parents[1] / "llama_cpp.json"
    target.write_text(json.dumps(record) + "\n", encoding="utf-8")


def digest(ids: list[int]) -> str:
    """The digest of a text's token ids."""
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:8]


def _lead(token: dict[str, float]) -> tuple[int, float]:
    """A greedy token and its lead over the second in log-probability."""
    (best, first), (_, second) = list(token.items())[:2]
    return int(best), round(first - second, 4)


def _families(python: str, vocabulary: RealVocabulary, folder: Path) -> dict[str, Any]:
    """The digests of the corpus' token ids for each family that tokenizes in its own way."""
    record = {}
    for family in (family for family in FAMILIES if family.weight_type == "F16"):
        path = write_family(folder / "model.gguf", family, vocabulary)
        prepared = ModelCache(folder / "cache").prepare(path)
        model = Model.load(ModelFile(path.stem, path), prepared, 512, threads=2)
        model.close()
        with LlamaCpp(python, path) as llama_cpp:
            record[family.name] = [digest(ids) for ids in tokens_of(llama_cpp, corpus(), model)]
    return record


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
