"""Jobs: what the server asks of a model. They go to the model process as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WITHOUT_END = 2**31 - 1  # tokens; longer than any context
# A context leaves an answer at least one of so many parts of the model's.
_PARTS_OF_CONTEXT = 4


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. The defaults are GPT4All's model settings.

    ``temperature`` 0 takes the most likely token. ``top_k`` 0, ``top_p`` 1, ``min_p`` 0 and
    ``repeat_penalty`` 1 switch their filter off. ``repeat_last_n`` counts only generated tokens,
    because a penalty on the prompt's tokens would keep answers from quoting it.
    ``frequency_penalty`` is subtracted from a token's logit for each time that the answer already
    has the token, and ``presence_penalty`` once if it has it at all. ``logit_bias`` is pairs of a
    token id and what is added to its logit. If ``seed`` is None, one is drawn.
    """

    temperature: float = 0.7
    top_p: float = 0.4
    top_k: int = 40
    min_p: float = 0.0
    repeat_penalty: float = 1.18
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None

    @property
    def repeatable(self) -> bool:
        """Whether the same request must get the same answer."""
        return self.seed is not None or self.temperature == 0


@dataclass(frozen=True)
class JsonText:
    """Answers are JSON that conforms to a JSON Schema."""

    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Gbnf:
    """Answers conform to a grammar in llama.cpp's notation."""

    text: str


@dataclass(frozen=True)
class Pattern:
    """A regular expression (of Rust's crate `regex`) matches all of an answer's text."""

    expression: str


@dataclass(frozen=True)
class Function:
    """A function that the model may call.

    ``parameters`` is the JSON Schema of its arguments, an object. If the function is ``strict``,
    calls conform to all of the schema, and otherwise to as much of it as can be enforced.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False

    @property
    def signature(self) -> dict[str, Any]:
        """OpenAI's object for the function, as chat templates expect it."""
        described = {"description": self.description} if self.description else {}
        function = {"name": self.name, **described, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True)
class Calling:
    """The functions of a request. Answers are text or calls.

    If ``required``, the answer must call a function. If ``parallel``, it may have several calls. An
    answer without a call must conform to the JSON Schema ``otherwise``, if there is one.
    """

    functions: Sequence[Function]
    required: bool = False
    parallel: bool = False
    otherwise: Mapping[str, Any] | None = None

    @property
    def may_say_text(self) -> bool:
        """Whether an answer may be text, or begin with it, instead of a call."""
        return not self.required and self.otherwise is None


Grammar = JsonText | Gbnf | Pattern | Calling


@dataclass(frozen=True)
class Options:
    """What the answers should be like.

    Each prompt gets ``n`` answers, chosen from ``best_of``. An answer has at most ``max_tokens``
    tokens (None: up to the end of the context), and ends before the first of the ``stop`` strings.
    It does not end by itself before it has ``min_tokens`` tokens, unless its ``grammar`` ends it.
    With ``splits_thoughts``, what the model thinks first comes in pieces of its own. With ``echo``,
    it begins with its prompt. If ``top_logprobs`` is not None, it comes with the
    log-probability of each token and of that many most likely ones.
    """

    n: int = 1
    best_of: int = 1
    max_tokens: int | None = None
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    echo: bool = False
    splits_thoughts: bool = False
    grammar: Grammar | None = None
    sampling: Sampling = field(default_factory=Sampling)

    def room_in(self, context_length: int) -> int:
        """How many tokens of a model's context must be left for an answer."""
        room = context_length // _PARTS_OF_CONTEXT
        return room if self.max_tokens is None else min(room, self.max_tokens)


@dataclass(frozen=True)
class Conversation:
    """Messages to answer: OpenAI's, in the form that chat templates expect.

    ``content`` is a string, and the arguments of ``tool_calls`` are values, not JSON.
    ``template_variables`` are for the chat template. The first of ``contexts`` that leaves room for
    an answer goes in front of the user's last message.
    """

    messages: Sequence[Mapping[str, Any]]
    calling: Calling | None = None
    template_variables: Mapping[str, Any] = field(default_factory=dict)
    contexts: Sequence[str] = ()

    def with_context(self, context: str) -> list[Mapping[str, Any]]:
        """The messages, with ``context`` in front of the user's last one."""
        messages = list(self.messages)
        if context:
            last = max(i for i, message in enumerate(messages) if message["role"] == "user")
            messages[last] = {**messages[last], "content": context + messages[last]["content"]}
        return messages


@dataclass(frozen=True)
class Job:
    """What one request asks of the model: prompts to continue, or a conversation to answer.

    Each prompt is a text or a list of token ids. ``prompts`` is empty if there is a
    ``conversation``.
    """

    prompts: Sequence[str | list[int]] = ()
    conversation: Conversation | None = None
    options: Options = field(default_factory=Options)

    @property
    def answers(self) -> int:
        """How many answers there will be."""
        return self.options.n * (1 if self.conversation else len(self.prompts))
