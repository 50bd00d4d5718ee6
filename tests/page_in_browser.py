"""The page in a real browser: the system's chromium, driven by playwright.

`make test-page` runs this. It takes minutes, so its name keeps it out of `make test`.
"""

import functools
import json
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh

from .server import ROOT, Server
from .test_thoughts import END, HELLO, THINK, WORLD, body, write_thinking
from .tiny_gguf import write_tiny_gguf

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = ROOT / "tests" / "clients" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "tests" / "pictures"
# A tiny model says anything if nothing else is allowed.
KIWI = "The **kiwi** has green flesh and a fuzzy skin."
HOSTILE = """<script>canary = 1</script> <img src=x onerror="canary = 1">
<svg onload="canary = 1"></svg> <iframe srcdoc="<script>parent.canary = 1</script>"></iframe>

[one](javascript:canary=1) [two](JaVaScRiPt:canary=1) [four](\x01javascript:canary=1)
[three](data:text/html,<script>canary=1</script>) <javascript:canary=1> [five](vbscript:x)
[six](/page/collections)
![seven](x" onerror="canary=1) ![eight](http://203.0.113.5/x.png)
<a href="javascript:canary=1">nine</a>
[ten](https://example.com "a title\\" onmouseover=\\"canary=1") [eleven]: javascript:canary=1

<details open ontoggle="canary=1">x</details><style>* { display: none }</style>
<base href="//203.0.113.5">

```html" onload="canary=1
</code></pre><script>canary = 1</script>
```

| a | b |
|---|---|
| <form action=/x><input autofocus onfocus="canary=1"></form> | `</td><script>canary=1</script>` |

<math><mtext><table><mglyph><style><!--</style>
<img title="--&gt;&lt;img src=1 onerror=canary=1&gt;">
"""

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("The program chromium is missing: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


def data_of(folder: Path, write: Callable[..., Path] = write_tiny_gguf) -> Path:
    """A data folder with a tiny model, one that cannot be used, and the collection "Fruit"."""
    (folder / "models").mkdir()
    write(folder / "models" / "tiny.gguf", context_length=8192)
    (folder / "models" / "zero.gguf").touch()
    fruit = folder / "fruit"
    fruit.mkdir()
    (fruit / "kiwi.md").write_text("# Kiwi\n\nThe kiwi has green flesh and a fuzzy skin.\n")
    (fruit / "broken.pdf").write_bytes(b"\x00nothing")
    name = "<img src=x onerror=canary=1>.md"
    (fruit / name).write_text(f"# Zebras\n\nZebras graze in herds. {HOSTILE}\n")
    collections = Collections(folder / "localdocs")
    collections.create("Fruit", fruit)
    collections.create('<b onclick="canary=1">Bold', fruit)
    collections.activate('<b onclick="canary=1">Bold', False)
    refresh(collections, "Fruit", Limits())
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(data_of(tmp_path_factory.mktemp("page")), THREADS="1") as server:
        yield server


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A function that makes contexts. In none of their pages may anything have run or failed."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def new(**how: Any) -> BrowserContext:
        size = {"width": 1400, "height": 900}
        context = browser.new_context(**{"viewport": size, **how})
        context.set_default_timeout(30_000)
        context.expose_function("fault", lambda text: faults.append(text))
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) =>"
            " fault(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"
            "Object.defineProperty(window, 'canary', { set() { fault('the canary died'); } });"
        )
        context.on("weberror", lambda error: faults.append(str(error.error)))
        contexts.append(context)
        return context

    yield new
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext], served: Server) -> Page:
    return opened(new_context().new_page(), served)


def opened(page: Page, server: Server, path: str = "/") -> Page:
    page.goto(server.url + path)
    expect(page.get_by_label("Chats quote Fruit")).to_be_visible()
    return page


def ask(page: Page, question: str, answer: str | None = None, **fields: Any) -> None:
    """Asks as a person does. The model says ``answer``, or what the API's ``fields`` let it."""
    if answer is not None:
        fields = {"guided_choice": [answer], "temperature": 0, "repeat_penalty": 1, **fields}
    page.get_by_label("More fields of the API").fill(json.dumps(fields))
    page.get_by_label("Your message").fill(question)
    page.keyboard.press("Enter")


