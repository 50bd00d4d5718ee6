"""From a job to the request that asks an upstream."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import GrammarError
from ..jobs import WITHOUT_END, Calling, Conversation, Gbnf, Grammar, Job, JsonText, Pattern
from .models import UpstreamModel

# Of UTF-8 for each token. Most vocabularies have more, for English as for Chinese.
_BYTES_OF_TOKEN = 2.5

# The owners of models on servers that know vLLM's field: this server and vLLM.
_WITH_STRUCTURED_OUTPUTS = ("humanity", "vllm")


def fitting(job: Job, context_length: int) -> int | None:
    """The index of the job's first context that seems to leave room for an answer, or None."""
    conversation = job.conversation
    if conversation is None:
        return None
    said = _tokens(json.dumps([_messages(conversation, ""), _tools(conversation.calling)]))
    room = job.options.room_in(context_length)
    for place, context in enumerate(conversation.contexts):
        if said + _tokens(context) + room <= context_length:
            return place
    return None


def question(
    model: UpstreamModel, job: Job, sampling: Mapping[str, Any], context: int | None
) -> tuple[str, dict[str, Any]]:
    """The path below ``/v1`` and the body. ``context`` is the index of what goes in front.

    ``sampling`` has what the request sets. Fields that OpenAI's API does not have are in the body
    only if the request asks for what they do. Raises `GrammarError` if that server cannot hold an
    answer to the job's grammar.
    """
    options, conversation = job.options, job.conversation
    # With 0, llama.cpp does not even tell that of the chosen token.
    top = None if options.top_logprobs is None else max(1, options.top_logprobs)
    body = {
        "model": model.name,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(sampling),
        **_structure(options.grammar, model.owner),
        "n": options.n if options.n > 1 else None,
        "max_tokens": options.max_tokens,
        "min_tokens": options.min_tokens if 0 < options.min_tokens < WITHOUT_END else None,
        "ignore_eos": options.min_tokens == WITHOUT_END or None,
        "stop": list(options.stop) or None,
    }
    if conversation is None:
        path = "/completions"
        body |= {
            "prompt": job.prompts[0] if len(job.prompts) == 1 else list(job.prompts),
            "best_of": options.best_of if options.best_of > options.n else None,
            "echo": options.echo or None,
            "logprobs": top,
        }
    else:
        path = "/chat/completions"
        variables = dict(conversation.template_variables)
        text = "" if context is None else conversation.contexts[context]
        body |= {
            "messages": _messages(conversation, text),
            "logprobs": True if top else None,
            "top_logprobs": top,
            "reasoning_effort": variables.pop("reasoning_effort", None),
            "chat_template_kwargs": variables or None,
        }
    return path, {name: value for name, value in body.items() if value is not None}


def _messages(conversation: Conversation, context: str) -> list[dict[str, Any]]:
    """OpenAI's messages, in which the arguments of calls are JSON."""
    return [
        {**message, "tool_calls": [_call(call) for call in message["tool_calls"]]}
        if "tool_calls" in message
        else dict(message)
        for message in conversation.with_context(context)
    ]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call["function"])
    if not isinstance(function["arguments"], str):
        function["arguments"] = json.dumps(function["arguments"])
    return {**call, "function": function}


def _sampling(sampling: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(sampling)
    if "logit_bias" in fields:
        fields["logit_bias"] = {str(token): bias for token, bias in fields["logit_bias"]}
    if "repeat_penalty" in fields:
        # llama.cpp's name, and that of the others.
        fields["repetition_penalty"] = fields["repeat_penalty"]
    return fields


def _structure(grammar: Grammar | None, owner: str) -> dict[str, Any]:
    """What holds the answer to a grammar."""
    match grammar:
        case None:
            return {}
        case Calling():
            choice = "required" if grammar.required else "auto"
            calling = {"tools": _tools(grammar), "tool_choice": choice}
            schema = grammar.otherwise
            return {
                **calling,
                "parallel_tool_calls": grammar.parallel,
                **(_structure(JsonText(schema), owner) if schema is not None else {}),
            }
        case JsonText(schema):
            named = {"name": "answer", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case Gbnf(text) if owner == "llamacpp":
            return {"grammar": text}
        case Gbnf(text) if owner in _WITH_STRUCTURED_OUTPUTS:
            return {"structured_outputs": {"grammar": text}}
        case Pattern(expression) if owner in _WITH_STRUCTURED_OUTPUTS:
            return {"structured_outputs": {"regex": expression}}
    raise GrammarError("the server of this model can only be asked for a JSON Schema.")


def _tools(calling: Calling | None) -> Sequence[dict[str, Any]]:
    return [function.signature for function in calling.functions] if calling else []


def _tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few."""
    return int(len(text.encode()) / _BYTES_OF_TOKEN)
