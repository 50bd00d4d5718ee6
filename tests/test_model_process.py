"""What happens when the process of a model crashes, stalls or is given up."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from flask.testing import FlaskClient
from openai import APIError, InternalServerError, OpenAI

from app.exceptions import (
    Cancelled,
    GrammarError,
    ModelCrashed,
    ModelStalled,
    PromptError,
)
from app.jobs import Conversation, Gbnf, Job, Options
from app.model_process import ModelProcess, Timeouts
from app.models.cache import ModelCache
from app.models.library import ModelFile
from app.protocol import Load
from app.service import Service

from .server import Server
from .tiny_gguf import damage_in_the_middle, make_deadly, write_large_vocabulary, write_tiny_gguf

ENDLESS = {"model": "tiny", "max_tokens": 90_000, "extra_body": {"ignore_eos": True}}
LONG = Options(max_tokens=10**6, min_tokens=10**6)
HELLO = Conversation([{"role": "user", "content": "hello"}])
LOOP = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
HUGE = "{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}"
SLOW_GRAMMAR = "".join(f'r{i}::="x"r{i + 1}\n' for i in range(1900))


def never() -> None:
    pass


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ModelProcess]]:
    """A function that starts a process and loads a tiny model with that chat template."""
    processes: list[ModelProcess] = []

    def load(template: str | None = None, **timeouts: float) -> ModelProcess:
        metadata = {"tokenizer.chat_template": template} if template else {}
        path = write_tiny_gguf(tmp_path / "a.gguf", context_length=100_000, metadata=metadata)
        processes.append(process := ModelProcess(Timeouts()))
        process.load(Load(ModelFile("a", path), tmp_path / "cache", 100_000, 1))
        process.wait_until_loaded(never)
        # Only now: on a busy machine, a process takes longer to start than these tests wait.
        process._timeouts = Timeouts(**timeouts)
        return process

    yield load
    for process in processes:
        process.close()


def short_answer(process: ModelProcess) -> int:
    """Runs a job to its end; returns how many tokens it has."""
    _, deltas = process.run(Job(["hello"], options=Options(max_tokens=3, min_tokens=3)), never)
    return sum(delta.tokens for delta in deltas)


def test_a_model_with_damage_that_the_engine_finds_is_made_again(tmp_path: Path) -> None:
    path, cache = write_large_vocabulary(tmp_path / "a.gguf"), tmp_path / "cache"
    tokenizer = ModelCache(cache).prepare(path).tokenizer
    whole = tokenizer.read_bytes()
    damage_in_the_middle(tokenizer)
    process = ModelProcess(Timeouts())
    try:
        process.load(Load(ModelFile("a", path), cache, 64, 1))
        process.wait_until_loaded(never)
    finally:
        process.close()
    assert tokenizer.read_bytes() == whole


def test_a_process_that_dies_in_an_answer_ends_it(start: Callable[..., ModelProcess]) -> None:
    process = start()
    _, deltas = process.run(Job(["hello"], options=LONG), never)
    next(delta for delta in deltas if delta.tokens)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ModelCrashed, match=r"was killed by SIGKILL\. The next request"):
        list(deltas)
    assert process.ended
    assert not process.died_early


def test_a_process_that_dies_before_its_first_token_died_early(
    start: Callable[..., ModelProcess],
) -> None:
    process = start()
    os.kill(process.pid, signal.SIGSEGV)
    with pytest.raises(ModelCrashed, match="SIGSEGV"):
        process.run(Job(["hello"], options=LONG), never)
    assert process.died_early


def test_a_job_that_is_given_up_leaves_the_process_to_the_next(
    start: Callable[..., ModelProcess],
) -> None:
    process = start()
    _, deltas = process.run(Job(["hello"], options=LONG), never)
    next(deltas)
    deltas.close()
    assert short_answer(process) == 3


def test_a_check_that_raises_gives_the_job_up(start: Callable[..., ModelProcess]) -> None:
    process, checks = start(), iter([never] * 20)

    def gone() -> None:
        raise Cancelled("gone")

    with pytest.raises(Cancelled):
        for _ in process.run(Job(["hello"], options=LONG), lambda: next(checks, gone)())[1]:
            pass
    assert short_answer(process) == 3


def test_a_template_without_end_is_stopped(start: Callable[..., ModelProcess]) -> None:
    process = start(LOOP, prompt=0.3)
    with pytest.raises(PromptError, match=r"chat template takes more than 0\.3 seconds"):
        process.run(Job(conversation=HELLO), never)
    assert process.ended


def test_who_leaves_a_template_without_end_frees_the_model(
    start: Callable[..., ModelProcess],
) -> None:
    process, checks = start(LOOP, prompt=600), iter([never] * 3)

    def gone() -> None:
        raise Cancelled("gone")

    with pytest.raises(Cancelled):
        process.run(Job(conversation=HELLO), lambda: next(checks, gone)())
    assert process.ended
    assert not process.died_early


def test_a_template_that_takes_all_memory_is_an_error(start: Callable[..., ModelProcess]) -> None:
    process = start(HUGE)
    with pytest.raises(PromptError, match="MemoryError"):
        process.run(Job(conversation=HELLO), never)
    assert short_answer(process) == 3


def test_a_grammar_that_takes_long_is_stopped(start: Callable[..., ModelProcess]) -> None:
    grammar = Gbnf(f'root ::= r0\n{SLOW_GRAMMAR}r1900 ::= "y"')
    with pytest.raises(GrammarError, match=r"compiling it takes more than 0\.2 seconds"):
        start(prompt=0.2).run(Job(["hello"], options=Options(grammar=grammar)), never)


def test_tokens_that_take_long_are_stopped(start: Callable[..., ModelProcess]) -> None:
    with pytest.raises(PromptError, match=r"into tokens takes more than 0\.2 seconds"):
        start(prompt=0.2).run(Job(["hello world, é 😀 " * 1000] * 1000), never)


def test_a_process_without_a_sign_of_life_is_ended(start: Callable[..., ModelProcess]) -> None:
    process = start(evaluation=0.3)
    _, deltas = process.run(Job(["hello"], options=LONG), never)
    next(deltas)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(ModelStalled, match=r"no sign of life for 0\.3 seconds"):
        list(deltas)
    assert process.ended


def test_a_long_prompt_gives_signs_of_life(start: Callable[..., ModelProcess]) -> None:
    # It takes several times as long as the limit, and nothing comes of it before its end.
    process = start(evaluation=1.5)
    job = Job(["hello world " * 4_000], options=Options(max_tokens=1))
    _, deltas = process.run(job, never)
    evaluated, answer = deltas
    assert evaluated.prompt_tokens > 7_000
    assert answer.finish_reason == "length"


@pytest.fixture
def tiny_server(tiny_gguf: Path) -> Iterator[Server]:
    write_tiny_gguf(tiny_gguf, context_length=100_000)
    with Server(tiny_gguf.parent.parent, CONTEXT_LENGTH="100000") as running:
        # A request waits until the model is loaded, and leaves nothing of its prompt behind.
        running.post("/v1/completions", {"prompt": "x", "max_tokens": 1}).raise_for_status()
        yield running


@pytest.fixture
def openai_client(tiny_server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{tiny_server.url}/v1", api_key="none") as client:
        yield client


def test_an_openai_client_sees_one_failed_request(
    tiny_server: Server, openai_client: OpenAI
) -> None:
    create = openai_client.completions.create
    stream = create(prompt="hello", stream=True, **ENDLESS)
    next(stream)
    os.kill(tiny_server.model_pid, signal.SIGKILL)
    with pytest.raises(APIError, match="was killed by SIGKILL") as caught:
        list(stream)
    assert caught.value.code == "model_crashed"
    assert create(model="tiny", prompt="hello", max_tokens=1).usage.completion_tokens == 1
    assert "app.model_process: The process of the model was killed by SIGKILL." in tiny_server.log


@pytest.mark.parametrize("prompt", ["hello", "hello world " * 20_000], ids=["answer", "prompt"])
def test_a_plain_request_is_not_repeated_by_the_client(
    tiny_server: Server, openai_client: OpenAI, prompt: str
) -> None:
    before = tiny_server.model_pid

    def ask() -> None:
        openai_client.completions.create(prompt=prompt, **ENDLESS)

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(ask)
        while not tiny_server.get("/health").json()["busy"]:
            assert not asked.done()
        os.kill(before, signal.SIGKILL)
        with pytest.raises(InternalServerError, match="SIGKILL") as caught:
            asked.result(timeout=30)
    assert caught.value.code == "model_crashed"
    assert tiny_server.get("/health").json()["model"] is None


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_dies_while_loading_is_a_500(
    own_client: FlaskClient, tiny_gguf: Path, stream: bool
) -> None:
    service: Service = own_client.application.extensions["gpt4all"]
    make_deadly(tiny_gguf, service.cache)
    body = {"prompt": "hello", "stream": stream}
    response = own_client.post("/v1/completions", json=body)
    assert response.status_code == 500
    assert response.json["error"]["code"] == "model_crashed"
    assert response.headers["x-should-retry"] == "false"


def test_gets_notice_nothing_of_a_crash(tiny_server: Server) -> None:
    os.kill(tiny_server.model_pid, signal.SIGKILL)
    while tiny_server.get("/health").json()["model"]:
        assert tiny_server.get("/v1/models").json()["data"][0]["id"] == "tiny"
    answer = tiny_server.post("/v1/completions", {"prompt": "hello", "max_tokens": 1})
    assert answer.status_code == 200


def test_those_who_wait_for_a_model_to_be_prepared_are_bounded_and_block_nobody(
    tiny_server: Server, tiny_gguf: Path
) -> None:
    write_tiny_gguf(tiny_gguf.with_name("new.gguf"))
    body, connections = {"model": "new", "prompt": "hello", "max_tokens": 1}, []

    def state() -> dict[str, object]:
        return tiny_server.get("/health").json()

    with FileLock(tiny_gguf.parent.parent / "cache" / ".lock"):
        for count in range(9):
            connections.append(tiny_server.send("/v1/completions", body))
            while state()["waiting"] != count + 1:
                pass
        assert tiny_server.post("/v1/completions", body).status_code == 503
        answer = tiny_server.post("/v1/completions", {**body, "model": "tiny"})
        assert answer.json()["model"] == "tiny"
    for connection in connections:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("busy", [False, True])
def test_no_process_outlives_the_server(
    tiny_server: Server, number: signal.Signals, busy: bool
) -> None:
    handles = [os.pidfd_open(pid) for pid in tiny_server.children]
    assert len(handles) == 2  # the model's and the one that watches folders
    body = {"prompt": "hello", "max_tokens": 90_000, "stream": True}
    with tiny_server.send("/v1/completions", body) as connection:
        if busy:
            assert connection.recv(1)
        tiny_server.signal(number)
        for handle in handles:
            assert select.select([handle], [], [], 30)[0]
            os.close(handle)
