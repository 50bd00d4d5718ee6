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


class ChatTemplate:
    """A compiled chat template. Raises `PromptError` when the source is no Jinja."""

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
        try:
            self._template = environment.from_string(source)
        # A template is a stranger's program: it can fail in any way, here and below.
        except Exception as error:
            raise PromptError(f"The model's chat template is broken: {error}") from error

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The prompt for ``messages``, up to where the assistant's answer begins.

        Raises `PromptError` with the template's own words when it refuses the messages.
        """
        try:
            text = self._template.render(messages=messages, add_generation_prompt=True)
            text.encode()  # fails on half of a surrogate pair
        except jinja2.TemplateError as error:
            raise PromptError(f"The model's chat template says: {error}") from error
        except Exception as error:
            raise PromptError(f"The model's chat template failed: {error!r}") from error
        return text


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON as it is; Jinja's own filter would escape it for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
