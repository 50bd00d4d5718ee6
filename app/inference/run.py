"""From a job to the pieces of its answers."""

from collections.abc import Callable, Iterator

from ..exceptions import ContextLengthExceeded
from ..jobs import Conversation, Job, Options
from ..pieces import Begun, Delta
from .generation import Generation
from .model import Model
from .session import common_length


def run(model: Model, job: Job, check: Callable[[], None]) -> Iterator[Begun | Delta]:
    """The job's beginning, then the deltas of all prompts' answers, which are numbered through.

    ``check`` is called before everything that takes time and may raise to stop. Raises
    `PromptError` and `GrammarError` before the beginning, for a job that this model cannot do.
    """
    options, lasting = job.options, None
    grammar = model.grammar_source(options.grammar, check) if options.grammar else None
    if job.conversation is not None:
        prompt, context = _chat_prompt(model, job.conversation, options)
        prompts = [prompt]
        if context is not None:
            # The client does not send the context back: the next turn has it no more.
            lasting = common_length(prompt, _prompt_with(model, job.conversation, ""))
    else:
        prompts, context = [_prompt(model, prompt) for prompt in job.prompts], None
    yield Begun(context)
    for place, prompt in enumerate(prompts):
        echo = _text(model, job.prompts[place]) if options.echo else None
        if place == 0:
            # Further prompts of the same request shall not take more than one conversation's place.
            model.sessions.choose([] if _begins_empty(options) else prompt, lasting)
        yield from Generation(model, prompt, options, check, grammar, place * options.n, echo)


def _begins_empty(options: Options) -> bool:
    """Whether even the prompt's first token is evaluated again, for its log-probability."""
    return options.echo and options.top_logprobs is not None


def _prompt(model: Model, prompt: str | list[int]) -> list[int]:
    return model.text_prompt(prompt) if isinstance(prompt, str) else model.token_prompt(prompt)


def _text(model: Model, prompt: str | list[int]) -> str:
    return prompt if isinstance(prompt, str) else model.tokenizer.text(prompt)


def _chat_prompt(
    model: Model, conversation: Conversation, options: Options
) -> tuple[list[int], int | None]:
    """The prompt with the first context that leaves room for an answer, and which one that is."""
    context_length = model.session.context_length
    room = options.room_in(context_length)
    for place in range(len(conversation.contexts)):
        try:
            prompt = _prompt_with(model, conversation, conversation.contexts[place])
        except ContextLengthExceeded:
            continue
        if len(prompt) + room <= context_length:
            return prompt, place
    return _prompt_with(model, conversation, ""), None


def _prompt_with(model: Model, conversation: Conversation, context: str) -> list[int]:
    messages, variables = conversation.with_context(context), conversation.template_variables
    return model.chat_prompt(messages, conversation.calling, variables)
