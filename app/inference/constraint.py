"""Answers that keep to a grammar: llguidance says before each token which ones are allowed."""

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper, grammar_from
from llguidance.gbnf_to_lark import RepetitionNode
from numpy.typing import NDArray

from .errors import GrammarError
from .json_schema import Problem, holdable
from .tokenizer import Vocabulary

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_log = logging.getLogger(__name__)

# llguidance 1.9 writes a repetition of a repetition, ("a"{2}){3}, without the parentheses.
RepetitionNode.is_atomic = lambda self: False  # type: ignore[method-assign]

# One way to write each value: a small model that may choose goes on with spaces for ever.
_JSON_STYLE: "JsonCompileOptions" = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}
# An error with the parser's state would quote the answer.
_LIMITS = LLParserLimits(verbose_errors=False)

_MOST_GBNF_BYTES, _MOST_GBNF_RULES = 32_768, 2_000
_KEPT_MATCHERS = 16

_MOST_DIGITS = 16  # before a number's point and behind it, as in llama.cpp
_MOST_EXPONENT_DIGITS = 2  # with 16 digits before the point, still a float64

# What llguidance says of a schema, and what that means in the words of JSON Schema.
_MEANINGS = (
    (r"Pointer '(.*)' does not exist", r"the reference '#\1' leads to nothing", True),
    (r"Resource '(.*?)' is", r"references to other documents (\1) are not followed", False),
    (r"Unsatisfiable schema: Regex is empty", "nothing can fit it: no text has this form", True),
    (r"Unsatisfiable schema: (.*)", r"nothing can fit it: \1", True),
    (r"Invalid type: (.*)", r"'\1' is not a type of JSON Schema", True),
    (r"oneOf ", "its alternatives may overlap, and answers cannot be held to just one", False),
    (r"regex parse error(?s:.*)error: (.*)", r"answers cannot be held to the pattern: \1", False),
    (r"Failed to generate regex", "answers cannot be held to these bounds", False),
    (r"Unknown format: (.*)", r"'\1' is not a format that answers can be held to", False),
    (r"(Expected .*|.* must be .*|invalid multiple of)", r"\1", True),
)


Check = Callable[[], None]


class Grammar(Protocol):
    """What an answer must keep to, as a request says it."""

    def source(self, check: Check) -> "GrammarSource":
        """Its form for llguidance. Raises `GrammarError`.

        ``check`` is called before each step that may take up to a second, and may raise to stop.
        """


@dataclass(frozen=True)
class GrammarSource:
    """A grammar in llguidance's form.

    Numbers are kept short in the JSON behind the text ``json_after`` (None: there is none).
    """

    text: str
    json_after: str | None = None


@dataclass(frozen=True)
class JsonText:
    """JSON that fits a JSON Schema."""

    schema: Mapping[str, Any]

    def source(self, check: Check) -> GrammarSource:
        """The grammar. Raises `GrammarError`, whose text begins with the path of what is wrong."""
        schema, _ = holdable(self.schema, partial(_problem, check), strict=True)
        return GrammarSource(_json_grammar(schema), json_after="")


@dataclass(frozen=True)
class Gbnf:
    """A grammar in llama.cpp's notation."""

    text: str

    def source(self, check: Check) -> GrammarSource:
        """The grammar. Raises `GrammarError`."""
        # The conversion takes time that grows with the square of the number of rules.
        check()
        size, rules = len(self.text.encode()), self.text.count("::=")
        if size > _MOST_GBNF_BYTES or rules > _MOST_GBNF_RULES:
            raise GrammarError(
                f"it has {size} bytes and {rules} rules; {_MOST_GBNF_BYTES} bytes and "
                f"{_MOST_GBNF_RULES} rules are allowed."
            )
        try:
            return GrammarSource(str(grammar_from("gbnf", self.text)))
        except RecursionError as error:
            raise GrammarError("it is nested too deeply.") from error
        except Exception as error:  # llguidance raises bare Exceptions
            reason = str(error).removeprefix("Failed to convert the grammar from GBNF to Lark: ")
            raise GrammarError(f"this is not GBNF: {reason}") from error


@dataclass(frozen=True)
class Pattern:
    """A text that a regular expression (of the crate `regex`, without anchors) fits as a whole."""

    expression: str

    def source(self, check: Check) -> GrammarSource:
        """The grammar."""
        return GrammarSource(str(LLMatcher.grammar_from_regex(self.expression)))


def inline_json(schema: Mapping[str, Any], what: str, check: Check, *, strict: bool) -> str:
    """A JSON Schema as a part of a grammar in Lark's notation.

    Unless ``strict``, what of it cannot be held is left out and said in the log: ``what`` says
    whose schema it is. Raises `GrammarError`, whose text begins with the path of what is wrong.
    """
    held, left_out = holdable(schema, partial(_problem, check), strict=strict)
    for text in left_out:
        _log.warning("%s is not held to all of its schema: %s.", what, text)
    return "%json " + json.dumps({**held, "x-guidance": _JSON_STYLE})


def lark_grammar(text: str) -> str:
    """The grammar of a text in Lark's notation."""
    return str(grammar_from("lark", text))


