"""Makes answers conform to a grammar: llguidance says which tokens are allowed next."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from ..exceptions import GrammarError
from ..jobs import Calling, Gbnf, Grammar, JsonText, Pattern
from .call_forms import HERMES, CallForm
from .functions import calls_grammar
from .grammar import (
    LIMITS,
    Check,
    GrammarSource,
    gbnf_source,
    in_plain_words,
    json_source,
    pattern_source,
)
from .json_strings import JsonStrings
from .tokenizer import Tokenizer

_KEPT_MATCHERS = 16

_MOST_DIGITS = 16  # before a number's point and after it, as in llama.cpp
_MOST_EXPONENT_DIGITS = 2  # with 16 digits before the point, still a float64


def grammar_source(
    grammar: Grammar,
    check: Check,
    form: CallForm = HERMES,
    control: Mapping[str, int] = MappingProxyType({}),
) -> GrammarSource:
    """``grammar`` in llguidance's form. Raises `GrammarError`.

    Calls have ``form``. ``control`` are the model's control tokens with their ids.
    ``check`` is called before each step that may take up to a second. It may raise to stop.
    """
    check()
    match grammar:
        case JsonText():
            return json_source(grammar, check)
        case Gbnf():
            return gbnf_source(grammar)
        case Pattern():
            return pattern_source(grammar)
        case Calling():
            return calls_grammar(grammar, check, form, control)


class ConstraintTokens:
    """A model's tokens in llguidance's form. They are made once, in a tenth of a second.

    Keeps the grammars that were compiled last.
    """

    def __init__(self, tokenizer: Tokenizer, end_tokens: Sequence[int]) -> None:
        tokens = _Tokens(tokenizer, end_tokens[0])
        self.guided = LLTokenizer(TokenizerWrapper(tokens), eos_token=list(end_tokens))
        self.tokenizer = tokenizer
        leading = (len(data) - len(data.lstrip(b"0123456789")) for data in tokens.tokens)
        self.leading_digits = np.fromiter(leading, np.intp, len(tokens.tokens))
        self._matchers: OrderedDict[str, LLMatcher] = OrderedDict()

    def matcher(self, grammar: str) -> LLMatcher:
        """A matcher for the beginning of an answer. Compiling one takes up to a second.

        Raises `GrammarError`, which says why ``grammar`` cannot be used.
        """
        matcher = self._matchers.get(grammar)
        if matcher is None:
            matcher = LLMatcher(self.guided, grammar, log_level=0, limits=LIMITS)
            matcher.compute_bitmask()  # also finds out whether any text fits
            _check(matcher)
            self._matchers[grammar] = matcher
        self._matchers.move_to_end(grammar)
        if len(self._matchers) > _KEPT_MATCHERS:
            self._matchers.popitem(last=False)
        return matcher.deep_copy()


class Constraint:
    """What an answer may still become. Raises `GrammarError` if the grammar cannot be used."""

    def __init__(self, tokens: ConstraintTokens, grammar: GrammarSource) -> None:
        self._tokens = tokens
        self._grammar = grammar
        self._matcher = tokens.matcher(grammar.text)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, tokens.guided.vocab_size)
        self._digits = None if grammar.json_after is None else _Digits(grammar.json_after)

    @property
    def finished(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return bool(self._matcher.is_stopped())

    def masked(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """``logits`` (float32 [vocab_size]) with minus infinity for tokens that are not allowed."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
        _check(self._matcher)
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")[: len(logits)]
        allowed = bits.astype(bool)
        if self._digits is not None and self._digits.room < _MOST_DIGITS:
            short = allowed & (self._tokens.leading_digits[: len(logits)] <= self._digits.room)
            # A schema may ask for a longer number.
            allowed = short if short.any() else allowed
        return np.where(allowed, logits, np.float32("-inf"))

    def accept(self, token: int) -> None:
        """Tells which token was chosen."""
        self._matcher.consume_token(token)
        _check(self._matcher)
        if self._digits is not None:
            self._digits.add(self._tokens.tokenizer.written_bytes(token))

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as there is no choice."""
        return list(self._matcher.compute_ff_tokens())

    def completed_by(self, text: str, marks: str) -> bool:
        """Whether the grammar allows ``text``, with control tokens if there are ``marks``."""
        matcher = self._tokens.matcher(self._grammar.text)
        tokens = self._tokens.tokenizer.encode_fragment(text, control=bool(marks))
        matcher.consume_tokens(tokens)
        return bool(matcher.is_accepting())


class _Digits:
    """How many more digits (``room``) the number at the end of the JSON so far may have.

    The JSON begins after the text ``begins_after``.
    """

    def __init__(self, begins_after: str) -> None:
        self.room = _MOST_DIGITS
        self._waits_for = begins_after.encode()
        self._seen = b""
        self._strings = JsonStrings()

    def add(self, data: bytes) -> None:
        """Takes more of the text."""
        if self._waits_for:
            self._seen += data
            before, begin, data = self._seen.partition(self._waits_for)
            if not begin:
                self._seen = before[-len(self._waits_for) :]
                return
            self._waits_for = b""
        for character in data.decode("latin-1"):
            self._read(character)

    def _read(self, character: str) -> None:
        if self._strings.takes(character):
            self.room = _MOST_DIGITS
        elif character.isdecimal():
            self.room -= 1
        elif character in "eE":
            self.room = _MOST_EXPONENT_DIGITS
        elif character not in "+-":
            self.room = _MOST_DIGITS


class _Tokens:
    """What llguidance needs from a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, end_token: int) -> None:
        self.eos_token_id = end_token
        self.bos_token_id = tokenizer.facts.bos
        self.special_token_ids = list(tokenizer.facts.control.values())
        self.tokens = [tokenizer.written_bytes(token) for token in range(tokenizer.size)]
        self._tokenizer = tokenizer

    def __call__(self, text: bytes) -> list[int]:
        return self._tokenizer.encode_fragment(text.decode(errors="replace"))


def _check(matcher: LLMatcher) -> None:
    if matcher.is_error():
        raise GrammarError(in_plain_words(matcher.get_error()))