def ask_and_wait(page: Page, question: str, answer: str = KIWI, **fields: Any) -> None:
    count = answers(page).count()
    ask(page, question, answer, **fields)
    expect(answers(page)).to_have_count(count + 1)
    expect(answers(page).last.locator(".usage")).to_be_visible()


def answers(page: Page) -> Any:
    return page.locator(".messages:not(.server-chat) .assistant")


LONG = {"guided_regex": "(hello world[ \n]){3000}", "max_tokens": 7000, "repeat_penalty": 1}


def collections_of(server: Server) -> dict[str, bool]:
    response = server.get("/page/collections", headers={"X-GPT4All-Page": "1"})
    return {found["name"]: found["active"] for found in response.json()["collections"]}


# The chat


def test_a_chat_streams_and_stops(page: Page, served: Server) -> None:
    ask(page, "hello", **LONG)
    content = answers(page).last.locator(".content")
    expect(content).not_to_be_empty()
    assert page.evaluate("document.activeElement.id") == "message"
    first = content.inner_text()
    page.wait_for_function(
        "n => document.querySelector('.assistant .content').innerText.length > n", arg=len(first)
    )
    page.keyboard.press("Escape")
    expect(answers(page).last.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    while served.get("/health").json()["busy"]:
        pass


def test_an_answer_says_what_it_cost(page: Page) -> None:
    # Without a grammar, whose forced tokens may come all at once.
    ask(page, "hello", max_tokens=2000, ignore_eos=True)
    text = answers(page).last.locator(".usage").inner_text()
    speed, used, share = text.split(" · ")
    assert re.fullmatch(r"[\d.]+ tokens/s", speed)
    assert re.fullmatch(r"2,000 tokens, after \d+ in the prompt", used)
    assert re.fullmatch(r"\d+ % of the context", share)


def test_an_answer_is_markdown(page: Page) -> None:
    ask_and_wait(page, "hello")
    expect(answers(page).last.locator("strong")).to_have_text("kiwi")


def test_shift_and_enter_begins_a_line(page: Page) -> None:
    page.get_by_label("Your message").fill("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    expect(page.locator(".user .content")).to_have_text("one\ntwo")


def test_an_answer_is_made_again(page: Page) -> None:
    ask_and_wait(page, "hello", "one")
    page.get_by_label("More fields of the API").fill('{"guided_choice": ["two"]}')
    answers(page).get_by_role("button", name="Regenerate").click()
    expect(answers(page).locator(".content")).to_have_text(["two"])


def test_a_question_is_edited_and_asked_again(page: Page) -> None:
    ask_and_wait(page, "first", "one")
    ask_and_wait(page, "second", "two")
    page.get_by_role("button", name="Edit", exact=True).first.click()
    page.get_by_role("textbox", name="Edit").fill("changed")
    page.keyboard.press("Enter")
    expect(page.locator(".user .content")).to_have_text(["changed"])
    expect(answers(page).locator(".content")).to_have_text(["two"])


def test_an_answer_and_its_code_are_copied(
    new_context: Callable[..., BrowserContext], served: Server
) -> None:
    page = opened(new_context(permissions=["clipboard-read", "clipboard-write"]).new_page(), served)
    text = "Run this:\n\n```sh\nls <b>\n```\n"
    ask_and_wait(page, "hello", text)
    for button, copied in (("Copy", text), ("Copy code", "ls <b>\n")):
        answers(page).get_by_role("button", name=button, exact=True).click()
        expect(answers(page).get_by_role("button", name="Copied").first).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == copied


def test_settings_reach_the_model_and_stay(page: Page) -> None:
    temperature = page.get_by_label("temperature")
    assert temperature.get_attribute("placeholder") == "0.7"
    page.get_by_label("System message").fill("Be short.")
    page.get_by_label("max_tokens").fill("2")
    with page.expect_request("**/page/chat") as request:
        ask(page, "hello", min_tokens=2)
    sent = request.value.post_data_json
    assert (sent["max_tokens"], sent["min_tokens"]) == (2, 2)
    assert sent["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hello"},
    ]
    expect(answers(page).get_by_text("longest length")).to_be_visible()
    page.reload()
    expect(page.get_by_label("max_tokens")).to_have_value("2")
    expect(page.get_by_label("System message")).to_have_value("Be short.")
    page.get_by_role("button", name="Back to the defaults").click()
    expect(page.get_by_label("max_tokens")).to_have_value("")


def test_a_wrong_setting_is_said_before_it_is_sent(page: Page) -> None:
    field = page.get_by_label("More fields of the API")
    field.fill("[1]")
    field.blur()
    assert field.evaluate("field => field.validationMessage") == "This is not a JSON object."


def test_an_error_of_the_server_can_be_read(page: Page) -> None:
    ask(page, "hello", temperatur=1)
    expect(answers(page).locator(".error")).to_contain_text("Did you mean temperature?")


def test_a_full_context_says_what_to_do(page: Page) -> None:
    ask(page, "x" * 9000)
    expect(answers(page).locator(".error")).to_contain_text("Begin a new chat")


def test_a_model_that_cannot_be_used_has_its_reason(page: Page) -> None:
    option = page.get_by_label("Model", exact=True).locator("option:disabled")
    expect(option).to_contain_text("zero: zero.gguf")


def test_a_thought_is_folded(new_context: Callable[..., BrowserContext], tmp_path: Path) -> None:
    with Server(data_of(tmp_path, write_thinking), THREADS="1") as server:
        page = opened(new_context().new_page(), server)
        fields = body(THINK, HELLO, END, WORLD)
        del fields["messages"]
        ask(page, "hi", **fields)
        expect(answers(page).locator(".content")).to_have_text("wor")
        thought = answers(page).locator(".thought-text")
        expect(thought).to_be_hidden()
        answers(page).get_by_text("Thoughts").click()
        expect(thought).to_have_text("hello")


def test_a_full_queue_is_waited_for(
    new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    with Server(data_of(tmp_path), THREADS="1", QUEUE_LIMIT="0") as server:
        page = opened(new_context().new_page(), server)
        with server.send("/v1/completions", {"prompt": "hello", "stream": True, **LONG}) as other:
            other.recv(1)
            ask(page, "hello", KIWI)
            expect(answers(page).get_by_text("Trying again in 2 s")).to_be_visible()
        expect(answers(page).locator("strong")).to_have_text("kiwi")


# Sources and collections


def test_sources_open_at_the_lines_they_come_from(
    new_context: Callable[..., BrowserContext], served: Server
) -> None:
    page = opened(new_context(permissions=["clipboard-read", "clipboard-write"]).new_page(), served)
    ask_and_wait(page, "Which skin has the kiwi?")
    source = answers(page).locator(".source")
    expect(source).to_have_count(1)
    expect(source.locator("summary")).to_contain_text("kiwi.md")
    expect(source.locator("summary")).to_contain_text("lines 1 to 3")
    expect(source.locator("summary")).to_contain_text("Fruit")
    expect(source.locator("blockquote")).to_be_hidden()
    source.locator("summary").click()
    expect(source.locator("blockquote")).to_be_visible()
    assert set(source.locator("mark").all_inner_texts()) == {"Kiwi", "kiwi", "skin"}
    source.get_by_role("button", name="Copy path").click()
    expect(source.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/fruit/kiwi.md")


def test_an_answer_without_sources_says_so(page: Page) -> None:
    ask_and_wait(page, "umbrella")
    expect(answers(page).get_by_text("LocalDocs found nothing about this.")).to_be_visible()


def test_a_collection_that_is_switched_off_is_not_quoted(page: Page, served: Server) -> None:
    switch = page.get_by_label("Chats quote Fruit")
    ask_and_wait(page, "Which skin has the kiwi?")
    expect(answers(page).last.locator(".source")).to_have_count(1)
    switch.uncheck()
    expect(page.get_by_text("LocalDocs is off").or_(page.locator(".usage"))).not_to_have_count(0)
    while collections_of(served)["Fruit"]:
        pass
    try:
        ask_and_wait(page, "Which skin has the kiwi?")
        expect(answers(page).last.locator(".source")).to_have_count(0)
    finally:
        switch.check()
    while not collections_of(served)["Fruit"]:
        pass


def test_a_collection_shows_its_folder_and_what_could_not_be_read(page: Page) -> None:
    item = page.locator(".collections > li", has=page.get_by_label("Chats quote Fruit"))
    expect(item).to_contain_text("/fruit")
    expect(item).to_contain_text("2 files, ")
    item.get_by_text("1 file could not be read").click()
    expect(item).to_contain_text("broken.pdf it is not a .pdf file, or damaged")


def test_a_search_shows_what_a_question_would_find(page: Page) -> None:
    page.get_by_label("What would a question find?").fill("kiwi skin")
    page.keyboard.press("Enter")
    source = page.locator(".found .source").first
    source.locator("summary").click()
    expect(source.locator("blockquote")).to_contain_text("fuzzy skin")


# The server chat


def test_the_server_chat_shows_what_programs_ask(page: Page, served: Server) -> None:
    page.get_by_role("button", name="Server chat").click()
    expect(page.locator(".composer")).to_be_hidden()
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none")
    for word, stream in (("skin", False), ("flesh", True)):
        answer = client.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": f"kiwi {word}"}],
            extra_body={"guided_choice": [KIWI]},
            stream=stream,
        )
        if stream:
            list(answer)
        entry = page.locator(".entry").last
        expect(entry.locator(".user .content")).to_have_text(f"kiwi {word}")
        expect(entry.locator(".assistant strong")).to_have_text("kiwi")
        expect(entry.locator(".source summary")).to_contain_text("kiwi.md")
    page.reload()
    expect(page.locator(".entry").last).to_contain_text("kiwi flesh")


def test_an_error_is_shown_in_the_server_chat(page: Page, served: Server) -> None:
    page.get_by_role("button", name="Server chat").click()
    served.post("/v1/completions", {"prompt": "x" * 9000})
    expect(page.locator(".entry").last.locator(".error")).to_contain_text("refused as invalid")


# What is foreign


def export_of(*messages: tuple[str, str], title: str = "Imported", **more: Any) -> str:
    shown = [{"role": role, "content": content, **more} for role, content in messages]
    chat = {"id": "0123", "title": title, "created": 1, "messages": shown}
    return json.dumps({"format": "gpt4all-wsgi chats", "version": 1, "chats": [chat]})


def bring(page: Page, text: str) -> None:
    file = {"name": "chats.json", "mimeType": "application/json", "buffer": text.encode()}
    page.locator("input[type=file]").set_input_files([file])


STRANGE = """() => [...document.querySelectorAll('*')].filter((element) =>
  element.matches('img, svg, math, iframe, object, embed, base, style, .content :is(form, input)')
  || (element.matches('script') && !element.getAttribute('src').startsWith('/page/files/'))
  || [...element.attributes].some(({ name }) => name.startsWith('on'))
).map((element) => element.outerHTML)"""


def nothing_has_run(page: Page) -> None:
    """Lets all that could run do so, and looks at what has become HTML."""
    for details in page.locator("main details, aside details").all():
        details.evaluate("details => { details.open = true; }")
    for link in page.locator("main a").all():
        assert re.match("(https?|mailto):", link.get_attribute("href") or "https:")
        if link.get_attribute("href"):
            assert link.get_attribute("rel") == "noopener noreferrer"
            assert link.get_attribute("target") == "_blank"
        link.dispatch_event("mouseover")
    assert page.evaluate(STRANGE) == []
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50)))")


