"""docs/compatibility.md against OpenAI's own client and this server."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params

from app.inference.functions import told
from app.jobs import Calling, Function
from app.schemas import ChatSchema, CompletionSchema, ResponsesSchema
from app.schemas.fields import Ignored, Unsupported

from .server import ROOT

PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
CHAT = (ChatSchema, "POST /v1/chat/completions", chat_create_params)
COMPLETION = (CompletionSchema, "POST /v1/completions", completion_create_params)
RESPONSE = (ResponsesSchema, "POST /v1/responses", response_create_params)
TABLES = pytest.mark.parametrize(
    ("schema", "heading", "params"), [CHAT, COMPLETION, RESPONSE], ids=["chat", "text", "response"]
)


def rows(heading: str) -> dict[str, str]:
    """What the page says about each field under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE))


@TABLES
def test_every_field_of_openais_is_in_the_table(schema: Any, heading: str, params: Any) -> None:
    names = {
        name
        for cls in vars(params).values()
        if isinstance(cls, type)
        and cls.__name__.startswith(("CompletionCreateParams", "ResponseCreateParams"))
        for name in cls.__annotations__
    }
    assert names == rows(heading).keys()


@TABLES
def test_the_table_says_what_the_server_does(schema: Any, heading: str, params: Any) -> None:
    kinds = {Ignored: "ignored", Unsupported: "refused"}
    fields = schema(max_n=8).fields
    for name, said in rows(heading).items():
        assert said == kinds.get(type(fields[name]), "used"), name


def test_the_prompt_for_functions_is_the_one_that_is_shown() -> None:
    function = Function("get_time", "", {"type": "object", "properties": {}})
    assert f"```\n{told(Calling([function]))}\n```" in PAGE


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("completions", "suffix"),
        *(("responses", name) for name, said in rows(RESPONSE[1]).items() if said == "refused"),
    ],
)
def test_a_refusal_has_the_words_of_the_table(client: FlaskClient, path: str, name: str) -> None:
    body = {"prompt" if path == "completions" else "input": "x", name: "y"}
    message = client.post(f"/v1/{path}", json=body).json["error"]["message"]
    refusal = message.removeprefix(f"{name}: ").split(";")[0]
    assert f"| `{name}` | refused | {refusal} |" in PAGE
