"""What is asked of a model: jobs, which go to the model process as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. The defaults are GPT4All's model settings.

    ``temperature`` 0 takes the most likely token; ``top_k`` 0, ``top_p`` 1, ``min_p`` 0
    and ``repeat_penalty`` 1 switch their filter off. ``repeat_last_n`` counts generated
    tokens: a penalty that covers the prompt forbids quoting it. From the logit of each token,
    ``frequency_penalty`` is subtracted as often as the answer has it already, and
    ``presence_penalty`` once if it has; ``logit_bias`` holds ids with what is added to their
    logits. ``seed`` None draws one.
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
        """Whether the same request must give the same answer."""
        return self.seed is not None or self.temperature == 0


@dataclass(frozen=True)
class JsonText:
    """Holds answers to JSON that fits a JSON Schema."""

    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Gbnf:
    """Holds answers to a grammar in llama.cpp's notation."""

    text: str


@dataclass(frozen=True)
class Pattern:
    """Holds answers to a regular expression (of Rust's crate `regex`) that fits all of the text."""

    expression: str


@dataclass(frozen=True)
class Function:
    """A function that the model may call.

    ``parameters`` is the JSON Schema of its arguments, an object. Calls keep to all of a ``strict``
    schema, and otherwise to as much of it as they can be held to.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False

    @property
    def signature(self) -> dict[str, Any]:
        """OpenAI's object, as chat templates expect it."""
        described = {"description": self.description} if self.description else {}
        function = {"name": self.name, **described, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True)
class Calling:
    """The functions of a request; holds answers to text or calls.

    ``required`` says that at least one must be called, ``parallel`` that there may be several
    calls. Without a call, the answer must keep to the JSON Schema ``otherwise``, if there is one.
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
    """What each answer shall be like.

    ``n`` answers to each prompt, chosen from ``best_of``, each of at most ``max_tokens`` tokens
    (None: up to the end of the context) and ending before the first of the ``stop`` strings.
    ``top_logprobs`` asks for each token's log-probability, with those of so many most likely ones
    (None: not at all). Before ``min_tokens`` tokens no answer ends by itself, unless its
    ``grammar`` ends it. With ``echo`` each answer begins with its prompt.
    """

    n: int = 1
    best_of: int = 1
    max_tokens: int | None = None
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    echo: bool = False
    grammar: Grammar | None = None
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Conversation:
    """Messages to answer: OpenAI's, in the form that chat templates expect.

    ``content`` is a string; the arguments of ``tool_calls`` are values, not JSON.
    ``template_variables`` are for the chat template. Each of ``contexts`` can be put in front of
    the user's last message; the first one goes that leaves room for an answer.
    """

    messages: Sequence[Mapping[str, Any]]
    calling: Calling | None = None
    template_variables: Mapping[str, Any] = field(default_factory=dict)
    contexts: Sequence[str] = ()


@dataclass(frozen=True)
class Job:
    """What one request asks of the model: prompts to continue, or a conversation to answer.

    Each prompt is a text or a list of token ids. They are in ``prompts`` unless there is a
    ``conversation``.
    """

    prompts: Sequence[str | list[int]] = ()
    conversation: Conversation | None = None
    options: Options = field(default_factory=Options)

    @property
    def answers(self) -> int:
        """How many answers there will be."""
        return self.options.n * (1 if self.conversation else len(self.prompts))