def test_an_answer_full_of_tricks_runs_nothing(page: Page) -> None:
    ask_and_wait(page, HOSTILE, HOSTILE.replace("\x01", ""))
    expect(answers(page).locator(".content")).to_contain_text("<script>canary = 1</script>")
    nothing_has_run(page)
    page.reload()
    expect(answers(page).locator(".content")).to_contain_text("<script>canary = 1</script>")
    nothing_has_run(page)


def test_a_document_full_of_tricks_runs_nothing(page: Page) -> None:
    ask_and_wait(page, "Where do zebras graze?")
    source = answers(page).locator(".source").first
    expect(source.locator(".file")).to_have_text("<img src=x onerror=canary=1>.md")
    nothing_has_run(page)
    page.get_by_label("What would a question find?").fill("zebras graze")
    page.keyboard.press("Enter")
    expect(page.locator(".found .source").first).to_be_visible()
    nothing_has_run(page)
    expect(page.locator(".collection-name", has_text="<b onclick")).to_be_visible()


def test_an_import_full_of_tricks_runs_nothing(page: Page) -> None:
    reference = dict.fromkeys(
        ["file", "title", "author", "date", "text", "collection", "path"], HOSTILE
    )
    more = {"reasoning": HOSTILE, "model": HOSTILE, "references": [reference]}
    bring(page, export_of(("user", HOSTILE), ("assistant", HOSTILE), title=HOSTILE, **more))
    page.locator(".chats .title").first.click()
    expect(answers(page)).to_be_visible()
    nothing_has_run(page)


