"""Pages of others in a real browser, the system's chromium: what they can read and cause.

`make test-page` runs this.
"""

import functools
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from .server import Server
from .tiny_gguf import write_tiny_gguf

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
STRANGER, FRIEND, REBOUND = "stranger.example", "friend.example", "rebound.example"
BODY = '{"prompt": "a", "max_tokens": 3, "temperature": 0}'
ADDRESSES = [
    address.address
    for addresses in psutil.net_if_addrs().values()
    for address in addresses
    if address.family == socket.AF_INET and not address.address.startswith("127.")
]
# All the ways in which a page can ask: what it could read, or "refused".
TRIES = """async ([url, body]) => {
  const read = [], method = 'POST', json = { 'Content-Type': 'application/json' };
  const plain = { 'Content-Type': 'text/plain' };
  for (const [path, how] of [
    ['/v1/models', {}], ['/v1/models', { mode: 'no-cors' }], ['/health', {}], ['/metrics', {}],
    ['/v1/completions', { method, body, headers: json }],
    ['/v1/completions', { method, body, headers: plain }],
    ['/v1/completions', { method, body, mode: 'no-cors' }],
    ['/v1/completions', { method, body, mode: 'no-cors', credentials: 'include' }],
  ]) {
    try { read.push(await (await fetch(url + path, how)).text()); } catch { read.push('refused'); }
  }
  navigator.sendBeacon(url + '/v1/completions', body);
  const form = document.createElement('form');
  const action = url + '/v1/completions';
  Object.assign(form, { method, enctype: 'text/plain', action, target: 'f' });
  const input = document.createElement('input');
  form.append(Object.assign(input, { name: body.slice(0, -1) + ', "x": "', value: '"}' }));
  const frame = Object.assign(document.createElement('iframe'), { name: 'f' });
  document.body.append(frame, form);
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  form.submit();
  await loaded;
  try { read.push(frame.contentDocument.body.innerText); } catch { read.push('refused'); }
  for (const tag of ['script', 'img']) {
    const element = document.createElement(tag);
    const ended = new Promise((resolve) => (element.onload = element.onerror = resolve));
    element.src = url + '/v1/models';
    document.body.append(element);
    read.push((await ended).type === 'error' ? 'refused' : tag);
  }
  return read;
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("origins")
    (folder / "models").mkdir()
    write_tiny_gguf(folder / "models" / "tiny.gguf")
    with Server(folder, ORIGINS=f"http://{FRIEND}:*") as server:
        assert server.post("/v1/completions", {"prompt": "a", "max_tokens": 1}).ok
        yield server


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of another server, which has an empty page."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "index.html").write_text("<!doctype html><title>Elsewhere</title>")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("", 0), handler) as other:
        threading.Thread(target=other.serve_forever).start()
        yield other.server_port
        other.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("The program chromium is missing: apt-get install chromium", pytrace=False)
    names = ", ".join(f"MAP {name} 127.0.0.1" for name in (STRANGER, FRIEND, REBOUND))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[f"--host-resolver-rules={names}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(30_000)
    yield page
    page.close()


def answered(server: Server) -> str:
    """How many tokens the server has answered with, and how many requests with success."""
    lines = server.get("/metrics").text.splitlines()
    counted = 'gpt4all_tokens_total{kind="answer"}', 'route="/v1/completions",status="200"'
    return "\n".join(line for line in lines if any(text in line for text in counted))


@pytest.mark.parametrize("name", [STRANGER, *ADDRESSES])
def test_a_strangers_page_can_neither_read_nor_cause_anything(
    page: Page, served: Server, elsewhere: int, name: str
) -> None:
    before = answered(served)
    page.goto(f"http://{name}:{elsewhere}/")
    read = page.evaluate(TRIES, [served.url, BODY])
    assert set(read) <= {"refused", ""}
    assert answered(served) == before


def test_a_friends_page_can(page: Page, served: Server, elsewhere: int) -> None:
    before = answered(served)
    page.goto(f"http://{FRIEND}:{elsewhere}/")
    read = page.evaluate(TRIES, [served.url, BODY])
    assert '"tiny"' in read[0]
    assert "text_completion" in read[4]
    assert answered(served) != before


def test_a_name_that_is_rebound_to_this_machine_reads_nothing(page: Page, served: Server) -> None:
    response = page.goto(f"http://{REBOUND}:{served.port}/v1/models")
    assert response is not None
    assert response.status == 403
    assert "tiny" not in page.content()
    before = answered(served)
    read = page.evaluate(TRIES, ["", BODY])
    assert not any('"tiny"' in text or "text_completion" in text for text in read)
    assert answered(served) == before
