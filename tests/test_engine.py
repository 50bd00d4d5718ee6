from pathlib import Path

import pytest

from app.engines import engine_room
from app.engines import threads as threads_module
from app.engines.threads import default_threads
from app.exceptions import ModelError


@pytest.mark.parametrize(("cpus", "threads"), [(1, 1), (2, 2), (4, 4), (6, 4), (8, 4), (16, 8)])
def test_the_threads_are_up_to_four_cpus_or_half_of_more(
    monkeypatch: pytest.MonkeyPatch, cpus: int, threads: int
) -> None:
    monkeypatch.setattr(threads_module, "usable_cpus", lambda: cpus)
    assert default_threads() == threads


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="The engine refused the model"):
        engine_room("ctransformers").load(tmp_path / "none.gguf", 64, 1)