def test_a_program_full_of_tricks_runs_nothing(page: Page, served: Server) -> None:
    messages = [{"role": "system", "content": HOSTILE}, {"role": "user", "content": HOSTILE}]
    answer = HOSTILE.replace("\x01", "")
    asked = {"messages": messages, "model": HOSTILE, "guided_choice": [answer]}
    assert served.post("/v1/chat/completions", asked).status_code == 200
    page.get_by_role("button", name="Server chat").click()
    expect(page.locator(".entry").last).to_contain_text("<script>")
    nothing_has_run(page)


STRANGER = """<!doctype html><title>A stranger</title>
<iframe id="frame" src="{url}/"></iframe>
<form id="form" target="hidden" method="post" enctype="text/plain" action="{url}/page/collections">
<input name='{{"name": "Fruit", "active": false, "x": "' value='"}}'></form>
<iframe name="hidden"></iframe><script src="{url}/page/server-chat?after=0"></script>"""
TRIES = """async ([url, page]) => {
  const body = '{"name": "Fruit", "active": false}', method = 'POST', read = [];
  const plain = { 'Content-Type': 'text/plain' };
  const switches = [{}, { mode: 'no-cors' }, { headers: page }, { headers: plain }];
  const reads = [{}, { mode: 'no-cors' }, { headers: page }, { credentials: 'include' }];
  const tries = [
    ...switches.map((how) => ['/page/collections', { method, body, ...how }]),
    ...reads.map((how) => ['/page/server-chat', how]),
    ['/page/collections', { headers: page }], ['/page/search?question=kiwi', { headers: page }],
    ['/page/chat', { method, body: '{"messages": []}', headers: page }],
  ];
  for (const [path, how] of tries) {
    try { read.push(await (await fetch(url + path, how)).text()); } catch { read.push('refused'); }
  }
  navigator.sendBeacon(url + '/page/collections', body);
  document.getElementById('form').submit();
  try { read.push(frames[0].document.body.innerText); } catch { read.push('refused'); }
  return read;
}"""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_another_page_of_this_machine_can_neither_switch_nor_read(
    browser: Browser, served: Server, tmp_path: Path, name: str
) -> None:
    # Such a page is a friend under /v1, which makes it the strongest stranger here.
    (tmp_path / "index.html").write_text(STRANGER.format(url=served.url))
    served.post("/v1/completions", {"prompt": "a secret", "max_tokens": 1})
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever).start()
        try:
            page = browser.new_page()
            page.goto(f"http://{name}:{other.server_port}/")
            assert "tiny" in page.evaluate(f"fetch('{served.url}/v1/models').then(r => r.text())")
            with page.expect_response(lambda r: r.request.is_navigation_request()) as sent:
                read = page.evaluate(TRIES, [served.url, {"X-GPT4All-Page": "1"}])
            assert sent.value.status == 403
            assert set(read) <= {"refused", ""}
            page.close()
        finally:
            other.shutdown()
    assert collections_of(served)["Fruit"]


