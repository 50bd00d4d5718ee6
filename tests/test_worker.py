import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.inference.errors import Cancelled, ModelError
from app.inference.library import ModelFile
from app.inference.model import Model
from app.inference.model_cache import ModelCache, PreparedModel
from app.worker import QueueFull, Turns, Worker

from .tiny_gguf import write_tiny_gguf


def never() -> None:
    pass


def wait_for(turns: Turns, waiting: int) -> None:
    """Returns when so many wait; there is no event to wait for, the lock's own is private."""
    with turns._changed:
        assert turns._changed.wait_for(lambda: turns.waiting == waiting, timeout=10)


def test_one_at_a_time_and_first_come_first_served() -> None:
    turns, served = Turns(limit=8), []

    def work(number: int) -> None:
        with turns.turn(never):
            assert turns.taken
            served.append(number)

    with ThreadPoolExecutor() as pool, turns.turn(never):
        for number in range(5):
            pool.submit(work, number)
            wait_for(turns, number + 1)
        assert served == []
    assert served == list(range(5))
    assert not turns.taken


def test_who_finds_the_queue_full_is_turned_away_at_once() -> None:
    turns = Turns(limit=1)
    with ThreadPoolExecutor() as pool:
        with turns.turn(never):
            waiting = pool.submit(lambda: turns.turn(never).__enter__())
            wait_for(turns, 1)
            with pytest.raises(QueueFull), turns.turn(never):
                pass
        waiting.result()


def test_a_limit_of_0_lets_nobody_wait() -> None:
    turns = Turns(limit=0)
    with turns.turn(never), pytest.raises(QueueFull), turns.turn(never):
        pass
    with turns.turn(never):
        pass


def test_who_leaves_the_queue_gives_up_the_place() -> None:
    turns, left = Turns(limit=1), threading.Event()

    def check() -> None:
        if left.is_set():
            raise Cancelled

    def wait() -> None:
        with turns.turn(check):
            pytest.fail("nobody should get here")

    with ThreadPoolExecutor() as pool, turns.turn(never):
        waiting = pool.submit(wait)
        wait_for(turns, 1)
        left.set()
        with pytest.raises(Cancelled):
            waiting.result(timeout=10)
        assert turns.waiting == 0


def test_an_error_gives_the_turn_back() -> None:
    turns = Turns(limit=0)
    with pytest.raises(ZeroDivisionError), turns.turn(never):
        raise ZeroDivisionError
    assert not turns.taken


@pytest.fixture
def worker(load_tiny: Callable[..., Model], prepared: PreparedModel) -> Worker:
    def prepare(file: ModelFile) -> PreparedModel:
        if file.name == "unusable":
            raise ModelError("unusable")
        return prepared

    def load(file: ModelFile, prepared: PreparedModel) -> Model:
        if file.name == "broken":
            raise ModelError("broken")
        model = load_tiny()
        model.file = file
        return model

    return Worker(prepare, load, queue_limit=8)


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedModel:
    return ModelCache(tmp_path / "cache").prepare(write_tiny_gguf(tmp_path / "tiny.gguf"))


A, B, BROKEN, UNUSABLE = (ModelFile(name, Path(name)) for name in ("a", "b", "broken", "unusable"))


def test_a_model_stays_loaded(worker: Worker) -> None:
    with worker.model(A, never) as first:
        pass
    with worker.model(A, never) as second:
        assert second is first
    assert worker.loaded == "a"


def test_another_model_takes_the_first_ones_place(worker: Worker) -> None:
    with worker.model(A, never) as first:
        pass
    with worker.model(B, never):
        assert worker.loaded == "b"
        assert first._engine._llm is None


def test_a_file_that_took_anothers_place_is_loaded(worker: Worker) -> None:
    with worker.model(A, never) as first:
        pass
    with worker.model(ModelFile("a", Path("a"), version=(1, 2)), never) as second:
        assert second is not first


def test_who_left_before_the_turn_gets_no_model(worker: Worker) -> None:
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled), worker.model(A, check):
        pass
    assert worker.loaded is None


def test_a_model_that_fails_to_load_leaves_the_worker_usable(worker: Worker) -> None:
    with worker.model(A, never) as first:
        pass
    with pytest.raises(ModelError), worker.model(BROKEN, never):
        pass
    assert worker.loaded is None
    with worker.model(A, never) as second:
        assert second is not first


def test_a_model_that_cannot_be_prepared_leaves_the_loaded_one(worker: Worker) -> None:
    with worker.model(A, never) as first:
        pass
    with pytest.raises(ModelError), worker.model(UNUSABLE, never):
        pass
    with worker.model(A, never) as second:
        assert second is first


def test_preparing_a_model_keeps_nobody_from_the_loaded_one(
    load_tiny: Callable[..., Model], prepared: PreparedModel
) -> None:
    preparing, goes_on = threading.Event(), threading.Event()

    def prepare(file: ModelFile) -> PreparedModel:
        if file is B:
            preparing.set()
            goes_on.wait(10)
        return prepared

    def load(file: ModelFile, prepared: PreparedModel) -> Model:
        model = load_tiny()
        model.file = file
        return model

    worker = Worker(prepare, load, queue_limit=8)
    with worker.model(A, never):
        pass

    def use_b() -> str | None:
        with worker.model(B, never):
            return worker.loaded

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(use_b)
        preparing.wait(10)
        with worker.model(A, never) as model:
            assert model.file is A
        goes_on.set()
        assert waiting.result(timeout=10) == "b"
