"""From a valid request to its response: the straight line that both endpoints share."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import repeat
from typing import Any

from flask import Response, jsonify, request

from localdocs.collections import Source
from localdocs.prompt import reference, sources, with_sources

from .errors import InvalidRequest
from .event_stream import event_stream
from .inference.errors import Cancelled, ContextLengthExceeded, GrammarError, PromptError
from .inference.generation import AnswerOptions, Delta, answers, best_answers
from .inference.library import ModelFile
from .inference.model import Model
from .replies import Reply, Shown
from .schemas import ChatRequest, CompletionRequest
from .service import service

# Sources leave an answer at least one of so many parts of the context.
_ROOM_FOR_ANSWER = 4
# Unless their number is set, there is a source for so many tokens of the context, but not fewer
# than the least, nor more than the most.
_CONTEXT_FOR_SOURCE, _LEAST_SOURCES, _MOST_SOURCES = 680, 3, 8

_GRAMMAR_SECONDS = 10


def respond(asked: CompletionRequest | ChatRequest, reply_type: type[Reply]) -> Response:
    """Waits for the model and answers ``asked``, at once or as a stream.

    Raises what the worker, the model and its prompts raise; after the start of a stream,
    errors are part of it.
    """
    check = _client_check()
    only = service().settings.localdocs_only and isinstance(asked, ChatRequest)
    file = service().model_for(asked.model)
    found = _sources(asked)
    with ExitStack() as turn:
        if only and not found:
            return _refusal(asked, reply_type, file)
        model = turn.enter_context(service().worker.model(file, check))
        options = _options(asked, model, check)
        prompts, used = _prompts(asked, model, found, options)
        if only and not used:
            return _refusal(asked, reply_type, file)
        shown = Shown(
            references=[reference(source) for source in used],
            logprobs=asked.top_logprobs is not None,
            legacy_call=isinstance(asked, ChatRequest) and asked.legacy_call,
        )
        reply = reply_type(model.file.name, sum(map(len, prompts)), shown)
        deltas = _deltas(model, prompts, asked, options, check)
        return _response(asked, reply, deltas, len(prompts) * options.n, turn)


def _refusal(
    asked: CompletionRequest | ChatRequest, reply_type: type[Reply], file: ModelFile
) -> Response:
    """Says that no source has the answer, without a model."""
    text = service().settings.localdocs_only_text
    count = asked.options(file.settings).n
    deltas = (Delta(index, (text,), finish_reason="stop") for index in range(count))
    return _response(asked, reply_type(file.name, 0, Shown()), deltas, count, ExitStack())


def _response(
    asked: CompletionRequest | ChatRequest,
    reply: Reply,
    deltas: Iterator[Delta],
    count: int,
    turn: ExitStack,
) -> Response:
    """The ``count`` answers, at once or as a stream, with whose end the turn ends."""
    if not asked.stream:
        return jsonify(reply.whole(deltas))
    return _stream(event_stream(reply.chunks(deltas, count, asked.include_usage)), turn.pop_all())


def _options(
    asked: CompletionRequest | ChatRequest, model: Model, check: Callable[[], None]
) -> AnswerOptions:
    """What the answers shall be like. Raises `InvalidRequest` for what this model cannot do."""
    options = asked.options(model.file.settings)
    if asked.grammar is not None:
        try:
            grammar = asked.grammar.source(_for_seconds(_GRAMMAR_SECONDS, check))
            model.constraint(grammar)  # compiled before a stream begins
        except GrammarError as error:
            field = asked.grammar_field
            raise InvalidRequest(f"{field}: cannot be used: {error}", field) from error
        options = replace(options, grammar=grammar)
    for token, _ in options.sampling.logit_bias:
        if token >= model.vocabulary.size:
            raise InvalidRequest(
                f"logit_bias: {token} is no token of this model, whose ids are 0 to "
                f"{model.vocabulary.size - 1}.",
                "logit_bias",
            )
    return options


def _for_seconds(limit: float, check: Callable[[], None]) -> Callable[[], None]:
    """``check``, which raises `GrammarError` too when ``limit`` seconds are over."""
    end = time.monotonic() + limit

    def limited() -> None:
        check()
        if time.monotonic() > end:
            raise GrammarError(f"it takes more than {limit} seconds to compile.")

    return limited


def _sources(asked: CompletionRequest | ChatRequest) -> list[Source]:
    """What the user's documents say about a chat's last question, best first."""
    settings = service().settings
    limit = _MOST_SOURCES if settings.localdocs_sources is None else settings.localdocs_sources
    if isinstance(asked, ChatRequest) and limit:
        size = settings.localdocs.snippet_size
        return sources(service().collections, asked.messages, limit, size)
    return []


def _prompts(
    asked: CompletionRequest | ChatRequest,
    model: Model,
    found: list[Source],
    options: AnswerOptions,
) -> tuple[list[list[int]], list[Source]]:
    """The token ids of each prompt, and which of the sources are in it.

    Raises `InvalidRequest` for a prompt that cannot be used.
    """
    try:
        if isinstance(asked, ChatRequest):
            prompt, used = _chat_prompt(asked, model, found, options)
            return [prompt], used
        return [
            model.text_prompt(prompt) if isinstance(prompt, str) else model.token_prompt(prompt)
            for prompt in asked.prompt
        ], []
    except PromptError as error:
        field = "messages" if isinstance(asked, ChatRequest) else "prompt"
        too_long = isinstance(error, ContextLengthExceeded)
        code = "context_length_exceeded" if too_long else None
        raise InvalidRequest(str(error), field, code) from error


def _chat_prompt(
    asked: ChatRequest, model: Model, found: list[Source], options: AnswerOptions
) -> tuple[list[int], list[Source]]:
    """The prompt with as many of the sources as leave room for an answer, and which they are."""

    def prompt_of(messages: Sequence[Mapping[str, Any]]) -> list[int]:
        return model.chat_prompt(messages, asked.tools, asked.template_variables)

    room = model.context_length // _ROOM_FOR_ANSWER
    if options.max_tokens is not None:
        room = min(room, options.max_tokens)
    most = len(found)
    if service().settings.localdocs_sources is None:
        most = min(most, max(_LEAST_SOURCES, model.context_length // _CONTEXT_FOR_SOURCE))
    for count in range(most, 0, -1):
        try:
            prompt = prompt_of(with_sources(asked.messages, found[:count]))
        except ContextLengthExceeded:
            continue
        if len(prompt) + room <= model.context_length:
            return prompt, found[:count]
    return prompt_of(asked.messages), []


def _echoes(asked: CompletionRequest | ChatRequest, model: Model) -> Iterator[str | None]:
    """What the answers to each prompt begin with: its text with ``echo``, else nothing."""
    if isinstance(asked, ChatRequest) or not asked.echo:
        return repeat(None)
    return (p if isinstance(p, str) else model.vocabulary.text(p) for p in asked.prompt)


def _stream(events: Iterator[str], turn: ExitStack) -> Response:
    """A response of ``events``, with whose end the turn ends."""

    def until_the_end() -> Iterator[str]:
        with turn:
            yield from events

    response = Response(
        until_the_end(), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"}
    )
    # A client may leave before the first event is asked for.
    response.call_on_close(turn.close)
    return response


def _deltas(
    model: Model,
    prompts: list[list[int]],
    asked: CompletionRequest | ChatRequest,
    options: AnswerOptions,
    check: Callable[[], None],
) -> Iterator[Delta]:
    """The deltas of all prompts' answers; the answers are numbered through."""
    for i, (prompt, echo) in enumerate(zip(prompts, _echoes(asked, model), strict=False)):
        if asked.best_of > options.n:
            yield from best_answers(
                model, prompt, options, check, i * options.n, echo, asked.best_of
            )
        else:
            yield from answers(model, prompt, options, check, i * options.n, echo)


def _client_check() -> Callable[[], None]:
    """A function that raises `Cancelled` once the client has left or the server stops.

    Waitress tells of the client, if it is started with ``--channel-request-lookahead``;
    other servers do not.
    """
    stopping = service().worker.stopping
    disconnected: Callable[[], bool] = request.environ.get(
        "waitress.client_disconnected", lambda: False
    )

    def check() -> None:
        if disconnected() or stopping.is_set():
            raise Cancelled("Nobody waits for the answer.")

    return check
