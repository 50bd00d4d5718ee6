"""Functions that a model may call: how it is told about them, and the grammar of its calls.

A chat template that writes one of `call_forms` gets the functions. For any other, the system
message describes them, and calls have the form of Hermes.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..exceptions import GrammarError
from ..jobs import Calling, Function
from .call_forms import HERMES, CallForm
from .grammar import Check, GrammarSource, inline_json, lark_grammar

_MOST_CALLS = 8
_SHORT_ID = re.compile("[a-zA-Z0-9]{9}")

_PROMPT = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{signatures}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def calls_grammar(
    calling: Calling,
    check: Check,
    form: CallForm = HERMES,
    control: Mapping[str, int] = MappingProxyType({}),
) -> GrammarSource:
    """The grammar of answers with calls in ``form``. Raises `GrammarError`.

    ``control`` are the model's control tokens with their ids.
    """
    marks = [re.escape(token) for token in control if token and token in form.texts]
    cut_at_marks = re.compile(f"({'|'.join(marks) or '(?!)'})")

    def text(*alternatives: str) -> str:
        """One of the texts. The control tokens in them count as such."""
        written = (
            " ".join(
                f"<[{control[part]}]>" if part in control else json.dumps(part)
                for part in cut_at_marks.split(alternative)
            )
            for alternative in alternatives
        )
        return f"({' | '.join(written)})"

    first, further = [], []
    lines = [r"ANY: /(.|\n)*/"]
    for number, function in enumerate(calling.functions):
        lines += [
            f"arguments_{number}: {_arguments(function, check)}",
            f"body_{number}: arguments_{number} {text(form.tail)}",
        ]
        first.append(f"{text(*form.first_heads(function.name, form.after))} body_{number}")
        further.append(f"{text(form.next_head(function.name))} body_{number}")
    several = calling.parallel and form.between
    more = f"({' | '.join(further)}){{0,{_MOST_CALLS - 1}}}" if several else ""
    lines.append(f"calls: ({' | '.join(first)}) {more} {text(form.end)}")
    begin = text(form.begin)
    if calling.required:
        lines.append(f"start: {begin} calls")
    elif calling.otherwise is not None:
        otherwise = inline_json(calling.otherwise, "The answer", check, strict=True)
        lines += [f"start: {begin} calls | json", f"json: {otherwise}"]
    elif form.begin:
        # Any text, until the calls begin.
        lazy = "" if form.begin in control else "[lazy]"
        lines += ["start: ANY | begun calls", f"begun{lazy}: ANY {begin}"]
    else:
        # Any text that does not begin like a call, up to the quote behind the name.
        named = (h for f in calling.functions for h in form.first_heads(f.name, form.after[0]))
        calls = "|".join(map(re.escape, named))
        lines += ["start: TEXT | calls", rf"TEXT: ANY & ~/({calls})(.|\n)*/"]
    grammar = lark_grammar("%llguidance {}\n" + "\n".join(lines))
    return GrammarSource(grammar, json_after=form.after if calling.may_say_text else "")


def plain_messages(
    messages: Sequence[Mapping[str, Any]], calling: Calling | None
) -> list[Mapping[str, Any]]:
    """``messages`` with calls, results and functions as text, for a template without tools."""
    plain = [_plain(message) for message in messages]
    if calling is None:
        return plain
    said = told(calling)
    if plain and plain[0]["role"] == "system":
        system = f"{plain[0]['content']}\n\n{said}"
        return [{**plain[0], "content": system}, *plain[1:]]
    return [{"role": "system", "content": said}, *plain]


def with_short_ids(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """``messages`` in which the ids of calls are nine letters and digits, as Mistral wants them."""

    def shortened(message: Mapping[str, Any]) -> Mapping[str, Any]:
        changed: dict[str, Any] = {}
        if "tool_calls" in message:
            calls = ({**call, "id": _short(call["id"])} for call in message["tool_calls"])
            changed["tool_calls"] = list(calls)
        if "tool_call_id" in message:
            changed["tool_call_id"] = _short(message["tool_call_id"])
        return {**message, **changed}

    return list(map(shortened, messages))


def _short(id_: str) -> str:
    return id_ if _SHORT_ID.fullmatch(id_) else hashlib.sha256(id_.encode()).hexdigest()[:9]


def _plain(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if message["role"] == "tool":
        text = f"<tool_response>\n{message['content']}\n</tool_response>"
        return {"role": "user", "content": text}
    if "tool_calls" not in message:
        return message
    return {"role": message["role"], "content": "\n".join(_call_lines(message))}


def _call_lines(message: Mapping[str, Any]) -> Iterator[str]:
    if message["content"]:
        yield message["content"]
    for call in message["tool_calls"]:
        function = call["function"]
        data = {"name": function["name"], "arguments": function["arguments"]}
        yield f"<tool_call>\n{json.dumps(data, ensure_ascii=False)}\n</tool_call>"


def told(calling: Calling) -> str:
    """What a model is told about functions if its chat template has no tools."""
    signatures = (json.dumps(f.signature, ensure_ascii=False) for f in calling.functions)
    return _PROMPT.format(signatures="\n".join(signatures))


def _arguments(function: Function, check: Check) -> str:
    """The grammar of a function's arguments, for Lark. Raises `GrammarError`."""
    try:
        what = f"The function {function.name}"
        return inline_json(function.parameters, what, check, strict=function.strict)
    except GrammarError as error:
        raise GrammarError(f"the function {function.name!r}: {error}") from error
