from datetime import datetime

import pytest

from app.exceptions import PromptError
from app.inference.template import ChatTemplate

from .chat_templates import BEGUN, FAMILIES, Family

MESSAGES = [{"role": "user", "content": "hi"}]


def render(source: str) -> str:
    return ChatTemplate(source, "<s>", "</s>").render(MESSAGES)


def test_messages_and_tokens_are_there() -> None:
    source = "{{ bos_token }}{{ messages[0].content }}{{ messages[0]['role'] }}{{ eos_token }}"
    assert render(source) == "<s>hiuser</s>"


def test_the_assistants_turn_is_begun() -> None:
    assert render("{% if add_generation_prompt %}yes{% endif %}") == "yes"


def test_blocks_leave_no_white_space() -> None:
    assert render("{% if true %}\n    {% if true %}\na\n    {% endif %}\n{% endif %}\n") == "a\n"


def test_loops_can_be_left() -> None:
    assert (
        render("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}")
        == "1"
    )


def test_the_date_is_available() -> None:
    year = datetime.now().year
    assert int(render("{{ strftime_now('%Y') }}")) in (year, year + 1)


def test_json_is_not_escaped_for_html() -> None:
    assert render("{{ {'a': '<é>'} | tojson }}") == '{"a": "<é>"}'


def test_a_template_can_refuse() -> None:
    with pytest.raises(PromptError, match="The model's chat template says: No, thanks"):
        render("{{ raise_exception('No, thanks') }}")


@pytest.mark.parametrize("source", ["{% if %}", "{{ messages", "{% nonsense %}", "{{" + "(" * 3000])
def test_a_broken_template_is_an_error(source: str) -> None:
    with pytest.raises(PromptError, match="chat template is broken"):
        render(source)


@pytest.mark.parametrize(
    "source", ["{{ 1 / 0 }}", "{{ messages[0].content + 1 }}", "{{ '\\ud800' }}"]
)
def test_a_template_that_fails_is_an_error(source: str) -> None:
    with pytest.raises(PromptError, match="chat template failed"):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__.os.system('id') }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(source: str) -> None:
    with pytest.raises(PromptError, match=r"unsafe|undefined"):
        render(source)


def test_a_template_sees_nothing_of_the_server() -> None:
    assert render("[{{ raise_exception.__globals__ }}{{ bos_token.__class__ }}]") == "[]"


TURNS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
QUESTION = {"role": "user", "content": "yes"}


@pytest.mark.parametrize("begun", ["yes", " Well, ", "yes</>"])
def test_a_last_message_of_the_assistant_is_the_beginning_of_the_answer(begun: str) -> None:
    template = ChatTemplate(TURNS, "", "")
    text = template.render([QUESTION, {"role": "assistant", "content": begun}])
    assert text == f"<user>yes</><assistant>{begun.strip()}"


@pytest.mark.parametrize("last", [QUESTION, {"role": "assistant", "content": ""}])
def test_otherwise_the_assistants_turn_begins(last: dict[str, str]) -> None:
    assert ChatTemplate(TURNS, "", "").render([QUESTION, last]).endswith("<assistant>")


NASTY = [
    "<",
    "|",
    "end",
    "s",
    "</",
    "e",
    "user",
    "<|im_end|",
    "yes",
    "A \ufdd1 b",
    "a\n\nb",
    "[/INST",
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_template_of_each_family_gives_its_documented_prompt(family: Family) -> None:
    template = ChatTemplate(family.source, "<s>", "</s>")
    assert template.render(family.messages) == family.prompt
    begun = {"role": "assistant", "content": BEGUN}
    assert template.render([*family.messages, begun]) == family.continued


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("begun", NASTY)
def test_nothing_follows_a_begun_answer(family: Family, begun: str) -> None:
    template = ChatTemplate(family.source, "<s>", "</s>")
    text = template.render([*family.messages, {"role": "assistant", "content": f" {begun} "}])
    assert text == family.continued_with(begun)


SECRET = "the secret of Konstanze"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('Not this: ' ~ messages[0].content) }}",
        "{{ dict(messages[0].content) }}",
        "{{ {}[messages[0].content].x }}",
        "{{ messages[0].content.nothing.x }}",
        "{{ '%d' | format(messages[0].content) }}",
        "{{ messages[0].content ~ '\\ud800' }}",
    ],
)
def test_no_error_quotes_a_message(source: str) -> None:
    template = ChatTemplate(source, "", "")
    with pytest.raises(PromptError) as caught:
        template.render([{"role": "user", "content": SECRET}])
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("The model's chat template ")


def test_a_template_that_fails_names_the_line() -> None:
    with pytest.raises(PromptError, match=r"failed in line 3: ZeroDivisionError\."):
        render("a\nb\n{{ 1 / 0 }}")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ {'b': 'é', 'a': 1} | tojson }}", '{"b": "é", "a": 1}'),
        ("{{ {'a': 'é'} | tojson(ensure_ascii=True) }}", '{"a": "\\u00e9"}'),
        ("{{ {'a': 'é'} | tojson(true) }}", '{"a": "\\u00e9"}'),
        ("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}", '{"a": 2, "b": 1}'),
        ("{{ [1, 2] | tojson(separators=(',', ':')) }}", "[1,2]"),
        ("{{ [1] | tojson(indent=4) }}", "[\n    1\n]"),
        ("{% generation %}said{% endgeneration %}", "said"),
        ("{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}", "2"),
        ("{% for i in [1, 2] %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "2"),
        ("{{ documents is none }}{{ tools is none }}", "TrueTrue"),
    ],
)
def test_the_environment_is_hugging_faces(source: str, text: str) -> None:
    assert render(source) == text


def test_variables_reach_the_template_and_replace_nothing() -> None:
    template = ChatTemplate(
        "{{ enable_thinking }}{{ messages | length }}{{ bos_token }}", "<s>", ""
    )
    more = {"enable_thinking": False, "messages": [], "add_generation_prompt": False}
    assert template.render(MESSAGES, variables=more) == "False1<s>"


def test_a_template_that_hides_the_begun_answer_says_so() -> None:
    with pytest.raises(PromptError, match="does not show the last message"):
        ChatTemplate("x", "", "").render([QUESTION, {"role": "assistant", "content": "yes"}])
