import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from app.exceptions import Cancelled, ModelCrashed, ModelError, QueueFull
from app.models.cache import ModelCache
from app.models.library import ModelFile
from app.protocol import Load
from app.worker import Turns, Worker

from .tiny_gguf import forge_checksums, make_deadly, write_tiny_gguf


def never() -> None:
    pass


def wait_for(turns: Turns, waiting: int) -> None:
    """Returns when the turn is taken and so many wait, of which no event tells."""
    end = time.monotonic() + 10
    while not (turns.taken and turns.waiting == waiting):
        assert time.monotonic() < end
        time.sleep(0.001)


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


def gone() -> None:
    raise Cancelled("gone")


@pytest.fixture
def cache(tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache")


@pytest.fixture
def file(tmp_path: Path, cache: ModelCache) -> Callable[..., ModelFile]:
    """A function that writes a tiny model of that name, prepared unless told otherwise."""

    def write(name: str, *, prepared: bool = True, **how: str) -> ModelFile:
        path = write_tiny_gguf(tmp_path / f"{name}.gguf", **how)
        if prepared:
            cache.prepare(path)
        return ModelFile(name, path)

    return write


@pytest.fixture
def make_worker(tmp_path: Path, cache: ModelCache) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def make(queue_limit: int = 8, keep_alive: float | None = None) -> Worker:
        worker = Worker(
            lambda file: Load(file, tmp_path / "cache", context_length=64, threads=1),
            lambda file: cache.is_prepared(file.path),
            queue_limit=queue_limit,
            keep_alive=keep_alive,
        )
        workers.append(worker)
        return worker

    yield make
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    return make_worker()


def pid(worker: Worker, file: ModelFile) -> int:
    with worker.model(file, never) as process:
        return process.pid


def test_a_model_stays_loaded(worker: Worker, file: Callable[..., ModelFile]) -> None:
    a = file("a")
    assert pid(worker, a) == pid(worker, a)
    assert worker.loaded == "a"


def test_another_model_takes_the_first_ones_place(
    worker: Worker, file: Callable[..., ModelFile]
) -> None:
    with worker.model(file("a"), never) as first:
        pass
    with worker.model(file("b"), never) as second:
        assert worker.loaded == "b"
    assert first.ended
    assert not second.ended


def test_a_file_that_took_anothers_place_is_loaded(
    worker: Worker, file: Callable[..., ModelFile]
) -> None:
    a = file("a")
    newer = ModelFile("a", a.path, version=(1, 2))
    assert pid(worker, a) != pid(worker, newer)


def test_who_left_before_the_turn_gets_no_model(
    worker: Worker, file: Callable[..., ModelFile]
) -> None:
    with pytest.raises(Cancelled), worker.model(file("a"), gone):
        pass
    assert worker.loaded is None


def test_who_leaves_while_a_model_loads_leaves_it_to_the_next(
    worker: Worker, file: Callable[..., ModelFile]
) -> None:
    a, checks = file("a"), iter([never, gone])
    with pytest.raises(Cancelled), worker.model(a, lambda: next(checks)()):
        pass
    loading = worker._process
    with worker.model(a, never) as process:
        assert process is loading


def test_a_model_that_fails_to_load_leaves_the_worker_usable(
    worker: Worker, file: Callable[..., ModelFile], cache: ModelCache
) -> None:
    a, broken = file("a"), file("broken")
    weights = cache.prepare(broken.path).weights
    weights.write_bytes(b"GGUF" + bytes(weights.stat().st_size - 4))
    forge_checksums(weights)
    first = pid(worker, a)
    with pytest.raises(ModelError, match="The engine refused"), worker.model(broken, never):
        pass
    assert worker.loaded is None
    assert pid(worker, a) != first


def test_a_model_whose_file_is_gone_leaves_the_loaded_one(
    worker: Worker, file: Callable[..., ModelFile]
) -> None:
    a, b, order = file("a"), file("b"), worker._order
    first = pid(worker, a)

    def gone_file(file: ModelFile) -> Load:
        raise ModelError("b.gguf cannot be read")

    worker._order = gone_file
    with pytest.raises(ModelError, match="cannot be read"), worker.model(b, never):
        pass
    worker._order = order
    assert pid(worker, a) == first
    assert pid(worker, b) != first


def test_a_model_that_cannot_be_prepared_leaves_the_loaded_one(
    worker: Worker, file: Callable[..., ModelFile]
) -> None:
    a, unusable = file("a"), file("b", prepared=False, architecture="clip9")
    first = pid(worker, a)
    with pytest.raises(ModelError, match="clip9"), worker.model(unusable, never):
        pass
    assert pid(worker, a) == first


def test_preparing_a_model_keeps_nobody_from_the_loaded_one(
    worker: Worker, file: Callable[..., ModelFile], tmp_path: Path
) -> None:
    a, b = file("a"), file("b", prepared=False)
    first = pid(worker, a)
    with ThreadPoolExecutor() as pool:
        with FileLock(tmp_path / "cache" / ".lock"):
            waiting = pool.submit(pid, worker, b)
            wait_for(worker.preparing, 0)
            assert pid(worker, a) == first
        assert waiting.result(timeout=30) != first
    assert worker.loaded == "b"


def test_who_leaves_while_a_model_is_prepared_ends_that(
    worker: Worker, file: Callable[..., ModelFile], tmp_path: Path
) -> None:
    b = file("b", prepared=False)
    (tmp_path / "cache").mkdir()
    checks = iter([never] * 5)
    with (
        FileLock(tmp_path / "cache" / ".lock"),
        pytest.raises(Cancelled),
        worker.model(b, lambda: next(checks, gone)()),
    ):
        pass
    assert not worker.preparing.taken
    assert pid(worker, b)


def test_those_who_wait_for_preparing_are_bounded(
    make_worker: Callable[..., Worker], file: Callable[..., ModelFile], tmp_path: Path
) -> None:
    worker, a, b = make_worker(queue_limit=0), file("a"), file("b", prepared=False)
    with ThreadPoolExecutor() as pool:
        with FileLock(tmp_path / "cache" / ".lock"):
            waiting = pool.submit(pid, worker, b)
            wait_for(worker.preparing, 0)
            with pytest.raises(QueueFull), worker.model(b, never):
                pass
            assert pid(worker, a)
        waiting.result(timeout=30)


def test_a_process_that_died_idle_is_replaced(
    worker: Worker, file: Callable[..., ModelFile], caplog: pytest.LogCaptureFixture
) -> None:
    with worker.model(a := file("a"), never) as first:
        pass
    os.kill(first.pid, signal.SIGKILL)
    first._reader.join(10)
    assert worker.loaded is None
    assert "was killed by SIGKILL" in caplog.text
    assert pid(worker, a) != first.pid


def test_a_model_that_kills_its_process_three_times_is_refused(
    worker: Worker,
    file: Callable[..., ModelFile],
    cache: ModelCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, deadly = file("a"), file("deadly")
    make_deadly(deadly.path, cache)
    for _ in range(3):
        with pytest.raises(ModelCrashed, match="SIGSEGV"), worker.model(deadly, never):
            pass
    with pytest.raises(ModelError, match="died 3 times in a row"), worker.model(deadly, never):
        pass
    assert pid(worker, a)
    changed = ModelFile("deadly", deadly.path, version=(1, 2))
    with pytest.raises(ModelCrashed), worker.model(changed, never):
        pass
    monkeypatch.setattr("app.worker._REFUSED_FOR", 0)
    with pytest.raises(ModelCrashed), worker.model(deadly, never):
        pass


def test_an_idle_model_is_unloaded_when_that_is_asked_for(
    make_worker: Callable[..., Worker], file: Callable[..., ModelFile]
) -> None:
    worker, a = make_worker(keep_alive=0), file("a")
    with worker.model(a, never) as process:
        pass
    process._reader.join(10)
    assert process.ended
    assert pid(worker, a) != process.pid


def test_a_model_in_use_is_not_unloaded(
    make_worker: Callable[..., Worker], file: Callable[..., ModelFile]
) -> None:
    worker, a = make_worker(keep_alive=0.05), file("a")
    with worker.model(a, never):
        pass
    with worker.model(a, never) as process:
        timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
        for timer in timers:
            timer.join(10)
        assert timers
        assert not process.ended
