"""Functions that a model may call: how it is told about them, and what its calls look like.

Both have the form of Hermes and Qwen, which many models were trained on. A call is ``<tool_call>``,
a line of JSON with ``name`` and ``arguments``, and ``</tool_call>``. A chat template that writes
this form gets the functions. For any other, the system message describes them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..exceptions import GrammarError
from ..jobs import Calling, Function
from .grammar import Check, GrammarSource, inline_json, lark_grammar

CALL_BEGIN, CALL_END = "<tool_call>", "</tool_call>"
_MOST_CALLS = 8

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


def calls_grammar(calling: Calling, check: Check) -> GrammarSource:
    """The grammar of answers with calls, which end the answer. Raises `GrammarError`."""
    names = [f"call_{number}" for number in range(len(calling.functions))]
    more = f' ("\\n" call){{0,{_MOST_CALLS - 1}}}' if calling.parallel else ""
    lines = [
        f'call: "{CALL_BEGIN}" body',
        f'body: "\\n" ({" | ".join(names)}) "\\n{CALL_END}"',
    ]
    for name, function in zip(names, calling.functions, strict=True):
        begin = json.dumps(f'{{"name": {json.dumps(function.name)}, "arguments": ')
        lines += [
            f'{name}: {begin} {name}_arguments "}}"',
            f"{name}_arguments: {_arguments(function, check)}",
        ]
    if calling.required:
        lines.append(f"start: call{more}")
    elif calling.otherwise is not None:
        otherwise = inline_json(calling.otherwise, "The answer", check, strict=True)
        lines += [f"start: call{more} | json", f"json: {otherwise}"]
    else:
        # Any text, until a call begins.
        lines += [
            f"start: TEXT | begin body{more}",
            f'begin[lazy]: TEXT "{CALL_BEGIN}"',
            r"TEXT: /(.|\n)*/",
        ]
    text = lark_grammar("%llguidance {}\n" + "\n".join(lines))
    return GrammarSource(text, json_after=CALL_BEGIN if calling.may_say_text else "")


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
        yield f"{CALL_BEGIN}\n{json.dumps(data, ensure_ascii=False)}\n{CALL_END}"


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
