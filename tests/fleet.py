"""Several instances behind HAProxy, with the commands and the configuration of docs/scaling.md.

`make test-fleet` runs this. It needs the program haproxy (Debian: haproxy), so its name keeps it
out of `make test`.
"""

import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from localdocs.collections import Collections
from localdocs.errors import CollectionBusy

from .balancer import SCALING, SERVERS, balanced
from .server import Server, soon
from .test_server import CHAT, COMPLETION, ENDLESS, wait_until
from .tiny_gguf import write_tiny_gguf

[COMMANDS] = re.findall(r"```\n(export GPT4ALL_.*?)```", SCALING, re.DOTALL)
RESPONSES = "/v1/responses"
BODY_LIMIT = 1 << 20  # bytes, by default

SHORT = {**ENDLESS, "max_tokens": 1}
LONG = {**ENDLESS, "max_tokens": 90_000}
WITH_SYSTEM = {"role": "system", "content": "Be brief."}


class Fleet:
    """Instances and the balancer in front of them."""

    def __init__(self, url: str, data: Path, instances: list[Server]) -> None:
        self.url, self.data, self.instances = url, data, instances

    def post(self, path: str, body: Any, **how: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=60, **how)

    def answering(self, response: requests.Response) -> Server:
        """The instance that has answered."""
        words = f"id={response.headers['X-Request-Id']} "
        return soon(lambda: next((each for each in self.instances if words in each.log), None))

    def asked(self) -> Server:
        """The instance that answers a request which belongs to no conversation."""
        response = self.post(COMPLETION, SHORT)
        assert response.status_code == 200, response.text
        return self.answering(response)

    def busy(self) -> Server | None:
        """An instance whose model is busy."""
        return next((each for each in self.instances if each.get("/health").json()["busy"]), None)

    def other(self, instance: Server) -> Server:
        [other] = (each for each in self.instances if each is not instance)
        return other


@contextmanager
def full(*instances: Server) -> Iterator[None]:
    """Keeps instances busy, with as many waiting as may wait."""
    with ExitStack() as stack:
        for instance in instances:
            for waiting in range(int(settings()["QUEUE_LIMIT"]) + 1):
                stack.enter_context(instance.send(COMPLETION, LONG))
                wait_until(instance, busy=True, waiting=waiting)
        yield
    for instance in instances:
        wait_until(instance, busy=False)


def settings() -> dict[str, str]:
    """The instances' settings in the commands."""
    return dict(re.findall(r"GPT4ALL_(\w+)=(\S+)", COMMANDS))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if shutil.which("haproxy") is None:
        pytest.fail("The program haproxy is missing: apt-get install haproxy", pytrace=False)
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "models").mkdir()
    write_tiny_gguf(folder / "models" / "tiny.gguf", context_length=100_000)
    given = {**settings(), "THREADS": "1", "CONTEXT_LENGTH": "100000"}
    assert Path(given.pop("DATA_DIR")).is_absolute()
    ports = re.findall(r"^PORT=(\d+) flask --app wsgi serve &$", COMMANDS, re.MULTILINE)
    assert ports == re.findall(r":(\d+)\n", SERVERS)
    with ExitStack() as stack:
        # All at once, so that they also prepare the model at once.
        instances = [Server(folder, **given) for _ in ports]
        with ThreadPoolExecutor() as pool:
            list(pool.map(stack.enter_context, instances))
        for instance in instances:
            wait_until(instance, model="tiny", busy=False)
        url = stack.enter_context(balanced(folder, [each.port for each in instances]))
        yield Fleet(url, folder, instances)


@pytest.fixture(autouse=True)
def whole(fleet: Fleet) -> Iterator[None]:
    """After each test, all instances run, are idle, and are asked."""
    yield
    for instance in fleet.instances:
        if instance.status is not None:
            instance.__exit__()
            instance.__enter__()
        wait_until(instance, model="tiny", busy=False)
        soon(lambda instance=instance: fleet.asked() is instance)


