from pathlib import Path

import pytest

from app.engines.base import LoadOptions
from app.engines.ctransformers.engine import CTransformers
from app.exceptions import ModelError


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="The engine refused the model"):
        CTransformers(tmp_path / "none.gguf", LoadOptions(64, 1))
