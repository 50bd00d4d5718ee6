from pathlib import Path

import pytest

from app.engines import engine_room
from app.exceptions import ModelError


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="The engine refused the model"):
        engine_room("ctransformers").load(tmp_path / "none.gguf", 64, 1)
