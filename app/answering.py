"""From a valid request to its response: the straight line that all endpoints share."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from flask import Response, jsonify, request

from .errors import InvalidRequest
from .exceptions import ContextLengthExceeded, GrammarError, PromptError
from .exchange import Exchange, exchange
from .jobs import Job
from .model_process import Check
from .models.library import ModelFile
from .pieces import Begun, Delta
from .presenters import Presenter, Shown
from .presenters.event_stream import event_stream
from .schemas import Request
from .service import service
from .upstreams.models import UpstreamModel

if TYPE_CHECKING:
    from localdocs.collections import Source

# Unless their number is set, there is a source for so many tokens of the context that was chosen,
# but not fewer than the least, nor more than the most.
_CONTEXT_FOR_SOURCE, _LEAST_SOURCES, _MOST_SOURCES = 680, 3, 8


def respond(asked: Request, presenter_type: Callable[..., Presenter]) -> Response:
    """Waits for the model and answers ``asked``, at once or as a stream.

    Raises what the worker, the model and its prompts raise; after the start of a stream,
    errors are part of it.
    """
    record = exchange()
    entry = service().server_chat.entry(record, asked.job)
    with ExitStack() as turn:
        turn.enter_context(record.noted())
        model = service().model_for(asked.model)
        record.model, record.engine = model.name, service().engine_of(model)
        found = _sources(asked, model)
        job = _with_contexts(_job(asked, model), found)
        only = service().settings.localdocs_only and job.conversation is not None
        begun, deltas = Begun(), _refusal(job)
        if found or not only:
            begun, deltas = _begin(asked, model, job, turn, record)
        used = [] if begun.context is None else found[: len(found) - begun.context]
        if only and not used:
            begun, deltas = Begun(), _refusal(job)
        record.sources = len(used)
        shown = Shown(job.options.top_logprobs is not None, asked.include_usage, asked.legacy_call)
        references = _references(used)
        presenter = presenter_type(model.name, shown, references, begun.id)
        deltas = entry.passing(record.passing(deltas), references)
        if not asked.stream:
            return jsonify(presenter.whole(deltas))
        return _stream(event_stream(presenter, deltas, job.answers), turn.pop_all())


def _job(asked: Request, model: ModelFile | UpstreamModel) -> Job:
    """What the model shall do. Raises `InvalidRequest` for a token that it does not have."""
    if isinstance(model, UpstreamModel):
        return asked.job  # its server has defaults of its own
    facts = service().cache.judge(model.path).facts
    job = asked.job_for(model.settings, facts.sampling)
    if job.conversation is not None and service().settings.reasoning == "separate":
        job = replace(job, options=replace(job.options, splits_thoughts=True))
    size = facts.vocabulary.size
    for token, _ in job.options.sampling.logit_bias:
        if token >= size:
            raise InvalidRequest(
                f"logit_bias: {token} is not a token of this model. Its ids are 0 to {size - 1}.",
                "logit_bias",
            )
    return job


def _sources(asked: Request, model: ModelFile | UpstreamModel) -> "list[Source]":
    """What the user's documents say about a chat's last question, best first."""
    settings, collections = service().settings, service().collections
    conversation, limit = asked.job.conversation, settings.localdocs_sources
    if conversation is None or limit == 0 or not any(c.active for c in collections.all()):
        return []
    # Not at the top: it takes half a second to load, and is for those who have collections.
    from localdocs.prompt import sources

    size = settings.localdocs.snippet_size
    if limit is not None:
        return sources(collections, conversation.messages, limit, size)
    if isinstance(model, UpstreamModel):
        context_length = model.context_length
    else:
        # A context that nobody chose shall not make answers slow.
        context_length = model.settings.context_length or settings.context_length or 0
    fitting = max(_LEAST_SOURCES, context_length // _CONTEXT_FOR_SOURCE)
    return sources(collections, conversation.messages, _MOST_SOURCES, size)[:fitting]


def _with_contexts(job: Job, found: "list[Source]") -> Job:
    """The job with what may be put in front of the question: all that is found, or less of it."""
    if job.conversation is None or not found:
        return job
    from localdocs.prompt import context

    contexts = tuple(context(found[:count]) for count in range(len(found), 0, -1))
    return replace(job, conversation=replace(job.conversation, contexts=contexts))


def _references(used: "list[Source]") -> list[dict[str, object]]:
    if not used:
        return []
    from localdocs.prompt import located_reference

    return [located_reference(source) for source in used]


def _refusal(job: Job) -> Iterator[Delta]:
    """Says that no source has the answer, without a model."""
    text = service().settings.localdocs_only_text
    return (Delta(index, (text,), finish_reason="stop") for index in range(job.answers))


def _begin(
    asked: Request,
    model: ModelFile | UpstreamModel,
    job: Job,
    turn: ExitStack,
    record: Exchange,
) -> tuple[Begun, Iterator[Delta]]:
    """Waits for the model, which ``turn`` gives back, and begins the job. Upstreams do not wait.

    Returns how it begins, and its deltas. Raises `InvalidRequest` for what the model cannot do.
    """
    patience = service().patience(record, request.environ)
    run: Callable[[Job, Check], tuple[Begun, Generator[Delta]]]
    if isinstance(model, UpstreamModel):
        service().stopping.check()  # as `while_waiting` does
        run = partial(service().upstreams.run, model, asked.sampling)
    else:
        run = turn.enter_context(service().worker.model(model, patience.while_waiting)).run
    record.has_the_model()
    try:
        begun, deltas = run(job, patience.while_working)
    except PromptError as error:
        code = "context_length_exceeded" if isinstance(error, ContextLengthExceeded) else None
        raise InvalidRequest(str(error), asked.prompt_field, code) from error
    except GrammarError as error:
        field = asked.grammar_field
        raise InvalidRequest(f"{field}: cannot be used: {error}", field) from error
    except RecursionError as error:
        field = asked.grammar_field or asked.prompt_field
        raise InvalidRequest(f"{field}: it is nested too deeply.", field) from error
    turn.enter_context(closing(deltas))
    return begun, deltas


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
