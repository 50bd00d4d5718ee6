"""Compares tokens, texts and distributions with llama.cpp's, which `make record` recorded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.model import Model
from app.machine import default_threads
from app.models.cache import ModelCache
from app.models.library import ModelFile

from .conftest import tokenizer_of
from .f16_copy import write_f16_copy
from .oracle.corpus import corpus
from .oracle.families import FAMILIES, Family, RealVocabulary, write_family
from .oracle.record import digest

RECORD: dict[str, Any] = json.loads(
    Path(__file__).with_name("llama_cpp.json").read_text(encoding="utf-8")
)


def never() -> None:
    pass


@pytest.mark.parametrize(("text", "ids"), RECORD["tokens"], ids=range(len(RECORD["tokens"])))
def test_token_ids_equal_llama_cpps(smollm: Model, text: str, ids: list[int]) -> None:
    assert smollm.tokenizer.encode(text) == ids


@pytest.fixture(scope="module")
def real_vocabulary(default_gguf: Path) -> RealVocabulary:
    return RealVocabulary.read(default_gguf)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.name in RECORD["families"]], ids=str)
def test_token_ids_of_every_family_equal_llama_cpps(
    tmp_path: Path, family: Family, real_vocabulary: RealVocabulary
) -> None:
    path = write_family(tmp_path / "model.gguf", family, real_vocabulary)
    vocabulary = tokenizer_of(ModelCache(tmp_path / "cache").prepare(path))
    differing = [
        text
        for text, expected in zip(corpus(), RECORD["families"][family.name], strict=True)
        if digest(vocabulary.encode(text)) != expected
    ]
    assert not differing


@pytest.fixture(scope="module")
def f16(default_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    folder = tmp_path_factory.mktemp("f16")
    path = write_f16_copy(default_gguf, folder / "f16.gguf")
    prepared = ModelCache(folder / "cache").prepare(path)
    model = Model.load(ModelFile("f16", path), prepared, 2048, default_threads())
    path.unlink()  # 270 MB
    yield model
    model.close()


@pytest.mark.parametrize(("prompt", "expected"), RECORD["greedy_f16"], ids=range(8))
def test_greedy_texts_in_f16_equal_llama_cpps(
    f16: Model, prompt: str, expected: list[tuple[int, float]]
) -> None:
    cache, ids = f16.session, f16.text_prompt(prompt)
    cache.prefill(ids, exact=True, check=never)
    for token, lead in expected:
        ours = int(f16.session.logits.argmax())
        if ours != token:
            assert lead < 0.05, "only a near tie may go the other way, and ends the comparison"
            break
        cache.extend([ours])


def test_distributions_in_quantised_weights_are_near_llama_cpps(smollm: Model) -> None:
    divergences = []
    for prompt, top_10 in RECORD["top_10"]:
        smollm.session.prefill(smollm.text_prompt(prompt), exact=True, check=never)
        logits = smollm.session.logits.astype(np.float64)
        ours = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        theirs = np.array(list(top_10.values()))
        divergences.append(np.exp(theirs) @ (theirs - ours[list(map(int, top_10))]))
    # The mean over 400 positions of one text is 0.0045.
    assert np.mean(divergences) < 0.02