def _json_grammar(schema: Mapping[str, Any]) -> str:
    try:
        return str(LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=_JSON_STYLE))
    except ValueError as error:
        raise GrammarError("the schema is nested too deeply.") from error


def _problem(check: Check, schema: Mapping[str, Any]) -> Problem | None:
    """What llguidance finds amiss with a JSON Schema."""
    check()
    error = LLMatcher.validate_grammar(_json_grammar(schema), limits=_LIMITS)
    if not error:
        return None
    for said, meaning, wrong in _MEANINGS:
        if found := re.match(said, error):
            return Problem(found.expand(meaning), wrong)
    return Problem("it is too large or too complex", wrong=False)


class ConstraintTokens:
    """A model's tokens as llguidance wants them; made once, in a tenth of a second.

    Keeps the last grammars that were compiled.
    """

    def __init__(self, vocabulary: Vocabulary, end_tokens: Sequence[int]) -> None:
        tokens = _Tokens(vocabulary, end_tokens[0])
        self.tokenizer = LLTokenizer(TokenizerWrapper(tokens), eos_token=list(end_tokens))
        self.vocabulary = vocabulary
        leading = (len(data) - len(data.lstrip(b"0123456789")) for data in tokens.tokens)
        self.leading_digits = np.fromiter(leading, np.intp, len(tokens.tokens))
        self._matchers: OrderedDict[str, LLMatcher] = OrderedDict()

    def matcher(self, grammar: str) -> LLMatcher:
        """A matcher at the beginning of an answer; compiling takes up to a second.

        Raises `GrammarError`, which says what cannot be used in ``grammar``.
        """
        matcher = self._matchers.get(grammar)
        if matcher is None:
            matcher = LLMatcher(self.tokenizer, grammar, log_level=0, limits=_LIMITS)
            matcher.compute_bitmask()  # finds out too whether anything fits
            _check(matcher)
            self._matchers[grammar] = matcher
        self._matchers.move_to_end(grammar)
        if len(self._matchers) > _KEPT_MATCHERS:
            self._matchers.popitem(last=False)
        return matcher.deep_copy()


class Constraint:
    """What one answer may still become. Raises `GrammarError` for a grammar that cannot be used."""

    def __init__(self, tokens: ConstraintTokens, grammar: GrammarSource) -> None:
        self._tokens = tokens
        self._grammar = grammar
        self._matcher = tokens.matcher(grammar.text)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, tokens.tokenizer.vocab_size)
        self._digits = None if grammar.json_after is None else _Digits(grammar.json_after)

    @property
    def finished(self) -> bool:
        """Whether the answer is complete and nothing can follow."""
        return bool(self._matcher.is_stopped())

    def masked(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """``logits`` (float32 [vocab_size]) with minus infinity for what is not allowed."""
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
        """The token that was chosen."""
        self._matcher.consume_token(token)
        _check(self._matcher)
        if self._digits is not None:
            self._digits.add(self._tokens.vocabulary.token_bytes(token))

    def completed_by(self, text: str) -> bool:
        """Whether the grammar allows ``text`` as a whole answer."""
        matcher = self._tokens.matcher(self._grammar.text)
        matcher.consume_tokens(self._tokens.vocabulary.encode_fragment(text))
        return bool(matcher.is_accepting())


class _Digits:
    """How many digits more (``room``) the number may have with which the JSON so far ends.

    JSON begins behind the text ``begins_after``.
    """

    def __init__(self, begins_after: str) -> None:
        self.room = _MOST_DIGITS
        self._waits_for = begins_after.encode()
        self._seen = b""
        self._in_string = self._escaped = False

    def add(self, data: bytes) -> None:
        """More of the text."""
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
        if self._in_string:
            self._in_string = self._escaped or character != '"'
            self._escaped = not self._escaped and character == "\\"
        elif character.isdecimal():
            self.room -= 1
        elif character in "eE":
            self.room = _MOST_EXPONENT_DIGITS
        elif character not in "+-":
            self.room = _MOST_DIGITS
            self._in_string = character == '"'


class _Tokens:
    """What llguidance asks of a tokenizer."""

    def __init__(self, vocabulary: Vocabulary, end_token: int) -> None:
        self.eos_token_id = end_token
        self.bos_token_id = vocabulary.facts.bos
        self.special_token_ids = list(vocabulary.facts.control.values())
        self.tokens = [vocabulary.written_bytes(token) for token in range(vocabulary.size)]
        self._vocabulary = vocabulary

    def __call__(self, text: bytes) -> list[int]:
        return self._vocabulary.encode_fragment(text.decode(errors="replace"))


def _check(matcher: LLMatcher) -> None:
    if matcher.is_error():
        raise GrammarError(_plain(matcher.get_error()))


def _plain(error: str) -> str:
    """What llguidance says, without its own notation and what panics print."""
    if error.startswith("NoExtension"):
        return "no text can fit it."
    if "too many" in error.lower() or "too large" in error.lower() or error.startswith("panic"):
        return "it is too large or too complex."
    _, _, reason = error.partition("regex parse error:")
    if reason:
        return f"the regular expression cannot be used: {reason.rpartition('error: ')[2].strip()}."
    return re.sub(r"^(at )?\d+\(\d+\): ", "", error.partition("\n")[0])
