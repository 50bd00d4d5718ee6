"""Finds what a model thinks before it answers, in the text of an answer while it is generated."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..pieces import Piece, Thought
from .detokenizer import overlap
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from .constraint import Constraint


@dataclass(frozen=True)
class ThoughtForm:
    """The texts around a thought.

    If there is an ``answer``, it stands between a thought and its answer. If there is a ``direct``,
    it stands in front of an answer without a thought.
    """

    begin: str
    end: str
    answer: str = ""
    direct: str = ""

    @property
    def marks(self) -> str:
        """All of the texts."""
        return self.begin + self.end + self.answer + self.direct


# DeepSeek R1, Qwen 3, SmolLM3 and many others; Magistral; gpt-oss.
_FORMS = (
    ThoughtForm("<think>", "</think>"),
    ThoughtForm("[THINK]", "[/THINK]"),
    ThoughtForm(
        "<|channel|>analysis<|message|>",
        "<|end|>",
        "<|start|>assistant<|channel|>final<|message|>",
        "<|channel|>final<|message|>",
    ),
)


def form_of(template: str) -> ThoughtForm | None:
    """How a model with that chat template thinks. None if it does not."""
    # DeepSeek R1's template only knows the end of earlier thoughts.
    for form in _FORMS:
        if form.begin in template or (form.end in template and not form.answer):
            return form
    return None


class State(Enum):
    """Where in an answer the text has come to."""

    START = auto()  # either may come
    THOUGHT = auto()
    BETWEEN = auto()  # the thought has ended
    ANSWER = auto()


class ThoughtFinder:
    """Takes the text of an answer piece by piece, and separates a thought at its beginning.

    ``prompt_end`` is the end of the prompt, which may have begun the thought, or have ended it.
    Without a ``form``, everything is the answer. White space around the thought is dropped.
    """

    def __init__(self, form: ThoughtForm | None, prompt_end: str = "") -> None:
        self.state = State.START if form is not None else State.ANSWER
        self.form = form or ThoughtForm("", "")
        self._held = ""
        self._begun = False  # some of the thought was shown
        if form is not None and prompt_end.rstrip().endswith(form.end):
            self.state = State.ANSWER
        elif form is not None and prompt_end.rstrip().endswith(form.begin):
            self.state = State.THOUGHT

    def feed(self, text: str) -> list[Piece]:
        """Takes ``text``, and returns what can be shown now."""
        self._held += text
        pieces: list[Piece] = []
        if self.state is State.START:
            self._start()
        if self.state is State.THOUGHT:
            pieces += self._thought()
        if self.state is State.BETWEEN:
            self._between()
        if self.state is State.ANSWER and self._held:
            pieces.append(self._held)
            self._held = ""
        return pieces

    def finish(self) -> list[Piece]:
        """What is left at the end, such as text that only looked like the beginning of a mark."""
        text, self._held = self._held, ""
        match self.state:
            case State.THOUGHT:
                return self._shown(text.rstrip())
            case State.BETWEEN:
                return []
        return [text] if text else []

    @property
    def marks(self) -> str:
        """Texts in which control tokens count as their text."""
        return "" if self.state is State.ANSWER else self.form.marks

    def skip(self) -> None:
        """The answer begins without a thought."""
        self.state = State.ANSWER

    def _start(self) -> None:
        text, form = self._held.lstrip(), self.form
        if text.startswith(form.begin):
            self.state, self._held = State.THOUGHT, text[len(form.begin) :]
        elif form.direct and text.startswith(form.direct):
            self.state, self._held = State.ANSWER, text[len(form.direct) :]
        elif not form.begin.startswith(text) and not form.direct.startswith(text):
            self.state = State.ANSWER

    def _thought(self) -> list[Piece]:
        thought, end, rest = self._held.partition(self.form.end)
        if end:
            self.state, self._held = State.BETWEEN, rest
            return self._shown(thought.rstrip())
        sure = thought[: len(thought) - overlap(thought, self.form.end)].rstrip()
        self._held = thought[len(sure) :]
        return self._shown(sure)

    def _between(self) -> None:
        text, answer = self._held.lstrip(), self.form.answer
        if text.startswith(answer):
            text = text[len(answer) :].lstrip()
            answer = ""
        elif not answer.startswith(text):
            answer = ""  # it was left out
        if text and not answer:
            self.state = State.ANSWER
        self._held = text

    def _shown(self, thought: str) -> list[Piece]:
        if not self._begun:
            thought = thought.lstrip()
        self._begun = self._begun or bool(thought)
        return [Thought(thought)] if thought else []


class AfterThought:
    """A `Constraint` of the answer that lets the model think first. It has the same methods."""

    def __init__(
        self, constraint: "Constraint", thoughts: ThoughtFinder, tokenizer: Tokenizer
    ) -> None:
        self._constraint = constraint
        self._thoughts = thoughts
        form = thoughts.form
        self._begin = tokenizer.encode_fragment(form.begin, control=True)
        self._answer = tokenizer.encode_fragment(form.answer, control=True)
        self._queue: deque[int] = deque()  # marks that must come next

    @property
    def finished(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return self._constraint.finished

    def masked(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """``logits`` with minus infinity for tokens that are not allowed."""
        if queue := self.forced():
            allowed = np.full_like(logits, -np.inf)
            allowed[queue[0]] = 0
            return allowed
        if self._thoughts.state is State.THOUGHT:
            return logits
        allowed = self._constraint.masked(logits)
        if self._thoughts.state is State.START:
            allowed[self._begin[0]] = logits[self._begin[0]]
        return allowed

    def accept(self, token: int) -> None:
        """Tells which token was chosen, before the thoughts are told."""
        state = self._thoughts.state
        if self._queue:
            self._queue.popleft()
        elif state is State.START and token == self._begin[0]:
            self._queue.extend(self._begin[1:])
        elif state is not State.THOUGHT:
            self._thoughts.skip()
            self._constraint.accept(token)

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as there is no choice."""
        if self._thoughts.state is State.BETWEEN and self._answer:
            self._queue.extend(self._answer)
            self._answer = []
        if self._queue:
            return list(self._queue)
        free = self._thoughts.state in (State.START, State.THOUGHT)
        return [] if free else self._constraint.forced()

    def completed_by(self, text: str, marks: str) -> bool:
        """Whether the grammar allows ``text``, with control tokens if there are ``marks``."""
        return self._constraint.completed_by(text, marks)