def conversation(text: str, *before: dict[str, str]) -> dict[str, Any]:
    messages = [*before, {"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": 4, "ignore_eos": True}


def next_turn(body: dict[str, Any], response: requests.Response) -> dict[str, Any]:
    answer = response.json()["choices"][0]["message"]["content"]
    more = {"role": "assistant", "content": answer}, {"role": "user", "content": "And then?"}
    return {**body, "messages": [*body["messages"], *more]}


def test_the_instance_with_the_fewest_requests_is_asked(fleet: Fleet) -> None:
    with ExitStack() as stack:
        stack.enter_context(fleet.post(COMPLETION, {**LONG, "stream": True}, stream=True))
        busy = soon(fleet.busy)
        assert {fleet.asked() for _ in range(4)} == {fleet.other(busy)}


def test_a_full_instance_hands_over_to_the_next(fleet: Fleet) -> None:
    instance, other = fleet.instances
    with full(instance):  # by others than the balancer, which knows nothing of it
        assert {fleet.asked() for _ in range(4)} == {other}


def test_the_largest_body_is_handed_over_too(fleet: Fleet) -> None:
    empty = len(json.dumps({**SHORT, "user": ""}))
    body = json.dumps({**SHORT, "user": "x" * (BODY_LIMIT - empty)})
    instance, other = fleet.instances
    with full(instance):
        responses = [requests.post(fleet.url + COMPLETION, body, timeout=60) for _ in range(4)]
    assert [each.status_code for each in responses] == [200] * 4
    assert {fleet.answering(each) for each in responses} == {other}
    more = requests.post(fleet.url + COMPLETION, body + " ", timeout=60)
    assert more.status_code == 413


def test_if_all_are_full_the_client_is_told_to_come_again(fleet: Fleet) -> None:
    with full(*fleet.instances):
        response = fleet.post(COMPLETION, SHORT)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
    assert response.json()["error"]["code"] == "queue_full"


def test_a_killed_instance_costs_the_request_under_way_alone(fleet: Fleet) -> None:
    with (
        openai.OpenAI(base_url=f"{fleet.url}/v1", api_key="none") as client,
        ThreadPoolExecutor() as pool,
    ):
        client.models.list()  # so that the next request may come on the same connection
        body = {**LONG, "max_tokens": 10_000}
        lost = pool.submit(client.post, "/completions", body=body, cast_to=object)
        instance = soon(fleet.busy)
        other = fleet.other(instance)
        lines = other.log.count("route=")
        kept = pool.submit(fleet.post, COMPLETION, {**LONG, "max_tokens": 2000})
        wait_until(other, busy=True)
        os.kill(instance.pid, signal.SIGKILL)
        instance.wait()
        assert [fleet.asked() for _ in range(2)] == [other, other]
        with pytest.raises(openai.InternalServerError) as error:
            lost.result()
        assert kept.result().json()["usage"]["completion_tokens"] == 2000
    assert error.value.status_code == 502
    assert error.value.code == "instance_ended"
    # Neither HAProxy nor the client has repeated what may have been the cause.
    assert other.log.count("route=") == lines + 3


def test_a_stream_of_a_killed_instance_breaks(fleet: Fleet) -> None:
    with fleet.post(COMPLETION, {**LONG, "stream": True}, stream=True) as response:
        lines = response.iter_lines()
        assert next(lines).startswith(b"data: {")
        instance = soon(fleet.busy)
        os.kill(instance.pid, signal.SIGKILL)
        instance.wait()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(lines)
    assert fleet.asked() is fleet.other(instance)


def test_an_instance_that_is_started_again_is_asked_again(fleet: Fleet) -> None:
    instance, other = fleet.instances
    os.kill(instance.pid, signal.SIGKILL)
    instance.wait()
    assert fleet.asked() is other
    instance.__exit__()
    instance.__enter__()
    soon(lambda: fleet.asked() is instance)


def test_an_instance_that_hangs_is_asked_no_more_until_it_goes_on(fleet: Fleet) -> None:
    instance, other = fleet.instances

    def reached() -> bool:
        try:
            return requests.get(f"{fleet.url}/v1/models", timeout=0.5).ok
        except requests.ReadTimeout:
            return False

    os.kill(instance.pid, signal.SIGSTOP)
    try:
        soon(lambda: all(reached() for _ in range(6)))
        assert {fleet.asked() for _ in range(4)} == {other}
    finally:
        os.kill(instance.pid, signal.SIGCONT)
    soon(lambda: fleet.asked() is instance)


def test_without_any_instance_the_error_is_json_and_asks_to_come_again(fleet: Fleet) -> None:
    for instance in fleet.instances:
        os.kill(instance.pid, signal.SIGKILL)
        instance.wait()
    response = fleet.post(COMPLETION, SHORT)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "2"
    assert response.json()["error"]["code"] == "no_instance"


@pytest.mark.parametrize("before", [(), (WITH_SYSTEM,)], ids=["plain", "system"])
def test_a_conversation_stays_where_its_kv_cache_is(fleet: Fleet, before: Any) -> None:
    bodies = [conversation(f"{text}{before}" * 9, *before) for text in ("one", "two", "three")]
    where = []
    for body in bodies:
        response = fleet.post(CHAT, body)
        where.append(fleet.answering(response))
        body |= next_turn(body, response)
    for _ in range(3):
        for body, instance in zip(bodies, where, strict=True):
            response = fleet.post(CHAT, body)
            assert fleet.answering(response) is instance
            assert response.json()["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
            body |= next_turn(body, response)


@pytest.mark.parametrize("before", [(), (WITH_SYSTEM,)], ids=["plain", "system"])
def test_a_conversation_of_responses_stays_too(fleet: Fleet, before: Any) -> None:
    bodies = [
        {"input": [*before, {"role": "user", "content": text * 9}], "max_output_tokens": 1}
        for text in (f"{before} four", f"{before} five", f"{before} six")
    ]
    where = [fleet.answering(fleet.post(RESPONSES, body)) for body in bodies]
    assert set(where) == set(fleet.instances)
    for _ in range(3):
        for body, instance in zip(bodies, where, strict=True):
            response = fleet.post(RESPONSES, body)
            assert fleet.answering(response) is instance
            again = {"role": "user", "content": "And then?"}
            body["input"] = [*body["input"], *response.json()["output"], again]


def test_conversations_with_one_system_message_are_spread(fleet: Fleet) -> None:
    bodies = [conversation(f"spread {number}", WITH_SYSTEM) for number in range(4)]
    assert {fleet.answering(fleet.post(CHAT, body)) for body in bodies} == set(fleet.instances)


def test_a_conversation_moves_when_its_instance_is_full_and_stays_there(fleet: Fleet) -> None:
    body = conversation("moves")
    response = fleet.post(CHAT, body)
    instance = fleet.answering(response)
    body = next_turn(body, response)
    with full(instance):
        response = fleet.post(CHAT, body)
    other = fleet.other(instance)
    assert fleet.answering(response) is other
    for _ in range(3):
        body = next_turn(body, response)
        response = fleet.post(CHAT, body)
        assert fleet.answering(response) is other


def test_a_conversation_goes_on_elsewhere_at_once_when_its_instance_is_gone(fleet: Fleet) -> None:
    body = conversation("gone")
    response = fleet.post(CHAT, body)
    instance = fleet.answering(response)
    os.kill(instance.pid, signal.SIGKILL)
    instance.wait()
    response = fleet.post(CHAT, next_turn(body, response))
    assert fleet.answering(response) is fleet.other(instance)
    # HAProxy would wait for a second before it tries the same instance again, and again.
    assert response.elapsed.total_seconds() < 1.5


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_the_model(fleet: Fleet, stream: bool) -> None:
    with socket.create_connection(("127.0.0.1", int(fleet.url.rpartition(":")[2]))) as connection:
        data = json.dumps({**LONG, "stream": stream}).encode()
        head = f"POST {COMPLETION} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
        connection.sendall(head.encode() + b"\r\n" + data)
        instance = soon(fleet.busy)
    assert wait_until(instance, busy=False) < 5  # the answer would take longer


@pytest.fixture
def fruit(fleet: Fleet, tmp_path: Path) -> Iterator[Path]:
    """The folder of a collection that all instances know."""
    collections = Collections(fleet.data / "localdocs")
    collections.create("Fruit", tmp_path)

    def removed() -> bool:
        try:
            collections.remove("Fruit")
        except CollectionBusy:  # an instance is reading
            return False
        return True

    yield tmp_path
    soon(removed)


def sources(instance: Server) -> str:
    """What an instance finds about a fruit."""
    response = instance.post(CHAT, conversation("Which fruit has green flesh?"))
    return json.dumps(response.json()["choices"][0]["references"] or "")


def test_a_new_document_is_found_by_every_instance(fleet: Fleet, fruit: Path) -> None:
    (fruit / "kiwi.md").write_text("# Kiwi\n\nThe kiwi has green flesh and a fuzzy skin.\n")
    for instance in fleet.instances:
        soon(lambda instance=instance: "fuzzy" in sources(instance))


@pytest.mark.parametrize("number", [0, 1])
def test_documents_are_read_whichever_instance_is_killed(
    fleet: Fleet, fruit: Path, number: int
) -> None:
    instance = fleet.instances[number]
    (fruit / "kiwi.md").write_text("# Kiwi\n\nThe kiwi has green flesh and a fuzzy skin.\n")
    soon(lambda: "fuzzy" in sources(instance))
    os.kill(instance.pid, signal.SIGKILL)
    instance.wait()
    (fruit / "lime.md").write_text("# Lime\n\nThe lime is a fruit with sour green flesh.\n")
    soon(lambda: "sour" in sources(fleet.other(instance)))


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_an_instance_is_stopped_without_a_failed_request(fleet: Fleet, busy: bool) -> None:
    instance, _ = fleet.instances
    statuses = []

    def ask() -> None:
        while instance.status is None:
            body = {**ENDLESS, "max_tokens": 300} if busy else SHORT
            statuses.append(fleet.post(COMPLETION, body).status_code)

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        soon(lambda: len(statuses) > 10)
        instance.signal(signal.SIGTERM)
        for each in asking:
            each.result()
    assert instance.status == 0
    assert set(statuses) == {200}
