"""Calls in the forms of the families of models, with control tokens as marks and without."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from gguf import TokenType

from app.inference.call_forms import HERMES, CallForm, form_of
from app.inference.calls import CallFinder
from app.inference.model import Model
from app.jobs import Calling, Function
from app.pieces import CallPiece, Piece

from .chat_templates import FAMILIES
from .conftest import serving
from .test_functions import TOOLS, USER, ask, calls_of, joined, stream
from .tiny_gguf import TOKENS, write_tiny_gguf

SOURCES = {family.name: family.source for family in FAMILIES}
FUNCTIONS = [Function(name, "", {"type": "object"}) for name in ("f", "g.1")]
MARK, OTHER_MARK = 0, 3  # tokens that templates do not need


@dataclass(frozen=True)
class Example:
    """``text`` has the calls f({"a": "x}", "b": {}}) and, if ``both``, g.1({})."""

    template: str
    marks: tuple[str, ...]
    text: str
    both: bool = True

    @property
    def form(self) -> CallForm:
        form = form_of(SOURCES[self.template])
        assert form is not None
        return form


ARGUMENTS = '{"a": "x}]\\n</tool_call>\\"", "b": {}}'
EXAMPLES = {
    "Hermes": Example(
        "Qwen3 without thinking",
        ("<tool_call>", "</tool_call>"),
        f'First.\n<tool_call>\n{{"name": "f", "arguments": {ARGUMENTS}}}\n</tool_call>\n'
        '<tool_call>\n{"name": "g.1", "arguments": {}}\n</tool_call>',
    ),
    "Mistral": Example(
        "Mistral v0.3",
        ("[TOOL_CALLS]",),
        f'First.\n[TOOL_CALLS] [{{"name": "f", "arguments": {ARGUMENTS}}}, '
        '{"name": "g.1", "arguments": {}}]',
    ),
    "Mistral with Tekken": Example(
        "Mistral v0.3",
        ("[TOOL_CALLS]",),
        f'First.\n[TOOL_CALLS][{{"name": "f", "arguments": {ARGUMENTS}}}, '
        '{"name": "g.1", "arguments": {}}]',
    ),
    "Mistral v11": Example(
        "Mistral v11",
        ("[TOOL_CALLS]", "[ARGS]"),
        f"First.\n[TOOL_CALLS]f[ARGS]{ARGUMENTS}[TOOL_CALLS]g.1[ARGS]{{}}",
    ),
    "Llama": Example(
        "Llama 3.1",
        ("<|python_tag|>",),
        f'{{"name": "f", "parameters": {ARGUMENTS}}}',
        both=False,
    ),
    "Llama with a type": Example(
        "Llama 3.1",
        ("<|python_tag|>",),
        f'{{"type": "function", "name": "f", "parameters": {ARGUMENTS}}}',
        both=False,
    ),
    "Llama with a tag": Example(
        "Llama 3.1",
        ("<|python_tag|>",),
        f'<|python_tag|>{{"name": "f", "parameters": {ARGUMENTS}}}',
        both=False,
    ),
}
any_example = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


def write_model(path: Path, template: str, marks: tuple[str, ...], **how: Any) -> Path:
    """A tiny model with that family's template, in which ``marks`` are control tokens."""
    tokens, kinds = list(TOKENS), [TokenType.CONTROL] * 3 + [TokenType.NORMAL] * len(TOKENS[3:])
    for place, mark in zip((MARK, OTHER_MARK), marks, strict=False):
        tokens[place], kinds[place] = mark, TokenType.CONTROL
    metadata = {
        "tokenizer.chat_template": SOURCES[template],
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": list(map(int, kinds)),
    }
    return write_tiny_gguf(path, metadata=metadata, **how)


KINDS = {
    f"{example.template}, {'control tokens' if marks else 'text'}": (example.template, marks)
    for example in EXAMPLES.values()
    for marks in ((), example.marks)
}


@pytest.fixture(params=KINDS, scope="module")
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    template, marks = KINDS[request.param]

    def write(path: Path, **how: Any) -> Path:
        return write_model(path, template, marks, **how)

    folder = tmp_path_factory.mktemp("form")
    yield from serving(folder, write, CONTEXT_LENGTH="4096", THREADS="1")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def found(example: Example, text: str, size: int) -> list[Piece]:
    finder = CallFinder(Calling(FUNCTIONS, parallel=True), example.form)
    pieces = [p for i in range(0, len(text), size) for p in finder.feed(text[i : i + size])]
    return [*pieces, *finder.finish()]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def calls(pieces: list[Piece]) -> list[tuple[str, str]]:
    """The names and the arguments."""
    found = [piece for piece in pieces if isinstance(piece, CallPiece)]
    names = [piece.name for piece in found if piece.id]
    said = ("".join(p.arguments for p in found if p.number == n) for n in range(len(names)))
    return list(zip(names, said, strict=True))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
@any_example
def test_calls_are_found_however_the_text_is_cut(example: Example, size: int) -> None:
    pieces = found(example, example.text, size)
    assert text_of(pieces) == ("First.\n" if "First" in example.text else "")
    assert calls(pieces) == [("f", ARGUMENTS), ("g.1", "{}")][: 1 + example.both]


