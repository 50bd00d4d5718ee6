"""What a model thinks before it answers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import pytest
from flask.testing import FlaskClient

from app.application import create_app
from app.inference.model import Model
from app.inference.thoughts import ThoughtFinder, form_of
from app.pieces import Piece, Thought, text_of

from .tiny_gguf import CONTROL, MERGES, TEMPLATE, TOKENS, write_tiny_gguf

R1 = "<think>{}</think>{}"
MAGISTRAL = "[THINK]{}[/THINK]{}"
GPT_OSS = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}"
FORMS = {"r1": R1, "magistral": MAGISTRAL, "gpt-oss": GPT_OSS}


def taken_apart(pieces: list[Piece]) -> tuple[str, str]:
    """The thought and the answer in the pieces."""
    return "".join(p.text for p in pieces if isinstance(p, Thought)), text_of(pieces)


def found(form: str, *parts: str, prompt_end: str = "") -> tuple[str, str]:
    finder = ThoughtFinder(form_of(form), prompt_end)
    pieces = [piece for part in parts for piece in finder.feed(part)]
    return taken_apart(pieces + finder.finish())


def splits(text: str) -> Iterator[list[str]]:
    yield list(text)
    yield from ([text[:at], text[at:]] for at in range(len(text) + 1))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("around", ["", "\n\n"], ids=["close", "lines"])
def test_thought_and_answer_are_separated_wherever_the_text_is_cut(form: str, around: str) -> None:
    text = form.format(f"{around}a < b\n\nc{around}", f"{around}so <b> it </think is")
    for parts in splits(text):
        assert found(form, *parts) == ("a < b\n\nc", "so <b> it </think is")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "text", ["", "  ", "Hi", "<", "<th", "<thin>", "[TH", "<|channel|>x", "\n x"]
)
def test_an_answer_without_a_thought_is_left_as_it_is(form: str, text: str) -> None:
    for parts in splits(text):
        assert found(form, *parts) == ("", text)


def test_gpt_oss_may_answer_directly() -> None:
    for parts in splits("<|channel|>final<|message|>Hi"):
        assert found(GPT_OSS, *parts) == ("", "Hi")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_thought_that_is_cut_off_is_all_there_is(form: str) -> None:
    begin = form.partition("{}")[0]
    for parts in splits(f"{begin}\nhm </thi"):
        assert found(form, *parts) == ("hm </thi", "")


def test_a_prompt_may_begin_the_thought() -> None:
    for parts in splits("\nhm\n</think>\n\nHi"):
        assert found(R1, *parts, prompt_end="<assistant><think>\n") == ("hm", "Hi")


def test_a_prompt_may_end_the_thought() -> None:
    assert found(R1, "<think>", prompt_end="<think>\n\n</think>\n\n") == ("", "<think>")


def test_a_second_thought_is_text() -> None:
    assert found(R1, "<think>a</think>b<think>c</think>d") == ("a", "b<think>c</think>d")


def test_a_model_without_such_a_template_does_not_think() -> None:
    assert found(TEMPLATE, "<think>a</think>b") == ("", "<think>a</think>b")


THINK, END, HELLO, WORLD = 3, len(TOKENS) - 1, TOKENS.index("hello"), TOKENS.index("Ġwor")
OPENED = TEMPLATE.replace("assistant\n{% endif", "assistant\n<think>\n{% endif")
CLOSABLE = TEMPLATE.replace(
    "assistant\n{% endif",
    "assistant\n{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif",
)


def write_thinking(
    path: Path, template: str = CLOSABLE, control: bool = False, context_length: int = 1024
) -> Path:
    """A tiny model that knows the marks of a thought, perhaps as control tokens."""
    kind = gguf.TokenType.CONTROL if control else gguf.TokenType.USER_DEFINED
    tokens = [*TOKENS[:-1], "</think>"]
    tokens[THINK] = "<think>"
    types = [gguf.TokenType.CONTROL] * len(CONTROL) + [gguf.TokenType.NORMAL] * (
        len(tokens) - len(CONTROL)
    )
    types[THINK] = types[END] = kind
    metadata = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kind) for kind in types],
        "tokenizer.ggml.merges": MERGES[:-1],
        "tokenizer.chat_template": template,
    }
    return write_tiny_gguf(path, metadata=metadata, context_length=context_length)


@pytest.fixture
def serve(tmp_path: Path) -> Any:
    def serve(reasoning: str = "separate", **how: Any) -> FlaskClient:
        (tmp_path / "models").mkdir()
        write_thinking(tmp_path / "models" / "a.gguf", **how)
        return create_app({"DATA_DIR": str(tmp_path), "REASONING": reasoning}).test_client()

    return serve


def body(*tokens: int, **fields: Any) -> dict[str, Any]:
    """A chat whose answer begins with those tokens: each is preferred until it was said.

    The logits of the model are between -10 and 10.
    """
    return {
        "messages": [{"role": "user", "content": "Hello"}],
        "logit_bias": {str(token): 100 - 20 * i for i, token in enumerate(tokens)},
        "repeat_penalty": 10,
        "temperature": 0,
        "max_tokens": len(tokens),
        **fields,
    }


def post(client: FlaskClient, asked: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/v1/chat/completions", json=asked)
    assert response.status_code == 200, response.json
    return response.json


@pytest.mark.parametrize("control", [False, True], ids=["text", "control tokens"])
def test_a_response_has_the_thought_beside_the_content(serve: Any, control: bool) -> None:
    answer = post(serve(control=control), body(THINK, HELLO, END, WORLD))
    message = answer["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("hello", "wor")
    assert answer["usage"]["completion_tokens"] == 4
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


def test_a_stream_has_it_in_deltas_of_its_own(serve: Any) -> None:
    asked = body(THINK, HELLO, END, WORLD, stream=True)
    text = serve().post("/v1/chat/completions", json=asked).text
    chunks = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [d["reasoning_content"] for d in deltas if "reasoning_content" in d] == ["hello"]
    assert "".join(d.get("content", "") for d in deltas) == "wor"


def test_a_thought_that_the_template_begins_ends_with_its_mark(serve: Any) -> None:
    message = post(serve(template=OPENED), body(HELLO, END, WORLD))["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("hello", "wor")


def test_inline_leaves_it_in_the_text(serve: Any) -> None:
    message = post(serve("inline"), body(THINK, HELLO, END, WORLD))["choices"][0]["message"]
    assert message["content"] == "<think>hello</think> wor"
    assert "reasoning_content" not in message


@pytest.mark.parametrize("fields", [{"reasoning_effort": "none"}, {"enable_thinking": False}])
def test_thinking_can_be_switched_off(serve: Any, fields: dict[str, Any]) -> None:
    message = post(serve(), body(HELLO, **fields))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "hello"}


def test_a_template_that_cannot_switch_it_off_is_said_in_the_log(
    load_tiny: Callable[..., Model], caplog: pytest.LogCaptureFixture
) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    model = load_tiny(write=write_thinking, template=OPENED)
    model.chat_prompt(messages, None, {"enable_thinking": False})
    assert caplog.messages == [f"{model.file.name} cannot be kept from thinking."]


def test_other_efforts_reach_the_template(serve: Any) -> None:
    client = serve(template=TEMPLATE + "{{ reasoning_effort * 20 }}<think>")
    lengths = [
        post(client, body(HELLO, reasoning_effort=effort))["usage"]["prompt_tokens"]
        for effort in ("high", "minimal")
    ]
    assert lengths[1] - lengths[0] == 20 * (len("minimal") - len("high"))


def test_thoughts_of_earlier_turns_reach_the_template(serve: Any) -> None:
    shown = TEMPLATE.replace("{{ m.content }}", "{{ m.reasoning_content }}{{ m.content }}")
    client = serve(template=shown + "{# <think> #}")
    said = {"role": "assistant", "content": "Hi", "reasoning_content": "x" * 30}
    question = {"role": "user", "content": "Hello"}
    lengths = [
        post(client, body(HELLO, messages=[question, message, question]))["usage"]["prompt_tokens"]
        for message in (said, {**said, "reasoning_content": "x"})
    ]
    assert lengths[0] - lengths[1] == 29


GRAMMARS: dict[str, dict[str, Any]] = {
    "json": {"response_format": {"type": "json_object"}},
    "choice": {"guided_choice": ["yes", "no"]},
}


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("logprobs", [False, True])
def test_a_grammar_begins_after_the_thought(
    serve: Any, grammar: dict[str, Any], opened: bool, logprobs: bool
) -> None:
    client = serve(template=OPENED if opened else CLOSABLE)
    tokens = [HELLO, END] if opened else [THINK, HELLO, END]
    asked = body(*tokens, max_tokens=200, logprobs=logprobs, **grammar)
    choice = post(client, asked)["choices"][0]
    assert choice["message"]["reasoning_content"] == "hello"
    content = choice["message"]["content"]
    assert content[:1] in ("{", "y", "n")
    if choice["finish_reason"] == "stop" and "guided_choice" not in grammar:
        json.loads(content)


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
def test_with_a_grammar_a_thought_is_not_the_end(serve: Any, grammar: dict[str, Any]) -> None:
    end = TOKENS.index("<|im_end|>")
    asked = body(THINK, HELLO, end, END, max_tokens=200, **grammar)
    choice = post(serve(), asked)["choices"][0]
    assert choice["message"]["reasoning_content"] == "hello"
    assert choice["message"]["content"][:1] in ("{", "y", "n")


def test_with_a_grammar_the_model_need_not_think(serve: Any) -> None:
    yes = body(TOKENS.index("y"), max_tokens=9, guided_choice=["yes", "no"])
    assert post(serve(), yes)["choices"][0]["message"] == {"role": "assistant", "content": "yes"}


def test_calls_follow_the_thought(serve: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    asked = body(THINK, HELLO, END, tools=tools, tool_choice="required", max_tokens=200)
    message = post(serve(), asked)["choices"][0]["message"]
    assert message["reasoning_content"] == "hello"
    assert message["tool_calls"][0]["function"]["name"] == "f"
