"""The page, without a browser: who gets what of it, and what it is told."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.application import create_app
from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh

from .server import ROOT, Server
from .tiny_gguf import write_tiny_gguf

PAGE = {"X-GPT4All-Page": "1"}
OWN = {**PAGE, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
FOLDER = ROOT / "app" / "page"
FILES = [
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.suffix in {".js", ".mjs", ".css", ".svg"}
]
ASKED = ["/page/models", "/page/collections", "/page/search?question=x", "/page/server-chat"]


def make_client(tiny_gguf: Path, **settings: str) -> FlaskClient:
    return create_app({"DATA_DIR": str(tiny_gguf.parent.parent), **settings}).test_client()


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    """A folder with something to read in it."""
    folder = tmp_path / "fruit"
    folder.mkdir()
    (folder / "kiwi.md").write_text("# Kiwi\n\nThe kiwi has green flesh and a fuzzy skin.\n")
    (folder / "broken.pdf").write_bytes(b"\x00nothing")
    (folder / "film.mp4").touch()
    return folder


@pytest.fixture
def reader(tiny_gguf: Path, fruit: Path) -> FlaskClient:
    """A client whose application has the collection "Fruit"."""
    collections = Collections(tiny_gguf.parent.parent / "localdocs")
    collections.create("Fruit", fruit)
    refresh(collections, "Fruit", Limits())
    return make_client(tiny_gguf)


def test_the_page_is_whole(client: FlaskClient) -> None:
    response = client.get("/", buffered=True)
    assert response.content_type == "text/html; charset=utf-8"
    named = [part for part in response.text.split('"') if part.startswith("/page/files/")]
    assert len(named) == 3
    for path in named:
        assert client.get(path, buffered=True).status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_its_type_and_is_looked_at_again(client: FlaskClient, name: str) -> None:
    kinds = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}
    response = client.get(f"/page/files/{name}", buffered=True)
    assert response.mimetype == kinds.get(Path(name).suffix, "image/svg+xml")
    assert response.headers["Cache-Control"] == "no-cache"
    again = {"If-None-Match": response.headers["ETag"]}
    assert client.get(f"/page/files/{name}", headers=again).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/page/files/vendor/files.json",
        "/page/files/nothing.js",
        "/page/files/../blueprints/page.py",
        "/page/files/..%2fguard.py",
        "/page/files//etc/passwd",
        "/page/nothing",
        "/page",
    ],
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers=PAGE).status_code in {308, 404}


@pytest.mark.parametrize("path", ["/", "/page/files/main.js", "/page/models", "/page/files/no.js"])
@pytest.mark.parametrize("headers", [OWN, {}])
def test_the_page_may_load_nothing_from_elsewhere(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    response = client.get(path, headers=headers, buffered=True)
    policy = dict(
        rule.strip().split(" ", 1)
        for rule in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in str(policy)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_html_has_no_script_and_no_style_of_its_own() -> None:
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == text.count('src="/page/files/')
    assert not any(word in text for word in ("<style", "style=", "onload", "onclick", "http"))


def test_files_of_others_are_what_their_list_says() -> None:
    vendor = FOLDER / "vendor"
    listed = json.loads((vendor / "files.json").read_text(encoding="utf-8"))
    names = {"files.json"}
    for entry in listed:
        digest = hashlib.sha256((vendor / entry["file"]).read_bytes()).hexdigest()
        assert digest == entry["sha256"], f"{entry['file']} is not {entry['version']}"
        assert entry["version"] in (vendor / entry["file"]).read_text(encoding="utf-8")[:300]
        assert (vendor / entry["license_file"]).stat().st_size > 1000
        names |= {entry["file"], entry["license_file"]}
    assert names == {path.name for path in vendor.iterdir()}


STRANGERS = [
    {},
    {"Origin": "http://localhost"},
    {**PAGE, "Origin": "http://localhost:3000"},
    {**PAGE, "Origin": "http://friend.example"},
    {**PAGE, "Origin": "null"},
    {**PAGE, "Origin": "http://["},
    {**PAGE, "Sec-Fetch-Site": "cross-site"},
    {**PAGE, "Sec-Fetch-Site": "same-site"},
    {**PAGE, "Host": "evil.example", "Origin": "http://evil.example"},
]


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
@pytest.mark.parametrize("path", [*ASKED, "/page/chat"])
def test_only_the_page_itself_is_answered(
    tiny_gguf: Path, path: str, headers: dict[str, str]
) -> None:
    client = make_client(tiny_gguf, ORIGINS="http://friend.example")
    method = client.post if path == "/page/chat" else client.get
    response = method(path, headers=headers)
    assert response.status_code == 403
    assert response.json["error"]["code"] == "forbidden"
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("headers", [PAGE, OWN])
def test_the_page_itself_is_answered(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    assert client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
def test_strangers_cannot_switch_a_collection(reader: FlaskClient, headers: dict[str, str]) -> None:
    body = {"name": "Fruit", "active": False}
    assert reader.post("/page/collections", json=body, headers=headers).status_code == 403
    [collection] = reader.get("/page/collections", headers=PAGE).json["collections"]
    assert collection["active"]


@pytest.mark.parametrize("path", ["/page/chat", "/page/collections", "/"])
def test_no_other_page_may_send_the_header(client: FlaskClient, path: str) -> None:
    for origin in ("http://localhost:3000", "https://evil.example"):
        wanted = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-gpt4all-page",
        }
        response = client.options(path, headers=wanted)
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_a_link_may_lead_to_the_page(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=headers, buffered=True).status_code == 200


def test_the_page_is_open_but_what_it_asks_for_needs_the_key(tiny_gguf: Path) -> None:
    client = make_client(tiny_gguf, API_KEY="secret")
    for path in ("/", "/page/files/main.js"):
        assert client.get(path, buffered=True).status_code == 200
    for path in ASKED:
        assert client.get(path, headers=OWN).status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert client.get(path, headers={**OWN, **key}).status_code == 200
        assert client.get(path, headers=key).status_code == 403


def test_the_page_can_be_switched_off(tiny_gguf: Path) -> None:
    client = make_client(tiny_gguf, PAGE="0")
    for path in ("/", "/page/files/main.js", *ASKED):
        response = client.get(path, headers=OWN)
        assert response.status_code == 404
        assert "README.md lists the endpoints" in response.json["error"]["message"]
    client.post("/v1/completions", json={"prompt": "hello", "max_tokens": 1})
    assert client.application.extensions["gpt4all"].server_chat.after(0) == []


def test_the_address_of_the_page_is_shown(tmp_path: Path) -> None:
    for settings, shown in (({}, True), ({"PAGE": "0"}, False)):
        with Server(tmp_path, **settings) as server:
            assert (f"A page to chat: http://127.0.0.1:{server.port}/" in server.log) == shown


def test_a_model_that_cannot_be_used_is_shown_with_the_reason(tiny_gguf: Path) -> None:
    tiny_gguf.with_suffix(".json").write_text('{"temperature": 0.2, "max_length": 77}')
    (tiny_gguf.parent / "broken.gguf").write_bytes(b"GGUF")
    write_tiny_gguf(tiny_gguf.parent / "other.gguf")
    client = make_client(tiny_gguf, MODEL="tiny")
    broken, other, tiny = client.get("/page/models", headers=PAGE).json["models"]
    assert (broken["name"], other["name"], tiny["name"]) == ("broken", "other", "tiny")
    assert not other["default"]
    assert "broken.gguf" in broken["problem"]
    assert (tiny["problem"], tiny["default"], tiny["context_length"]) == (None, True, 256)
    # Its own, and GPT4All's.
    defaults = tiny["defaults"]
    assert (defaults["temperature"], defaults["top_p"], defaults["max_tokens"]) == (0.2, 0.4, 77)


def test_models_are_shown_where_the_default_model_is_missing(tiny_gguf: Path) -> None:
    models = make_client(tiny_gguf, MODEL="nope").get("/page/models", headers=PAGE).json["models"]
    assert [(model["name"], model["default"]) for model in models] == [("tiny", False)]


def test_a_collection_is_shown_with_what_was_read_of_it(reader: FlaskClient, fruit: Path) -> None:
    [collection] = reader.get("/page/collections", headers=PAGE).json["collections"]
    assert collection == {
        "name": "Fruit",
        "active": True,
        "folder": str(fruit),
        "progress": None,
        "error": None,
        "files": 1,
        "snippets": 1,
        "failed": 1,
        "problems": [
            {"file": "broken.pdf", "reason": "it is not a .pdf file, or damaged"},
        ],
        "others": 1,
    }


def test_progress_is_shown_while_a_collection_is_read(
    reader: FlaskClient, fruit: Path, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        (fruit / f"{name}.txt").write_text(f"{name} is a letter.")
    seen = []

    def look(done: int, all_: int) -> None:
        [collection] = reader.get("/page/collections", headers=PAGE).json["collections"]
        seen.append(collection["progress"])

    refresh(Collections(tmp_path / "localdocs"), "Fruit", Limits(), look)
    assert seen == [[1, 3], [2, 3], [3, 3]]
    [collection] = reader.get("/page/collections", headers=PAGE).json["collections"]
    assert collection["progress"] is None


def test_a_collection_is_switched(reader: FlaskClient) -> None:
    for active in (False, True):
        body = {"name": "Fruit", "active": active}
        response = reader.post("/page/collections", json=body, headers=OWN)
        assert response.json["collections"][0]["active"] == active
        question = {"messages": [{"role": "user", "content": "kiwi skin"}], "max_tokens": 1}
        [choice] = reader.post("/v1/chat/completions", json=question).json["choices"]
        assert bool(choice["references"]) == active


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Nuts", "active": True}, "name"),
        ({"name": "Fruit"}, "active"),
        ({"name": "Fruit", "active": "yes"}, "active"),
        ({"name": 7, "active": True}, "name"),
    ],
)
def test_a_wrong_switch_says_what_is_wrong(
    reader: FlaskClient, body: dict[str, Any], field: str
) -> None:
    response = reader.post("/page/collections", json=body, headers=OWN)
    assert (response.status_code, response.json["error"]["param"]) == (400, field)


def test_the_search_finds_what_a_chat_would_quote(reader: FlaskClient, fruit: Path) -> None:
    found = reader.get("/page/search?question=kiwi+skin", headers=PAGE).json["found"]
    assert [(f["file"], f["collection"], f["relates"]) for f in found] == [
        ("kiwi.md", "Fruit", True)
    ]
    assert found[0]["path"] == str(fruit / "kiwi.md")
    assert "fuzzy" in found[0]["text"]
    for path in ("/page/search", "/page/search?question=+"):
        assert reader.get(path, headers=PAGE).json == {"found": []}
    reader.post("/page/collections", json={"name": "Fruit", "active": False}, headers=OWN)
    assert reader.get("/page/search?question=kiwi", headers=PAGE).json == {"found": []}


QUESTION = {"messages": [{"role": "user", "content": "kiwi skin"}], "max_tokens": 1}


def events(response: Any) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("stream", [False, True])
def test_only_the_page_is_told_where_files_are(
    reader: FlaskClient, fruit: Path, stream: bool
) -> None:
    body = {**QUESTION, "stream": stream}
    for path, headers in (("/page/chat", OWN), ("/v1/chat/completions", {})):
        response = reader.post(path, json=body, headers=headers)
        answer = events(response)[-1] if stream else response.json
        [reference] = answer["choices"][0]["references"]
        assert ("path" in reference) == ("collection" in reference) == (path == "/page/chat")
        assert (reference.get("path") == str(fruit / "kiwi.md")) == (path == "/page/chat")


# The server chat


def entries(client: FlaskClient, after: int = 0) -> list[dict[str, Any]]:
    state: dict[str, Any] = client.get(f"/page/server-chat?after={after}", headers=PAGE).json
    return list(state["entries"])


def test_the_server_chat_has_what_was_asked_and_answered(reader: FlaskClient) -> None:
    system = {"role": "system", "content": "Be short."}
    body = {**QUESTION, "messages": [system, *QUESTION["messages"]], "max_tokens": 4}
    answer = reader.post("/v1/chat/completions", json=body, buffered=True).json
    [entry] = entries(reader)
    assert entry["asked"] == [system, {"role": "user", "content": "kiwi skin"}]
    assert [a["content"] for a in entry["answers"]] == [answer["choices"][0]["message"]["content"]]
    assert (entry["model"], entry["endpoint"]) == ("tiny", "/v1/chat/completions")
    assert entry["completion_tokens"] == answer["usage"]["completion_tokens"]
    assert [reference["file"] for reference in entry["references"]] == ["kiwi.md"]
    assert entry["finished"]
    assert entry["error"] is None


def test_streams_and_completions_are_in_the_server_chat(own_client: FlaskClient) -> None:
    body = {"prompt": ["hello", "world"], "max_tokens": 3, "stream": True, "seed": 1}
    streamed = events(own_client.post("/v1/completions", json=body))
    [entry] = entries(own_client)
    assert [asked["content"] for asked in entry["asked"]] == ["hello", "world"]
    for index, answer in enumerate(entry["answers"]):
        texts = [e["choices"][0]["text"] for e in streamed if e["choices"][0]["index"] == index]
        assert answer["content"] == "".join(texts)
    assert len(entry["answers"]) == 2
    own_client.post("/v1/completions", json={"prompt": [70, 71, 72], "max_tokens": 1})
    assert entries(own_client)[-1]["asked"] == [{"role": "prompt", "content": "[3 tokens]"}]


def test_an_answer_is_in_the_server_chat_while_it_grows(own_client: FlaskClient) -> None:
    body = {"prompt": "hello", "max_tokens": 200, "ignore_eos": True, "stream": True}
    with own_client.post("/v1/completions", json=body, buffered=False) as response:
        next(iter(response.response))
        [entry] = entries(own_client)
        assert not entry["finished"]
        assert entry["answers"]
    [entry] = entries(own_client)
    assert (entry["finished"], entry["error"]) == (True, "Cancelled")


def test_an_error_is_in_the_server_chat(own_client: FlaskClient) -> None:
    body = {"prompt": "a " * 900}
    assert own_client.post("/v1/completions", json=body, buffered=True).status_code == 400
    [entry] = entries(own_client)
    assert (entry["error"], entry["finished"], entry["answers"]) == ("InvalidRequest", True, [])


def test_the_server_chat_keeps_the_last_fifty(own_client: FlaskClient) -> None:
    for number in range(1, 53):
        body = {"prompt": f"number {number}", "max_tokens": 1}
        own_client.post("/v1/completions", json=body)
    found = entries(own_client)
    assert [entry["number"] for entry in found] == list(range(3, 53))
    assert found[-1]["asked"][0]["content"] == "number 52"
    assert [entry["number"] for entry in entries(own_client, 50)] == [51, 52]


def test_long_texts_are_cut_in_the_server_chat(own_client: FlaskClient) -> None:
    chat = own_client.application.extensions["gpt4all"].server_chat
    messages = [{"role": "user", "content": letter * 15_000} for letter in "abc"]
    body = {"messages": messages, "max_tokens": 1}
    assert own_client.post("/v1/chat/completions", json=body).status_code == 400
    body["messages"].append({"role": "user", "content": "d" * 50_000})
    assert own_client.post("/v1/chat/completions", json=body).status_code == 400
    one, two = chat.after(0)
    assert [len(message["content"]) for message in one["asked"]] == [15_000]
    assert one["left_out"] == 2
    assert [len(message["content"]) for message in two["asked"]] == [20_000]
    assert two["left_out"] == 3


def test_long_answers_are_cut_in_the_server_chat(own_client: FlaskClient) -> None:
    body = {"prompt": [""] * 150, "max_tokens": 160, "guided_choice": ["a" * 150]}
    assert own_client.post("/v1/completions", json=body).status_code == 200
    [entry] = entries(own_client)
    assert sum(len(answer["content"]) for answer in entry["answers"]) == 20_000


def test_what_the_page_asks_is_not_in_the_server_chat(own_client: FlaskClient) -> None:
    assert own_client.post("/page/chat", json=QUESTION, headers=OWN).status_code == 200
    assert entries(own_client) == []


def test_the_server_chat_can_be_switched_off(tiny_gguf: Path) -> None:
    client = make_client(tiny_gguf, SERVER_CHAT="0")
    client.post("/v1/completions", json={"prompt": "hello", "max_tokens": 1})
    state = client.get("/page/server-chat", headers=PAGE).json
    assert (state["kept"], state["entries"]) == (False, [])


def test_a_restart_of_the_server_can_be_told(tiny_gguf: Path) -> None:
    ids = {
        make_client(tiny_gguf).get("/page/server-chat", headers=PAGE).json["id"] for _ in range(2)
    }
    assert len(ids) == 2
