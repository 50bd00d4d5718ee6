"""Functions that a model may call: how it is told of them, and what its calls look like.

Both are the form of Hermes and Qwen, which many models were trained on: a call is
``<tool_call>``, a line of JSON with ``name`` and ``arguments``, ``</tool_call>``. A chat template
that writes this form gets the functions; for any other, they are described in the system message.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import GrammarError
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


@dataclass(frozen=True)
class Function:
    """A function; ``parameters`` is the JSON Schema of its arguments, an object.

    Calls keep to all of a ``strict`` schema, and else to what of it they can be held to.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False

    @property
    def signature(self) -> dict[str, Any]:
        """OpenAI's object, as chat templates expect it."""
        described = {"description": self.description} if self.description else {}
        function = {"name": self.name, **described, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}

    def arguments(self, check: Check) -> str:
        """The grammar of its arguments, for Lark. Raises `GrammarError`."""
        try:
            what = f"The function {self.name}"
            return inline_json(self.parameters, what, check, strict=self.strict)
        except GrammarError as error:
            raise GrammarError(f"the function {self.name!r}: {error}") from error


@dataclass(frozen=True)
class Tools:
    """The functions of one request, the grammar of its answers.

    ``required`` says that at least one must be called, ``parallel`` that there may be several
    calls. Without a call, the answer must keep to the JSON Schema ``otherwise``, if there is one.
    """

    functions: Sequence[Function]
    required: bool = False
    parallel: bool = False
    otherwise: Mapping[str, Any] | None = None

    @property
    def prompt(self) -> str:
        """What a model is told whose chat template knows no tools."""
        signatures = (json.dumps(f.signature, ensure_ascii=False) for f in self.functions)
        return _PROMPT.format(signatures="\n".join(signatures))

    @property
    def may_say_text(self) -> bool:
        """Whether an answer may be text, or begin with it, instead of a call."""
        return not self.required and self.otherwise is None

    def source(self, check: Check) -> GrammarSource:
        """The grammar: one call or several, which end the answer. Raises `GrammarError`."""
        names = [f"call_{number}" for number in range(len(self.functions))]
        more = f' ("\\n" call){{0,{_MOST_CALLS - 1}}}' if self.parallel else ""
        lines = [
            f'call: "{CALL_BEGIN}" body',
            f'body: "\\n" ({" | ".join(names)}) "\\n{CALL_END}"',
        ]
        for name, function in zip(names, self.functions, strict=True):
            begin = json.dumps(f'{{"name": {json.dumps(function.name)}, "arguments": ')
            lines += [
                f'{name}: {begin} {name}_arguments "}}"',
                f"{name}_arguments: {function.arguments(check)}",
            ]
        if self.required:
            lines.append(f"start: call{more}")
        elif self.otherwise is not None:
            otherwise = inline_json(self.otherwise, "The answer", check, strict=True)
            lines += [f"start: call{more} | json", f"json: {otherwise}"]
        else:
            # Any text, until a call begins.
            lines += [
                f"start: TEXT | begin body{more}",
                f'begin[lazy]: TEXT "{CALL_BEGIN}"',
                r"TEXT: /(.|\n)*/",
            ]
        text = lark_grammar("%llguidance {}\n" + "\n".join(lines))
        return GrammarSource(text, json_after=CALL_BEGIN if self.may_say_text else "")


def plain_messages(
    messages: Sequence[Mapping[str, Any]], tools: Tools | None
) -> list[Mapping[str, Any]]:
    """``messages`` for a template that knows no tools: calls, results and functions as text."""
    plain = [_plain(message) for message in messages]
    if tools is None:
        return plain
    if plain and plain[0]["role"] == "system":
        system = f"{plain[0]['content']}\n\n{tools.prompt}"
        return [{**plain[0], "content": system}, *plain[1:]]
    return [{"role": "system", "content": tools.prompt}, *plain]


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
