"""What is known of a GGUF, without what reads it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VocabularyFacts:
    """What a GGUF says of its tokens, beside their texts.

    ``kind`` is ``gpt2`` (byte-level BPE, pre-tokenizer ``pre``) or ``llama`` (SentencePiece).
    ``control`` and ``user_defined`` are tokens that are found in a text before all others, by
    text. White space after those of ``strip_after`` is dropped. ``byte_tokens`` are the ids
    of the 256 bytes (SentencePiece), ``silent`` those of tokens that add no text.
    ``end_tokens`` end an answer. ``longest_token`` is the number of bytes of the longest, or more.
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
    """What a GGUF says of its model. ``weight_type`` is that of most weights."""

    architecture: str
    weight_type: str
    parameters: int
    chat_template: str | None
    vocabulary: VocabularyFacts


@dataclass(frozen=True)
class Plan:
    """How an engine can run a model.

    ``engine`` is its name, ``context_length`` the largest one in tokens. ``copy_bytes`` is the size
    of the copy that the engine loads; 0 when it loads the file itself. A token of the context takes
    ``token_bytes`` of memory.
    """

    engine: str
    context_length: int
    copy_bytes: int
    token_bytes: int


@dataclass(frozen=True)
class Judgement:
    """A GGUF that can be used: what it is, and how."""

    facts: Facts
    plan: Plan
