"""Answers that keep to a grammar: llguidance says before each token which ones are allowed."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper, grammar_from
from numpy.typing import NDArray

from .errors import GrammarError
from .tokenizer import Vocabulary

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

# One way to write each value: a small model that may choose goes on with spaces for ever.
_JSON_STYLE: "JsonCompileOptions" = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}


def json_grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of the JSON texts that fit a JSON Schema. Raises `GrammarError`."""
    try:
        return str(LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=_JSON_STYLE))
    except (ValueError, RecursionError) as error:
        raise GrammarError(f"the schema is nested too deeply ({error}).") from error


def inline_json(schema: Mapping[str, Any]) -> str:
    """A JSON Schema as a part of a grammar in Lark's notation."""
    return "%json " + json.dumps({**schema, "x-guidance": _JSON_STYLE})


def lark_grammar(text: str) -> str:
    """The grammar of a text in Lark's notation."""
    return str(grammar_from("lark", text))


def gbnf_grammar(text: str) -> str:
    """The grammar of a text in llama.cpp's notation. Raises `GrammarError`."""
    try:
        return str(grammar_from("gbnf", text))
    except Exception as error:  # llguidance raises bare Exceptions
        raise GrammarError(f"This is no grammar: {error}") from error


class ConstraintTokens:
    """A model's tokens as llguidance wants them; made once, in a tenth of a second."""

    def __init__(self, vocabulary: Vocabulary, end_tokens: Sequence[int]) -> None:
        wrapper = TokenizerWrapper(_Tokens(vocabulary, end_tokens[0]))
        self.tokenizer = LLTokenizer(wrapper, eos_token=list(end_tokens))

    def check(self, grammar: str) -> None:
        """Raises `GrammarError`, which says what cannot be used in ``grammar``."""
        if problem := LLMatcher.validate_grammar(grammar, self.tokenizer):
            raise GrammarError(problem)


class Constraint:
    """What one answer may still become. Raises `GrammarError` for a grammar that cannot be used."""

    def __init__(self, tokens: ConstraintTokens, grammar: str) -> None:
        self._matcher = LLMatcher(tokens.tokenizer, grammar)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, tokens.tokenizer.vocab_size)
        self._check()

    @property
    def finished(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return bool(self._matcher.is_stopped())

    def masked(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """``logits`` (float32 [vocab_size]) with minus infinity for what is not allowed."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
        self._check()
        allowed = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[: len(logits)]
        return np.where(allowed, logits, np.float32("-inf"))

    def accept(self, token: int) -> None:
        """The token that was chosen."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            # What follows is the parser's state.
            raise GrammarError(self._matcher.get_error().partition("\n")[0])


class _Tokens:
    """What llguidance asks of a tokenizer."""

    def __init__(self, vocabulary: Vocabulary, end_token: int) -> None:
        self.eos_token_id = end_token
        self.bos_token_id = vocabulary.facts.bos
        self.special_token_ids = list(vocabulary.facts.control.values())
        self.tokens = [vocabulary.written_bytes(token) for token in range(vocabulary.size)]
        self._vocabulary = vocabulary

    def __call__(self, text: bytes) -> list[int]:
        return self._vocabulary.encode(text.decode(errors="replace"))
