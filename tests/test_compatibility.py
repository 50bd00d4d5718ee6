"""docs/compatibility.md against OpenAI's own client and this server."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params

from app.inference.functions import told
from app.jobs import Calling, Function
from app.schemas import ChatSchema, CompletionSchema
from app.schemas.fields import Ignored, Unsupported

from .server import ROOT

PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
CHAT = (ChatSchema, "POST /v1/chat/completions", chat_create_params)
COMPLETION = (CompletionSchema, "POST /v1/completions", completion_create_params)


def rows(heading: str) -> dict[str, str]:
    """What the page says about each field under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE))


@pytest.mark.parametrize(("schema", "heading", "params"), [CHAT, COMPLETION], ids=["chat", "text"])
def test_every_field_of_openais_is_in_the_table(schema: Any, heading: str, params: Any) -> None:
    names = {
        name
        for cls in vars(params).values()
        if isinstance(cls, type) and cls.__name__.startswith("CompletionCreateParams")
        for name in cls.__annotations__
    }
    assert names == rows(heading).keys()


@pytest.mark.parametrize(("schema", "heading", "params"), [CHAT, COMPLETION], ids=["chat", "text"])
def test_the_table_says_what_the_server_does(schema: Any, heading: str, params: Any) -> None:
    kinds = {Ignored: "ignored", Unsupported: "refused"}
    fields = schema(max_n=8).fields
    for name, said in rows(heading).items():
        assert said == kinds.get(type(fields[name]), "used"), name


def test_the_prompt_for_functions_is_the_one_that_is_shown() -> None:
    function = Function("get_time", "", {"type": "object", "properties": {}})
    assert f"```\n{told(Calling([function]))}\n```" in PAGE


def test_a_refusal_has_the_words_of_the_table(client: FlaskClient) -> None:
    body = {"model": "m", "prompt": "x", "suffix": "y"}
    message = client.post("/v1/completions", json=body).json["error"]["message"]
    assert message.removeprefix("suffix: ").split(";")[0] in PAGE
