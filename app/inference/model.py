"""A loaded model: its engine, its vocabulary, its chat template."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .constraint import Constraint, ConstraintTokens
from .engine import Engine
from .errors import ContextLengthExceeded, PromptError
from .grammar import GrammarSource
from .kv_cache import KVCache
from .library import ModelFile
from .model_cache import Facts, PreparedModel
from .template import ChatTemplate
from .tokenizer import Vocabulary
from .tools import Tools, plain_messages

_SURROGATE = re.compile("[\ud800-\udfff]")


class Model:
    """A model in memory, for one user at a time. `close` gives the memory back."""

    def __init__(
        self, file: ModelFile, facts: Facts, vocabulary: Vocabulary, engine: Engine
    ) -> None:
        self.file = file
        self.vocabulary = vocabulary
        self.cache = KVCache(engine)
        self.context_length = engine.context_length
        self.end_tokens = frozenset(facts.vocabulary.end_tokens)
        self._template_source = file.settings.chat_template or facts.chat_template
        self._engine = engine
        self._template: ChatTemplate | None = None
        self._constraint_tokens: ConstraintTokens | None = None

    @classmethod
    def load(
        cls, file: ModelFile, prepared: PreparedModel, context_length: int, threads: int
    ) -> "Model":
        """Loads a prepared model with a context of at most ``context_length`` tokens.

        The file's own settings go first. Raises `ModelError` with the reason when that is
        impossible.
        """
        facts, settings = prepared.facts, file.settings
        vocabulary = prepared.vocabulary()
        engine = Engine(
            prepared.weights,
            min(settings.context_length or context_length, facts.context_length),
            settings.threads or threads,
            gpu_layers=settings.gpu_layers,
            mapped=not facts.in_place,
        )
        return cls(file, facts, vocabulary, engine)

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits after the last evaluated token, see `Engine.logits`."""
        return self._engine.logits

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
            if not 0 <= token < self.vocabulary.size:
                raise PromptError(
                    f"The prompt holds the token id {token}; "
                    f"this model's ids are 0 to {self.vocabulary.size - 1}."
                )
        return self._checked(list(tokens))

    def chat_prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Tools | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """The token ids of a chat, up to where the assistant's answer begins.

        ``variables`` are more of the chat template's, such as ``enable_thinking``.

        Control tokens in the messages' own text are text: only the template sets roles. The
        system message of the model's settings goes first if the messages have none.
        Raises `PromptError` when the model has no chat template or it refuses the messages,
        `ContextLengthExceeded` when they leave no room for an answer.
        """
        system = self.file.settings.system_message
        if system and not any(message["role"] == "system" for message in messages):
            messages = [{"role": "system", "content": system}, *messages]
        template = self._chat_template()
        if template.knows_tools:
            signatures = [f.signature for f in tools.functions] if tools is not None else None
        else:
            messages, signatures = plain_messages(messages, tools), None
        text = template.render(*map(self._protected, (messages, signatures, variables or {})))
        return self._checked(self._encode(text, protected=True))

    def constraint(self, grammar: GrammarSource) -> Constraint:
        """What holds one answer to ``grammar``.

        Raises `GrammarError`, which says why answers cannot be held to it.
        """
        if self._constraint_tokens is None:
            self._constraint_tokens = ConstraintTokens(self.vocabulary, sorted(self.end_tokens))
        return Constraint(self._constraint_tokens, grammar)

    def close(self) -> None:
        """Frees the memory; the model cannot be used afterwards."""
        self._engine.close()

    def _protected(self, value: Any) -> Any:
        """``value`` with every text in it protected, and such that it can be encoded."""
        if isinstance(value, str):
            # A setting, or the name of a file, may hold halves of surrogate pairs.
            return self.vocabulary.protect(_SURROGATE.sub("\ufffd", value))
        if isinstance(value, Mapping):
            return {self._protected(key): self._protected(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._protected(item) for item in value]
        return value

    def _encode(self, text: str, *, protected: bool = False) -> list[int]:
        # A token is at most so long: what cannot fit is not worth seconds of encoding.
        least = len(text.encode()) // self.vocabulary.facts.longest_token
        if least >= self.context_length:
            raise ContextLengthExceeded(f"{least} or more", self.context_length)
        return self.vocabulary.encode(text, protected=protected)

    def _checked(self, prompt: list[int]) -> list[int]:
        if not prompt:
            if self.vocabulary.facts.bos is None:
                raise PromptError("The prompt is empty, and this model has no token to begin with.")
            return [self.vocabulary.facts.bos]
        if len(prompt) >= self.context_length:
            raise ContextLengthExceeded(len(prompt), self.context_length)
        return prompt

    def _chat_template(self) -> ChatTemplate:
        if self._template is None:
            if self._template_source is None:
                raise PromptError(
                    f"{self.file.name} has no chat template. Give it one with the key "
                    f'"chat_template" in {self.file.settings_path.name} beside it, '
                    "or use /v1/completions."
                )
            facts = self.vocabulary.facts
            bos, eos = map(self._token_text, (facts.bos, facts.eos))
            self._template = ChatTemplate(self._template_source, bos, eos)
        return self._template

    def _token_text(self, token: int | None) -> str:
        return "" if token is None else self.vocabulary.text([token])
