from collections.abc import Callable
from pathlib import Path

import pytest

from app.engines.base import LoadOptions
from app.engines.ctransformers.engine import CTransformers
from app.exceptions import ModelError
from app.inference.model import Model


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="The engine refused the model"):
        CTransformers(tmp_path / "none.gguf", LoadOptions(64, 1))


def test_a_context_that_does_not_fit_in_memory_is_an_error_with_both_numbers(
    load_tiny: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A test cannot fill the memory.
    monkeypatch.setattr("app.inference.model.available_memory", lambda: 5 << 20)
    needed = r"a context of 100000 tokens takes 12 MiB of memory, and 5 MiB are free"
    with pytest.raises(ModelError, match=needed):
        load_tiny(context_length=100_000)