@any_example
def test_a_call_that_is_cut_anywhere_keeps_its_arguments(example: Example) -> None:
    begin = example.text.index(ARGUMENTS)
    for end in range(1, len(ARGUMENTS) + 1):
        cut = found(example, example.text[: begin + end], 1000)
        assert calls(cut) == [("f", ARGUMENTS[:end])]
    assert calls(found(example, example.text[:begin], 1000)) == []


@any_example
def test_without_functions_everything_is_text(example: Example) -> None:
    finder = CallFinder(None, example.form)
    assert [*finder.feed(example.text), *finder.finish()] == [example.text]
    assert finder.marks == ""


@pytest.mark.parametrize(
    "text", ['{"name": "Ann"}', '{"name": "f"', '{"a": 1}', " {}", "{", "Well.", '{"type": "x"}']
)
@pytest.mark.parametrize("size", [1, 1000])
def test_json_that_is_no_call_is_text(text: str, size: int) -> None:
    pieces = found(EXAMPLES["Llama"], text, size)
    assert text_of(pieces) == text
    assert calls(pieces) == []


def test_each_family_has_its_form() -> None:
    forms = {name: form_of(source) for name, source in SOURCES.items()}
    named = {example.template: example.form for example in EXAMPLES.values()}
    assert len(set(named.values())) == 4
    qwen = dict.fromkeys(("Qwen2.5", "Qwen3"), HERMES)
    assert {name: form for name, form in forms.items() if form} == named | qwen


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("parallel", [False, True])
def test_a_required_call_fits_its_function(client: FlaskClient, seed: int, parallel: bool) -> None:
    fields = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": parallel}
    [choice] = ask(client, seed=seed, **fields)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    found = calls_of(choice)
    assert len(found) >= 1 if parallel else len(found) == 1
    said = [tuple(call["function"].values()) for call in found]
    assert joined(stream(client, seed=seed, **fields)) == (None, said, "tool_calls")


with_marks = pytest.mark.parametrize("app", [k for k in KINDS if "control" in k], indirect=True)
BEGUN = {"tools": TOOLS, "logit_bias": {MARK: 100}, "max_tokens": 400}


@with_marks
@pytest.mark.parametrize("parallel", [False, True])
def test_a_model_that_begins_a_call_by_itself_must_complete_it(
    client: FlaskClient, parallel: bool
) -> None:
    fields = BEGUN | {"parallel_tool_calls": parallel}
    [choice] = ask(client, **fields)["choices"]
    found = calls_of(choice)
    assert found
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    said = [tuple(call["function"].values()) for call in found]
    assert joined(stream(client, **fields)) == (None, said, "tool_calls")


@any_example
@pytest.mark.parametrize("marked", [False, True])
def test_what_begins_like_a_call_goes_on_like_one(
    load_tiny: Callable[..., Model], example: Example, marked: bool
) -> None:
    marks = example.marks if marked else ()
    how = {"template": example.template, "marks": marks}
    model = load_tiny(1024, write=write_model, **how)
    source = model.grammar_source(Calling(FUNCTIONS), lambda: None)
    text = example.text.partition(ARGUMENTS)[0]
    name = text.rindex("f") + 1 + (not example.form.after.startswith("["))
    constraint = model.constraint(source)
    for token in model.tokenizer.encode_fragment(text[:name], control=True):
        constraint.accept(token)
    forced = constraint.forced()
    assert model.tokenizer.text(forced) == text[name:] + "{"


@with_marks
def test_a_stop_string_that_cuts_a_call_does_not_complete_it(client: FlaskClient) -> None:
    fields = BEGUN | {"stop": '": '}
    assert ask(client, **fields)["choices"][0]["finish_reason"] == "length"
    assert stream(client, **fields)[-1]["finish_reason"] == "length"


@with_marks
def test_without_functions_a_control_token_is_no_text(client: FlaskClient) -> None:
    fields = BEGUN | {"tools": [], "max_tokens": 5}
    [choice] = ask(client, **fields)["choices"]
    assert choice["message"]["content"] == ""


def test_the_model_may_answer_in_text(client: FlaskClient) -> None:
    [choice] = ask(client, tools=TOOLS, max_tokens=20, ignore_eos=True)["choices"]
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "length"


def test_text_of_marks_in_an_answer_is_text(client: FlaskClient) -> None:
    content = {"a": '[TOOL_CALLS]f[ARGS]{}<tool_call>\n{"name": "f", "parameters": {}}'}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": content}}}
    fields = {"response_format": wanted, "max_tokens": 400}
    [choice] = ask(client, **fields)["choices"]
    assert json.loads(choice["message"]["content"]) == content
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("id_", ["call_1", "abcDEF123", "é" * 70], ids=str.isascii)
def test_calls_and_results_are_in_the_next_prompt(client: FlaskClient, id_: str) -> None:
    arguments = {"city": "Paris", "unit": "C"}
    call = {"name": "get_weather", "arguments": json.dumps(arguments)}
    messages = [
        USER,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": id_, "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": id_, "content": "Sunny, 21 degrees"},
    ]
    tokens = ask(client, *messages, tools=TOOLS, max_tokens=2)["usage"]["prompt_tokens"]
    alone = ask(client, USER, tools=TOOLS, max_tokens=2)["usage"]["prompt_tokens"]
    assert tokens > alone + 50
