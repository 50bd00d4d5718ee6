"""What the requests of all endpoints have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from ..jobs import WITHOUT_END, Grammar, Job, JsonText, Options, Sampling
from ..models.library import ModelSettings
from .fields import (
    Boolean,
    Integer,
    LogitBias,
    Number,
    SamplingSchema,
    StopStrings,
    Text,
    TokenLimit,
    Unsupported,
    between,
)
from .grammar_fields import ChoiceAnswer, GbnfAnswer, JsonSchema, JsonSchemaAnswer, RegexAnswer
from .loading import JsonObject, RequestSchema

# In which chats and completions, and in which responses say that answers shall be JSON.
FORMAT_FIELDS = ("response_format", "text")
_GRAMMAR_FIELDS = ("grammar", "json_schema", "guided_regex", "guided_choice", *FORMAT_FIELDS)
_FORMATS = ("text", "json_object", "json_schema")


@dataclass(frozen=True)
class Request:
    """Which model answers what, and how the answers are sent.

    An empty ``model`` means the default one. ``sampling`` has only what the request sets, under the
    names of `Sampling`. Errors in the prompt name the field ``prompt_field``, and errors in the
    grammar ``grammar_field``. With ``legacy_call``, calls are shown in OpenAI's old form.
    """

    model: str
    job: Job
    prompt_field: str
    grammar_field: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    include_usage: bool = False
    legacy_call: bool = False

    def job_for(self, settings: ModelSettings, defaults: Mapping[str, Any]) -> Job:
        """The job. What the request leaves out comes from the model's settings.

        What these leave out too comes from the ``defaults`` of its file.
        """
        sampling = Sampling(**{**defaults, **settings.sampling, **self._sampling()})
        options = replace(self.job.options, sampling=sampling)
        if self.job.conversation is not None and options.max_tokens is None:
            options = replace(options, max_tokens=settings.max_length)
        return replace(self.job, options=options)

    def _sampling(self) -> Mapping[str, Any]:
        # JSON has to repeat its quotes and names.
        unasked = {"repeat_penalty": 1.0} if self.job.options.grammar is not None else {}
        return {**unasked, **self.sampling}


class StreamOptionsSchema(JsonObject):
    """OpenAI's ``stream_options``."""

    include_usage = Boolean(load_default=False)


class JsonSchemaSchema(JsonObject):
    """The ``json_schema`` of a ``response_format``. It is always strict."""

    schema = JsonSchema(required=True)


class ResponseFormatSchema(JsonObject):
    """OpenAI's ``response_format``; becomes a `JsonText`, or None for text."""

    type = Text(
        load_default="text", validate=validate.OneOf(_FORMATS, error="must be one of {choices}.")
    )
    json_schema = fields.Nested(JsonSchemaSchema)
    schema = JsonSchema()  # where llama.cpp and OpenAI's responses expect it

    _missing = "json_schema"

    @validates_schema
    def _check_schema(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["type"] == "json_schema" and not {"json_schema", "schema"} & data.keys():
            raise ValidationError("is required.", self._missing)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> JsonText | None:
        if data["type"] == "text":
            return None
        return JsonText((data.get("json_schema") or data).get("schema", {"type": "object"}))


class OthersSchema(RequestSchema):
    """Fields of other servers that would change the answer and are not supported here."""

    adapter = Unsupported()
    allowed_token_ids = Unsupported()
    bad_words = Unsupported()
    banned_strings = Unsupported()
    banned_tokens = Unsupported()
    chat_template = Unsupported()
    context = Unsupported()
    custom_token_bans = Unsupported()
    documents = Unsupported()
    enable_search = Unsupported()
    images = Unsupported()
    include_stop_str_in_output = Unsupported()
    input_ids = Unsupported()
    lora = Unsupported()
    memory = Unsupported()
    prompt_embeds = Unsupported()
    raw = Unsupported()
    stop_token_ids = Unsupported()
    system = Unsupported()
    template = Unsupported()
    truncate_prompt_tokens = Unsupported(-1)
    use_beam_search = Unsupported()


class GenerationSchema(SamplingSchema, OthersSchema):
    """The fields that all endpoints share. ``max_n`` bounds ``n``."""

    model = Text(load_default="")
    max_tokens = TokenLimit()
    min_tokens = Integer(load_default=0, validate=between(0))
    ignore_eos = Boolean(load_default=False)
    repeat_last_n = Integer(validate=between(-1, WITHOUT_END))
    seed = Integer(validate=between(-(2**63), 2**63 - 1))
    stop = StopStrings(load_default=())
    n = Integer(load_default=1, validate=between(1))
    stream = Boolean(load_default=False)
    stream_options = fields.Nested(StreamOptionsSchema)
    user = Text()

    frequency_penalty = Number(validate=between(-2, 2))
    presence_penalty = Number(validate=between(-2, 2))
    logit_bias = LogitBias()
    response_format = fields.Nested(ResponseFormatSchema)

    # llama.cpp's
    grammar = GbnfAnswer()
    json_schema = JsonSchemaAnswer()

    # vLLM's
    guided_regex = RegexAnswer()
    guided_choice = ChoiceAnswer()

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


def asked_grammar(data: dict[str, Any]) -> tuple[str, Grammar | None]:
    """The field of a loaded request that sets a grammar, and the grammar."""
    field = next((field for field in _GRAMMAR_FIELDS if data.get(field) is not None), "")
    return field, data.get(field)


def request_of(
    data: dict[str, Any],
    job: Job,
    prompt_field: str,
    max_tokens: int | None,
    grammar: tuple[str, Grammar | None],
    *,
    legacy_call: bool = False,
) -> Request:
    """A `Request` for ``job``, from the loaded ``data``. -1 as ``max_tokens`` sets no limit."""
    if data.get("repeat_last_n") == -1:
        data["repeat_last_n"] = WITHOUT_END
    options = Options(
        n=data["n"],
        best_of=data.get("best_of", data["n"]),
        max_tokens=None if max_tokens == -1 else max_tokens,
        min_tokens=WITHOUT_END if data["ignore_eos"] else data["min_tokens"],
        stop=data["stop"],
        top_logprobs=data["top_logprobs"],
        echo=data.get("echo", False),
        grammar=grammar[1],
    )
    return Request(
        model=data["model"],
        job=replace(job, options=options),
        prompt_field=prompt_field,
        grammar_field=grammar[0],
        sampling={k: data[k] for k in Sampling.__dataclass_fields__ if k in data},
        stream=data["stream"],
        include_usage=data.get("stream_options", {}).get("include_usage", False),
        legacy_call=legacy_call,
    )
