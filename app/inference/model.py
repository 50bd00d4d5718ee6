"""A loaded model: its engine, its tokenizer, its chat template."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..engines import engine_room
from ..engines.base import Flag, LoadedModel, LoadOptions
from ..exceptions import ContextLengthExceeded, ModelError, PromptError
from ..jobs import Calling, Grammar
from ..machine import available_memory
from ..models.cache import PreparedModel
from ..models.library import ModelFile
from ..protocol import Step
from . import call_forms
from .functions import plain_messages, with_short_ids
from .session import Session, Sessions
from .template import ChatTemplate
from .thoughts import ThoughtFinder, form_of
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from .constraint import Constraint, ConstraintTokens
    from .grammar import GrammarSource

_log = logging.getLogger(__name__)

_PROMPT_END = 16  # tokens in which a prompt may begin a thought, or end it
_SURROGATE = re.compile("[\ud800-\udfff]")


class Model:
    """A model in memory, for one user at a time. `close` gives the memory back."""

    def __init__(
        self,
        file: ModelFile,
        loaded: LoadedModel,
        chat_template: str | None,
        slots: int,
        begin: Callable[[Step], None] = lambda step: None,
    ) -> None:
        self.file = file
        self.tokenizer = Tokenizer(loaded.codec, loaded.vocabulary)
        self.sessions = Sessions(loaded.open, slots)
        self.end_tokens = frozenset(loaded.vocabulary.end_tokens)
        self._loaded = loaded
        self._template_source = chat_template
        self._own_form = call_forms.form_of(chat_template or "")
        self.call_form = self._own_form or call_forms.HERMES
        self._thought_form = form_of(chat_template or "")
        self._begin = begin
        self._template: ChatTemplate | None = None
        self._constraint_tokens: ConstraintTokens | None = None

    @classmethod
    def load(
        cls,
        file: ModelFile,
        prepared: PreparedModel,
        context_length: int,
        threads: int,
        slots: int = 1,
        begin: Callable[[Step], None] = lambda step: None,
        cancelled: Flag | None = None,
    ) -> "Model":
        """Loads a prepared model with a context of at most ``context_length`` tokens.

        The file's own settings go first. ``begin`` is told of each step of a prompt's, and
        ``cancelled`` tells the engine to stop. Raises `ModelError` with the reason when that is
        impossible.
        """
        settings = file.settings
        options = LoadOptions(
            file.context_length(prepared.plan, context_length),
            settings.threads or threads,
            settings.gpu_layers,
            cancelled or Flag(),
        )
        needed, free = prepared.plan.token_bytes * options.context_length, available_memory()
        if needed > free:
            raise ModelError(
                f"{file.path.name} cannot be used: a context of {options.context_length} tokens "
                f"takes {needed >> 20} MiB of memory, and {free >> 20} MiB are free. "
                "Set a smaller GPT4ALL_CONTEXT_LENGTH."
            )
        loaded = engine_room(prepared.plan.engine).load(prepared, options)
        template = settings.chat_template or prepared.facts.chat_template
        return cls(file, loaded, template, slots, begin)

    @property
    def session(self) -> Session:
        """The session that is used."""
        return self.sessions.latest()

    def text_prompt(self, text: str) -> list[int]:
        """The token ids of a prompt that is given as text; at least one.

        Raises `ContextLengthExceeded` when they leave no room for an answer.
        """
        return self._checked(self._encode(text))

    def token_prompt(self, tokens: Sequence[int]) -> list[int]:
        """A prompt that is given as token ids.

        Raises `PromptError` for ids that the model does not have, `ContextLengthExceeded`
        when they leave no room for an answer.
        """
        for token in tokens:
            if not 0 <= token < self.tokenizer.size:
                raise PromptError(
                    f"The prompt holds the token id {token}; "
                    f"this model's ids are 0 to {self.tokenizer.size - 1}."
                )
        return self._checked(list(tokens))

    def chat_prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        calling: Calling | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """The token ids of a chat, up to where the assistant's answer begins.

        ``variables`` are more of the chat template's, such as ``enable_thinking``.

        Control tokens in the messages' own text are text: only the template sets roles. The
        system message of the model's settings goes first if the messages have none.
        Raises `PromptError` when the model has no chat template or it refuses the messages,
        `ContextLengthExceeded` when they leave no room for an answer.
        """
        self._begin(Step.TEMPLATE)
        system = self.file.settings.system_message
        if system and not any(message["role"] == "system" for message in messages):
            messages = [{"role": "system", "content": system}, *messages]
        template = self._chat_template()
        off = (variables or {}).get("enable_thinking") is False
        if off and self._thought_form and "enable_thinking" not in str(self._template_source):
            _log.warning("%s cannot be kept from thinking.", self.file.name)
        signatures = None
        if self._own_form is None:
            messages = plain_messages(messages, calling)
        elif calling is not None:
            signatures = [function.signature for function in calling.functions]
        if self.call_form.short_ids:
            messages = with_short_ids(messages)
        text = template.render(*map(self._protected, (messages, signatures, variables or {})))
        return self._checked(self._encode(text, protected=True))

    def thought_finder(self, prompt: Sequence[int] | None) -> ThoughtFinder:
        """What finds the thought at the beginning of an answer to ``prompt``.

        Without a prompt, it finds none.
        """
        if prompt is None or self._thought_form is None:
            return ThoughtFinder(None)
        return ThoughtFinder(self._thought_form, self.tokenizer.text(prompt[-_PROMPT_END:]))

    def grammar_source(self, grammar: Grammar, check: Callable[[], None]) -> "GrammarSource":
        """What holds answers to ``grammar``, compiled.

        Raises `GrammarError`, which says why answers cannot be held to it.
        """
        from .constraint import grammar_source

        self._begin(Step.GRAMMAR)
        source = grammar_source(grammar, check, self.call_form, self.tokenizer.facts.control)
        self.constraint(source)
        return source

    def constraint(self, source: "GrammarSource") -> "Constraint":
        """What holds one answer to a grammar. Raises `GrammarError`."""
        # Not at the top: most answers are free, and llguidance takes a tenth of a second to load.
        from .constraint import Constraint, ConstraintTokens

        if self._constraint_tokens is None:
            self._constraint_tokens = ConstraintTokens(self.tokenizer, sorted(self.end_tokens))
        return Constraint(self._constraint_tokens, source)

    def close(self) -> None:
        """Frees the memory; the model cannot be used afterwards."""
        self.sessions.close()
        self._loaded.close()

    def _protected(self, value: Any) -> Any:
        """``value`` with every text in it protected, and such that it can be encoded."""
        if isinstance(value, str):
            # A setting, or the name of a file, may hold halves of surrogate pairs.
            return self.tokenizer.protect(_SURROGATE.sub("\ufffd", value))
        if isinstance(value, Mapping):
            return {self._protected(key): self._protected(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._protected(item) for item in value]
        return value

    def _encode(self, text: str, *, protected: bool = False) -> list[int]:
        self._begin(Step.TOKENIZING)
        # A token is at most so long: what cannot fit is not worth seconds of encoding.
        least = len(text.encode()) // self.tokenizer.facts.longest_token
        if least >= self.session.context_length:
            raise ContextLengthExceeded.of(f"{least} or more", self.session.context_length)
        return self.tokenizer.encode(text, protected=protected)

    def _checked(self, prompt: list[int]) -> list[int]:
        if not prompt:
            if self.tokenizer.facts.bos is None:
                raise PromptError("The prompt is empty, and this model has no token to begin with.")
            return [self.tokenizer.facts.bos]
        if len(prompt) >= self.session.context_length:
            raise ContextLengthExceeded.of(len(prompt), self.session.context_length)
        return prompt

    def _chat_template(self) -> ChatTemplate:
        if self._template is None:
            if self._template_source is None:
                raise PromptError(
                    f"{self.file.name} has no chat template. Give it one with the key "
                    f'"chat_template" in {self.file.settings_path.name} beside it, '
                    "or use /v1/completions."
                )
            facts = self.tokenizer.facts
            bos, eos = map(self._token_text, (facts.bos, facts.eos))
            self._template = ChatTemplate(self._template_source, bos, eos)
        return self._template

    def _token_text(self, token: int | None) -> str:
        return "" if token is None else self.tokenizer.text([token])
