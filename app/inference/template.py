"""The model's chat template: messages in, the prompt's text out.

The template comes from a GGUF, that is from strangers, and runs in Jinja's sandbox. Its
surroundings are those of Hugging Face's `apply_chat_template`
(https://huggingface.co/docs/transformers/chat_templating), for which it was written.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import PromptError
from .tools import CALL_BEGIN


class ChatTemplate:
    """A compiled chat template. Raises `PromptError` when the source is no Jinja.

    ``knows_tools`` says whether it can be given functions and their calls.
    """

    def __init__(self, source: str, bos_token: str, eos_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals |= {
            "bos_token": bos_token,
            "eos_token": eos_token,
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
        }
        # The form of calls that `tools` has a grammar for.
        self.knows_tools = "tools" in source and CALL_BEGIN in source
        try:
            self._template = environment.from_string(source)
        # A template is a stranger's program: it can fail in any way, here and below.
        except Exception as error:
            raise PromptError(f"The model's chat template is broken: {error}") from error

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """The prompt for ``messages``, up to where the assistant's answer begins.

        A last message of the assistant is the beginning of the answer. ``tools`` are OpenAI's
        objects, for a template that ``knows_tools``. Raises `PromptError` with the template's
        own words when it refuses the messages.
        """
        begun = messages[-1]["content"].strip() if _is_begun(messages) else ""
        try:
            text = self._template.render(
                messages=messages, tools=tools, add_generation_prompt=not begun
            )
            text.encode()  # fails on half of a surrogate pair
        except jinja2.TemplateError as error:
            raise PromptError(f"The model's chat template says: {error}") from error
        except Exception as error:
            raise PromptError(f"The model's chat template failed: {error!r}") from error
        if not begun:
            return text
        end = text.rfind(begun)
        if end < 0:
            raise PromptError("The model's chat template does not show the last message.")
        return text[: end + len(begun)]


def _is_begun(messages: Sequence[Mapping[str, Any]]) -> bool:
    last: Mapping[str, Any] = messages[-1] if messages else {"role": ""}
    return last["role"] == "assistant" and "tool_calls" not in last


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON as it is; Jinja's own filter would escape it for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