# A person's habits


def test_chats_are_renamed_found_and_deleted_with_the_keyboard_alone(page: Page) -> None:
    ask_and_wait(page, "about apples", "one")
    page.get_by_role("button", name="New chat").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("about pears")
    page.keyboard.press("Enter")
    expect(page.locator(".chats .title")).to_have_text(["about pears", "about apples"])
    page.get_by_role("button", name="New chat").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("Fruit of my own")
    page.keyboard.press("Enter")
    expect(page.locator(".chats .title").first).to_have_text("Fruit of my own")
    page.get_by_label("Search chats").fill("APPLES")
    expect(page.locator(".chats .title")).to_have_text(["about apples"])
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator(".chats .title").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".chats")).to_have_text("No chat contains this.")
    page.reload()
    expect(page.locator(".chats .title")).to_have_text(["Fruit of my own"])


STORED = """async () => {
  const result = (request) =>
    new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await result(indexedDB.open('gpt4all'));
  const [chat] = await result(database.transaction('chats').objectStore('chats').getAll());
  return chat?.messages[1]?.content.length ?? 0;
}"""


def test_a_reload_loses_nothing(page: Page) -> None:
    ask(page, "hello", **LONG)
    while page.evaluate(STORED) < 100:
        pass
    page.get_by_label("Your message").fill("half a thought")
    page.reload()
    expect(page.locator(".user .content")).to_have_text("hello")
    expect(answers(page).locator(".content")).not_to_be_empty()
    expect(answers(page).get_by_text("This answer was interrupted")).to_be_visible()
    expect(page.get_by_label("Your message")).to_have_value("half a thought")


