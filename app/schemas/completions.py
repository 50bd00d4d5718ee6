"""POST /v1/completions, https://platform.openai.com/docs/api-reference/completions/create."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from .answers import AnswerRequest, AnswerSchema, answer_fields
from .fields import Boolean, Integer, Prompts, Unsupported

_DEFAULT_MAX_TOKENS = 16  # OpenAI's and GPT4All's


@dataclass(frozen=True)
class CompletionRequest(AnswerRequest):
    """Prompts to continue, each a text or a list of token ids."""

    prompt: Sequence[str | list[int]]
    echo: bool


class CompletionSchema(AnswerSchema):
    """Loads a `CompletionRequest`."""

    prompt = Prompts(required=True)
    echo = Boolean(load_default=False)
    best_of = Integer()

    logprobs = Unsupported(False)
    suffix = Unsupported("")

    @validates_schema
    def _check_best_of(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("best_of", data["n"]) != data["n"]:
            raise ValidationError(
                "is not supported by this server yet; leave it out or send the value of n.",
                "best_of",
            )

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> CompletionRequest:
        shared = answer_fields(data, data.get("max_tokens", _DEFAULT_MAX_TOKENS))
        return CompletionRequest(prompt=data["prompt"], echo=data["echo"], **shared)
