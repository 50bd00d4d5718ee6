"""The model's chat template, which turns messages into the text of a prompt.

The template comes with a GGUF from strangers, so it runs in Jinja's sandbox. It gets what Hugging
Face's `apply_chat_template` gives it, because it was written for that
(https://huggingface.co/docs/transformers/chat_templating).
"""

import json
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..exceptions import PromptError

# Marks the end of a begun answer. What the template adds there is cut off, and the mark with it, so
# no tokenizer sees this noncharacter of Unicode.
_HERE = "\ufdd1"


class ChatTemplate:
    """A compiled chat template. Raises `PromptError` if the source is not Jinja."""

    def __init__(self, source: str, bos_token: str, eos_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
        )
        environment.filters["tojson"] = _tojson
        environment.globals |= {
            "bos_token": bos_token,
            "eos_token": eos_token,
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
        }
        try:
            self._template = environment.from_string(source)
        # A template is a stranger's program and can fail in any way, here and below.
        except Exception as error:
            raise PromptError(f"The model's chat template is broken: {error}") from error

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt for ``messages``, up to where the assistant's answer begins.

        If the last message is the assistant's, it is the beginning of the answer. ``tools`` are
        OpenAI's objects, for a template that knows them. ``variables`` are the request's, for
        the template itself. Raises `PromptError` with the template's own words if it refuses the
        messages.
        """
        begun = messages[-1]["content"].strip() if _is_begun(messages) else ""
        if begun:
            messages = [*messages[:-1], {**messages[-1], "content": begun + _HERE}]
        try:
            text = self._template.render(
                {"documents": None, **(variables or {}), "messages": messages, "tools": tools},
                add_generation_prompt=not begun,
            )
            text.encode()  # fails on half of a surrogate pair
        except jinja2.TemplateError as error:
            words = _without_contents(str(error), messages)
            raise PromptError(f"The model's chat template says: {words}") from error
        except Exception as error:
            # The text of such an error may quote the messages.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f" in line {place.lineno}" if place.filename == "<template>" else ""
            raise PromptError(
                f"The model's chat template failed{where}: {type(error).__name__}."
            ) from error
        if not begun:
            return text
        text, here, _ = text.rpartition(_HERE)
        if not here:
            raise PromptError("The model's chat template does not show the last message.")
        return text


class _Generation(Extension):
    """``{% generation %}``, which marks what the assistant says. Only training needs it."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The contents of the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _is_begun(messages: Sequence[Mapping[str, Any]]) -> bool:
    last: Mapping[str, Any] = messages[-1] if messages else {"role": ""}
    return last["role"] == "assistant" and "tool_calls" not in last


def _without_contents(words: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """A template's ``words`` without their quotes from the messages."""
    contents = [str(message.get("content", "")).strip() for message in messages]
    for content in sorted(contents, key=len, reverse=True):
        # A shorter one may be part of the words by chance.
        if len(content) >= 5:
            words = words.replace(content, "...")
    return words[:500]


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is. Jinja's own filter would escape it for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