def test_two_tabs_write_the_same_chat(
    new_context: Callable[..., BrowserContext], served: Server
) -> None:
    context = new_context()
    one, two = (opened(context.new_page(), served) for _ in range(2))
    ask_and_wait(one, "first", "one")
    two.locator(".chats .title").click()
    expect(answers(two).locator(".content")).to_have_text(["one"])
    ask(one, "of one tab", **LONG)
    expect(answers(one).last.locator(".content")).not_to_be_empty()
    two.get_by_label("Your message").fill("of the other tab")
    two.keyboard.press("Enter")
    one.get_by_role("button", name="Stop").click()
    two.get_by_role("button", name="Stop").click()
    for tab in (one, two):
        expect(tab.locator(".user .content")).to_have_text(
            ["first", "of one tab", "of the other tab"]
        )
        expect(answers(tab).get_by_text("Stopped.")).to_have_count(2)


def test_chats_move_to_another_browser(
    new_context: Callable[..., BrowserContext], served: Server
) -> None:
    page = opened(new_context().new_page(), served)
    ask_and_wait(page, "Which skin has the kiwi?")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    exported = Path(download.value.path()).read_text(encoding="utf-8")
    other = opened(new_context().new_page(), served)
    for told in ("1 chat was imported.", "0 chats were imported, 1 were there already."):
        bring(other, exported)
        expect(other.locator(".toast")).to_have_text(told)
    other.locator(".chats .title").click()
    expect(answers(other).locator("strong")).to_have_text("kiwi")
    expect(answers(other).locator(".source")).to_have_count(1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "it is not an export of this page"),
        ("[]", "it is not an export of this page"),
        ('{"format": "gpt4all-wsgi chats", "chats": [{}]}', "it is not an export of this page"),
        (export_of(("owner", "x")), "a message of “Imported” is damaged"),
    ],
)
def test_a_file_that_is_no_export_is_refused(page: Page, text: str, told: str) -> None:
    bring(page, text)
    expect(page.locator(".toast")).to_contain_text(told)
    expect(page.locator(".chats .title")).to_have_count(0)


