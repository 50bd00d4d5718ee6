"""What can go wrong with a model and its work.

InferenceError
├── ModelError             a file that cannot be used
├── NoModel                nothing installed that could answer
├── EngineError            a loaded model failed
├── PromptError            a prompt that this model cannot take
│   └── ContextLengthExceeded
├── GrammarError           a grammar that an answer cannot be held to
└── Cancelled              nobody waits for the answer any more
"""


class InferenceError(Exception):
    """The base of all errors of this package. ``str(error)`` is a sentence for the user."""


class ModelError(InferenceError):
    """A model file cannot be used. The text says why."""


class NoModel(InferenceError):
    """There is no model that could answer. The text says what to do."""


class EngineError(InferenceError):
    """A loaded model failed. The text says why."""


class PromptError(InferenceError):
    """The prompt or the messages cannot be given to this model. The text says why."""


class ContextLengthExceeded(PromptError):
    """The prompt leaves no room for an answer in the context."""

    def __init__(self, prompt_tokens: int | str, context_length: int) -> None:
        super().__init__(
            f"The context length is {context_length} tokens, answer included, but the prompt "
            f"alone has {prompt_tokens}. Shorten the prompt, or start the server with a "
            "larger GPT4ALL_CONTEXT_LENGTH if the model allows it."
        )


class GrammarError(InferenceError):
    """An answer cannot be held to this grammar. The text says why."""


class Cancelled(InferenceError):
    """The one who asked has left; the work stops without an answer."""
