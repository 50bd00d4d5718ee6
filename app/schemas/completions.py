"""POST /v1/completions, https://platform.openai.com/docs/api-reference/completions/create."""

from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from ..jobs import Job
from .fields import Boolean, CompletionLogprobs, Integer, Prompts, TokenLimit, Unsupported, between
from .generation import GenerationSchema, Request, asked_grammar, request_of

_DEFAULT_MAX_TOKENS = 16  # OpenAI's and GPT4All's


class CompletionSchema(GenerationSchema):
    """Loads a `Request` that has prompts."""

    prompt = Prompts(required=True)
    echo = Boolean(load_default=False)
    best_of = Integer(validate=between(1))
    logprobs = CompletionLogprobs(load_default=None)
    max_tokens = TokenLimit(0)
    suffix = Unsupported("", reason="the model continues a text, it cannot fill a gap")

    @validates_schema
    def _check_best_of(self, data: dict[str, Any], **kwargs: Any) -> None:
        if (best_of := data.get("best_of")) is None:
            return
        if not data["n"] <= best_of <= self._max_n:
            raise ValidationError(
                f"must be between n ({data['n']}) and {self._max_n}, not {best_of}.", "best_of"
            )
        if data["stream"] and best_of > data["n"]:
            raise ValidationError("cannot be used with stream.", "best_of")

    @validates_schema
    def _check_max_tokens(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("max_tokens") == 0 and not data["echo"]:
            raise ValidationError("must be at least 1, not 0.", "max_tokens")

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Request:
        data["top_logprobs"] = data["logprobs"]
        limit = data.get("max_tokens", _DEFAULT_MAX_TOKENS)
        job = Job(prompts=data["prompt"])
        return request_of(data, job, "prompt", limit, asked_grammar(data))
