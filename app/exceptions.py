"""What can go wrong with a model and its work.

InferenceError
├── ModelError             a file that cannot be used
│   └── ModelRefused       by its engine
├── NoModel                no usable model is installed
├── CacheError             what a model needs cannot be written
├── EngineError            a loaded model failed
│   ├── ModelCrashed       its process died
│   └── ModelStalled       its process gave no sign of life
├── PromptError            a prompt that this model cannot take
│   └── ContextLengthExceeded
├── GrammarError           a grammar that cannot be enforced
├── Cancelled              nobody is waiting for the answer any more
├── ServerStopping         the server ends before the answer
├── UpstreamError          a server elsewhere, whose model was asked for
│   ├── UpstreamUnreachable    gave no answer
│   ├── UpstreamFailed         gave half an answer, or none that can be read
│   └── UpstreamRefused        answered with an error
├── RequestTimeout         the answer took too long
├── QueueTimeout           its turn did not come in time
└── QueueFull              too many are already waiting

They cross the pipe between the server and the model process. So each has only one argument, its
text; those of upstreams stay in the server.
"""


class InferenceError(Exception):
    """The base of them all. ``str(error)`` is a sentence for the user."""


class ModelError(InferenceError):
    """A model file cannot be used. The text says why."""


class ModelRefused(ModelError):
    """The engine refused what was prepared for it. The text says why."""


class NoModel(InferenceError):
    """There is no usable model. The text says what to do."""


class CacheError(InferenceError):
    """The cache cannot be written, such as a full or read-only disk. The text names its folder."""


class EngineError(InferenceError):
    """A loaded model failed. The text says why."""


class ModelCrashed(EngineError):
    """The model's process died. The text says how."""


class ModelStalled(EngineError):
    """The model's process gave no sign of life for too long and was ended."""


class PromptError(InferenceError):
    """The prompt or the messages cannot be given to this model. The text says why."""


class ContextLengthExceeded(PromptError):
    """The prompt leaves no room for an answer in the context."""

    @classmethod
    def of(cls, prompt_tokens: int | str, context_length: int) -> "ContextLengthExceeded":
        """The error for a prompt with that many tokens."""
        return cls(
            f"The context length is {context_length} tokens, answer included, but the prompt "
            f"alone has {prompt_tokens}. Shorten the prompt, or start the server with a "
            "larger GPT4ALL_CONTEXT_LENGTH if the model allows it."
        )


class GrammarError(InferenceError):
    """The grammar cannot be enforced. The text says why."""


class Cancelled(InferenceError):
    """The client has left, and the work stops without an answer."""


class ServerStopping(InferenceError):
    """The server stops before the request is answered."""


class UpstreamError(InferenceError):
    """An upstream did not answer a request. The text is what it said, or what happened."""


class UpstreamUnreachable(UpstreamError):
    """There was no answer at all."""


class UpstreamFailed(UpstreamError):
    """The answer broke off, or it cannot be understood."""


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error; these are its HTTP status and the rest of it."""

    def __init__(
        self,
        text: str,
        status: int,
        param: str | None = None,
        code: str | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.param = param
        self.code = code
        self.retry_after = retry_after


class RequestTimeout(InferenceError):
    """The answer was not complete in time. The text names the limit."""


class QueueTimeout(InferenceError):
    """The model was not free in time. The text names the limit."""


class QueueFull(InferenceError):
    """Too many requests are already waiting, so another one is refused."""