def test_the_page_says_that_the_server_is_gone_and_comes_back(
    new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    server = Server(data_of(tmp_path), THREADS="1")
    with server:
        page = opened(new_context().new_page(), server)
        ask(page, "hello", **LONG)
        expect(answers(page).locator(".content")).not_to_be_empty()
        server.signal(signal.SIGKILL)
    expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    expect(answers(page).get_by_text("The connection was lost")).to_be_visible()
    with server:
        expect(page.get_by_text("The server cannot be reached")).to_be_hidden()
        ask_and_wait(page, "hello again")


def test_the_key_is_asked_for_once(
    new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    with Server(data_of(tmp_path), THREADS="1", API_KEY="schlüssel") as server:
        page = new_context().new_page()
        page.goto(server.url)
        page.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_text("does not accept this key")).to_be_visible()
        page.get_by_label("API key").fill("schlüssel")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Chats quote Fruit")).to_be_visible()
        ask_and_wait(page, "hello")
        page.reload()
        expect(page.get_by_label("Chats quote Fruit")).to_be_visible()
        assert page.get_by_label("API key").count() == 0


def below(page: Page) -> float:
    """How far the end of the messages is below what is seen, in pixels."""
    how = "s => s.scrollHeight - s.scrollTop - s.clientHeight"
    return float(page.locator(".scroller").evaluate(how))


def wait_until_written(page: Page, length: int) -> None:
    """Waits until the last answer has so many characters."""
    while len(answers(page).last.locator(".content").inner_text()) < length:
        pass


def test_who_reads_further_up_is_left_there(page: Page) -> None:
    bring(page, export_of(*[("user", "a\n" * 9), ("assistant", "b\n\n" * 9)] * 10))
    page.locator(".chats .title").click()
    expect(page.locator(".message")).to_have_count(20)
    ask(page, "hello", **LONG)
    wait_until_written(page, 400)
    while below(page) > 60:  # it goes to the end
        pass
    page.locator(".scroller").hover()
    page.mouse.wheel(0, -2000)
    while below(page) < 500:
        pass
    place = page.locator(".scroller").evaluate("s => s.scrollTop")
    wait_until_written(page, len(answers(page).last.locator(".content").inner_text()) + 500)
    assert abs(page.locator(".scroller").evaluate("s => s.scrollTop") - place) < 2
    page.keyboard.press("Escape")


def test_an_answer_that_grows_redraws_only_its_end(page: Page) -> None:
    bring(page, export_of(*[("user", "a"), ("assistant", "b")] * 100))
    page.locator(".chats .title").click()
    expect(page.locator(".message")).to_have_count(200)
    # What has been drawn for good has a mark, which drawing it again would remove.
    page.evaluate("document.querySelectorAll('.message').forEach((m) => (m.drawn = true))")
    parts = "# world\n\n(## hello\n\nhello world[ ,]hello\n\n){700}"
    ask(page, "hello", **{**LONG, "guided_regex": parts})
    page.wait_for_function("""() => {
        const parts = [...document.querySelectorAll('.message:last-child h4')];
        if (parts.length > 5) parts[3].drawn = true;
        return parts.length > 5;
    }""")
    page.wait_for_function("() => document.querySelectorAll('.message:last-child h4').length > 30")
    assert page.evaluate("document.querySelectorAll('.message:last-child h4')[3].drawn")
    assert answers(page).last.locator("h3").count() == 1  # nothing is there twice
    page.keyboard.press("Escape")
    expect(answers(page).last.get_by_text("Stopped.")).to_be_visible()
    assert (
        page.evaluate("[...document.querySelectorAll('.message')].filter((m) => m.drawn).length")
        == 200
    )


def test_an_answer_goes_on_while_another_chat_is_read(page: Page) -> None:
    ask_and_wait(page, "first", "one")
    page.get_by_role("button", name="New chat").click()
    parts = "# world\n\n(hello world[ \n]){3000}"
    ask(page, "second", **{**LONG, "guided_regex": parts})
    wait_until_written(page, 200)
    page.get_by_role("button", name="first", exact=True).click()
    expect(answers(page).locator(".content")).to_have_text(["one"])
    page.get_by_role("button", name="second", exact=True).click()
    content = answers(page).locator(".content")
    wait_until_written(page, len(content.inner_text()) + 200)
    assert content.locator("h3").count() == 1  # nothing is there twice
    page.get_by_role("button", name="Stop").click()
    expect(answers(page).get_by_text("Stopped.")).to_be_visible()


def test_what_is_nested_too_deeply_is_shown_as_text(page: Page) -> None:
    bring(page, export_of(("user", "a"), ("assistant", "> " * 9000 + "end")))
    page.locator(".chats .title").click()
    expect(answers(page).locator(".content")).to_contain_text("> > > end")


def test_a_browser_that_keeps_nothing_says_so(
    new_context: Callable[..., BrowserContext], served: Server
) -> None:
    page = new_context().new_page()
    page.add_init_script("IDBFactory.prototype.open = () => { throw new Error('denied'); };")
    opened(page, served)
    expect(page.locator(".toast")).to_contain_text("does not let the page keep chats")
    ask_and_wait(page, "hello", "one")


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install in tests/clients")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_everybody_can_use_it(
    new_context: Callable[..., BrowserContext], served: Server, scheme: str, width: int
) -> None:
    served.post("/v1/completions", {"prompt": "hello", "max_tokens": 1})
    context = new_context(color_scheme=scheme, reduced_motion="reduce")
    page = opened(context.new_page(), served)
    ask_and_wait(
        page,
        "Which skin has the kiwi?",
        KIWI + "\n\n```\ncode\n```\n\n| a |\n|---|\n| b |\n\n[x](https://x.example)",
    )
    page.locator(".source summary").click()
    page.set_viewport_size({"width": width, "height": 800})
    seen = [check(page)]
    for name in ("Show LocalDocs and settings", "Show chats"):
        if width < 760:
            page.get_by_role("button", name=name).click()
            seen.append(check(page))
            page.keyboard.press("Escape")
    if width > 760:
        page.get_by_role("button", name="Server chat").click()
        expect(page.locator(".entry").last).to_be_visible()
        seen.append(check(page))
    assert [fault for faults in seen for fault in faults] == []


