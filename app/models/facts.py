"""What is known about a GGUF, apart from the code that reads it."""

from dataclasses import dataclass, field

from ..exceptions import ModelError


@dataclass(frozen=True)
class VocabularyFacts:
    """What a GGUF says about its tokens, except their texts.

    ``kind`` is ``gpt2`` (byte-level BPE, pre-tokenizer ``pre``), ``llama`` (SentencePiece), or
    another one that llama.cpp knows.
    ``control`` and ``user_defined`` map texts to the tokens that are found before all others. White
    space after the tokens in ``strip_after`` is dropped. ``byte_tokens`` are the ids of the 256
    bytes (SentencePiece). ``silent`` tokens add no text. ``end_tokens`` end an answer. No token is
    longer than ``longest_token`` bytes.
    """

    kind: str
    pre: str
    size: int
    longest_token: int
    control: dict[str, int]
    user_defined: dict[str, int]
    strip_after: list[int]
    byte_tokens: list[int]
    silent: list[int]
    end_tokens: list[int]
    bos: int | None
    eos: int | None
    add_bos: bool
    add_eos: bool
    space_prefix: bool


@dataclass(frozen=True)
class Facts:
    """What a GGUF says about its model.

    ``weight_type`` is the type of most weights. ``sampling`` has the model's own defaults, under
    the names of `Sampling`.
    """

    architecture: str
    weight_type: str
    parameters: int
    chat_template: str | None
    vocabulary: VocabularyFacts
    sampling: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How an engine can run a model.

    ``engine`` is the engine's name. ``context_length`` is the longest possible one, in tokens.
    ``copy_bytes`` is the size of the copy that the engine loads; 0 if it loads the file itself.
    A token of the context takes ``token_bytes`` of memory.
    """

    engine: str
    context_length: int
    copy_bytes: int
    token_bytes: int


@dataclass(frozen=True)
class Judgement:
    """What a usable GGUF is, and how it can be run.

    ``plans`` are those of the engines that can run it, the preferred one first. ``refusals`` are
    the others' reasons, by engine.
    """

    facts: Facts
    plans: tuple[Plan, ...]
    refusals: dict[str, str]

    def plan(self, engine: str | None = None) -> Plan:
        """That of an engine, or of the preferred one. Raises `ModelError` with the reason."""
        for plan in self.plans:
            if engine in (None, plan.engine):
                return plan
        reason = self.refusals[str(engine)]
        raise ModelError(f"The engine {engine} cannot run the model: {reason}")
