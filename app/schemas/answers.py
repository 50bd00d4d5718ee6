"""What both endpoints' requests have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from ..inference.constraint import json_grammar
from ..inference.errors import GrammarError
from ..inference.generation import AnswerOptions
from ..inference.library import ModelSettings
from ..inference.sampling import Sampling
from .fields import (
    Boolean,
    Gbnf,
    Ignored,
    Integer,
    JsonSchema,
    LogitBias,
    Number,
    StopStrings,
    Text,
    between,
)
from .loading import RequestSchema

_GRAMMAR_FIELDS = ("grammar", "json_schema", "response_format")


@dataclass(frozen=True)
class AnswerRequest:
    """Who shall answer, what the answers shall be like and how they are sent.

    ``sampling`` holds what the request itself says, by the names of `Sampling`. ``grammar`` is
    what the answers must keep to, and ``grammar_field`` the field that asks for it.
    """

    model: str
    n: int
    max_tokens: int | None
    stop: tuple[str, ...]
    sampling: Mapping[str, Any]
    top_logprobs: int | None
    best_of: int
    grammar: str | None
    grammar_field: str
    stream: bool
    include_usage: bool

    def options(self, defaults: ModelSettings) -> AnswerOptions:
        """What the answers shall be like, with the model's settings for what was left out."""
        return AnswerOptions(
            n=self.n,
            max_tokens=self.max_tokens,
            stop=self.stop,
            top_logprobs=self.top_logprobs,
            grammar=self.grammar,
            sampling=replace(defaults.sampling, **self._sampling()),
        )

    def _sampling(self) -> Mapping[str, Any]:
        # The quotes and names of JSON must come again and again.
        unasked = {"repeat_penalty": 1.0} if self.grammar is not None else {}
        return {**unasked, **self.sampling}


class StreamOptionsSchema(RequestSchema):
    """OpenAI's ``stream_options``."""

    include_usage = Boolean(load_default=False)
    include_obfuscation = Ignored()


class AnswerSchema(RequestSchema):
    """The fields that completions and chat completions share. ``max_n`` bounds ``n``."""

    model = Text(required=True)
    max_tokens = Integer(validate=between(1))
    temperature = Number(validate=between(0, 2))
    top_p = Number(validate=between(0, 1))
    top_k = Integer(validate=between(-1))
    min_p = Number(validate=between(0, 1))
    repeat_penalty = Number(validate=between(0.01, 10))
    seed = Integer(validate=between(-(2**63), 2**63 - 1))
    stop = StopStrings(load_default=())
    n = Integer(load_default=1, validate=between(1))
    stream = Boolean(load_default=False)
    stream_options = fields.Nested(StreamOptionsSchema)
    user = Text()

    frequency_penalty = Number(validate=between(-2, 2))
    presence_penalty = Number(validate=between(-2, 2))
    logit_bias = LogitBias()

    # llama.cpp's
    grammar = Gbnf()
    json_schema = JsonSchema()

    def __init__(self, max_n: int) -> None:
        super().__init__()
        self._max_n = max_n

    @validates_schema
    def _check_n(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["n"] > self._max_n:
            raise ValidationError(f"must be at most {self._max_n}, not {data['n']}.", "n")

    @validates_schema
    def _check_grammars(self, data: dict[str, Any], **kwargs: Any) -> None:
        given = [field for field in _GRAMMAR_FIELDS if data.get(field) is not None]
        if len(given) > 1:
            raise ValidationError(f"cannot be used together with {given[1]}.", given[0])

    @validates_schema
    def _check_stream_options(self, data: dict[str, Any], **kwargs: Any) -> None:
        if "stream_options" in data and not data["stream"]:
            raise ValidationError("is only allowed when stream is true.", "stream_options")


def asked_grammar(data: dict[str, Any]) -> tuple[str, str | None]:
    """The field of a loaded request that asks for a grammar, and the grammar.

    Raises `ValidationError`.
    """
    field = next((field for field in _GRAMMAR_FIELDS if data.get(field) is not None), None)
    if field is None:
        return "", None
    if field == "grammar":
        return field, data[field]
    try:
        return field, json_grammar(data[field])
    except GrammarError as error:
        raise ValidationError(str(error), field) from error


def answer_fields(
    data: dict[str, Any], max_tokens: int | None, grammar: tuple[str, str | None]
) -> dict[str, Any]:
    """The fields of `AnswerRequest`, from a loaded request."""
    return {
        "model": data["model"],
        "n": data["n"],
        "max_tokens": max_tokens,
        "stop": data["stop"],
        "sampling": {k: data[k] for k in Sampling.__dataclass_fields__ if k in data},
        "top_logprobs": data["top_logprobs"],
        "best_of": data.get("best_of", data["n"]),
        "grammar_field": grammar[0],
        "grammar": grammar[1],
        "stream": data["stream"],
        "include_usage": data.get("stream_options", {}).get("include_usage", False),
    }