def check(page: Page) -> list[str]:
    """What axe finds, but for what is minor."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{fault['id']}: {node['html'][:100]} {node['failureSummary']}"
        for fault in found
        if fault["impact"] in {"moderate", "serious", "critical"}
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_it_fits_and_its_pictures_are_kept(
    new_context: Callable[..., BrowserContext], served: Server, width: int, scheme: str
) -> None:
    """Look at them: they are in tests/pictures."""
    context = new_context(color_scheme=scheme, viewport={"width": 1400, "height": 800})
    page = opened(context.new_page(), served)
    text = f"{KIWI}\n\n1. One\n2. Two\n\n```python\nprint('{'long ' * 40}')\n```\n\n"
    text += f"| a | b |\n|---|---|\n| {'wide' * 40} | c |"
    ask_and_wait(page, "Which skin has the kiwi?", text)
    page.locator(".source summary").click()
    page.set_viewport_size({"width": width, "height": 1300 if width > 2000 else 800})
    pictures = [("chat", None)]
    if width < 760:
        pictures += [("chats", "Show chats"), ("side", "Show LocalDocs and settings")]
    for name, button in pictures:
        if button is not None:
            page.get_by_role("button", name=button).click()
        picture(page, f"{name}-{width}-{scheme}")
        if button is not None:
            page.keyboard.press("Escape")
    if width < 760:
        page.get_by_role("button", name="Show chats").click()
    page.get_by_role("button", name="Server chat").click()
    expect(page.locator(".server-chat")).to_be_visible()
    picture(page, f"server-{width}-{scheme}")


def picture(page: Page, name: str) -> None:
    page.wait_for_function("() => document.getAnimations().length === 0")
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), "it can be scrolled sideways"
    assert page.evaluate("""() => [...document.querySelectorAll('.scroller, aside')]
        .every((part) => part.scrollWidth <= part.clientWidth)""")
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def test_a_page_over_plain_http_of_another_machine_copies_and_chats(
    browser: Browser, served: Server
) -> None:
    """There, a browser offers less: no clipboard for pages, for example."""
    rules = (
        f"--host-resolver-rules=MAP 198.51.100.7 127.0.0.1,MAP 198.51.100.7:{served.port} 127.0.0.1"
    )
    other = browser.browser_type.launch(executable_path=CHROMIUM, args=[rules])
    try:
        page = other.new_page()
        page.goto(f"http://198.51.100.7:{served.port}/")
        assert not page.evaluate("isSecureContext")
        expect(page.get_by_label("Chats quote Fruit")).to_be_visible()
        ask_and_wait(page, "hello")
        answers(page).get_by_role("button", name="Copy", exact=True).click()
        expect(answers(page).get_by_role("button", name="Copied")).to_be_visible()
    finally:
        other.close()
