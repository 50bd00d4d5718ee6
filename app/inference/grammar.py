"""The grammars that answers can conform to, in the form that llguidance compiles."""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher, LLParserLimits, grammar_from
from llguidance.gbnf_to_lark import RepetitionNode

from ..exceptions import GrammarError
from ..jobs import Gbnf, JsonText, Pattern
from .json_schema import Problem, holdable

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_log = logging.getLogger(__name__)

# llguidance 1.9 writes a repetition of a repetition, ("a"{2}){3}, without the parentheses.
RepetitionNode.is_atomic = lambda self: False  # type: ignore[method-assign]

# Only one way to write each value, because a small model with a choice may write spaces for ever.
_JSON_STYLE: "JsonCompileOptions" = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}
# An error with the parser's state would quote the answer.
LIMITS = LLParserLimits(verbose_errors=False)

_MOST_GBNF_BYTES, _MOST_GBNF_RULES = 32_768, 2_000

# What llguidance says about a schema, and what that means in the words of JSON Schema.
_MEANINGS = (
    (r"Pointer '(.*)' does not exist", r"the reference '#\1' leads to nothing", True),
    (r"Resource '(.*?)' is", r"references to other documents (\1) are not followed", False),
    (r"Unsatisfiable schema: Regex is empty", "no value fits it: no text has this form", True),
    (r"Unsatisfiable schema: (.*)", r"no value fits it: \1", True),
    (r"Invalid type: (.*)", r"'\1' is not a type of JSON Schema", True),
    (r"oneOf ", "its alternatives may overlap, so oneOf cannot be enforced", False),
    (r"regex parse error(?s:.*)error: (.*)", r"the pattern cannot be enforced: \1", False),
    (r"Failed to generate regex", "these bounds cannot be enforced", False),
    (r"Unknown format: (.*)", r"the format '\1' cannot be enforced", False),
    (r"(Expected .*|.* must be .*|invalid multiple of)", r"\1", True),
)


Check = Callable[[], None]


@dataclass(frozen=True)
class GrammarSource:
    """A grammar in llguidance's form.

    The JSON after the text ``json_after`` gets only short numbers (None: there is no JSON).
    """

    text: str
    json_after: str | None = None


def json_source(asked: JsonText, check: Check) -> GrammarSource:
    """The grammar of JSON. Raises `GrammarError`, whose text begins with the path of the mistake.

    ``check`` is called before each step that may take up to a second. It may raise to stop.
    """
    schema, _ = holdable(asked.schema, partial(_problem, check), strict=True)
    return GrammarSource(_json_grammar(schema), json_after="")


def gbnf_source(asked: Gbnf) -> GrammarSource:
    """The grammar of a text in llama.cpp's notation. Raises `GrammarError`."""
    # The time of the conversion grows with the square of the number of rules.
    size, rules = len(asked.text.encode()), asked.text.count("::=")
    if size > _MOST_GBNF_BYTES or rules > _MOST_GBNF_RULES:
        raise GrammarError(
            f"it has {size} bytes and {rules} rules; at most {_MOST_GBNF_BYTES} bytes and "
            f"{_MOST_GBNF_RULES} rules are allowed."
        )
    try:
        return GrammarSource(str(grammar_from("gbnf", asked.text)))
    except RecursionError as error:
        raise GrammarError("it is nested too deeply.") from error
    except Exception as error:  # llguidance raises bare Exceptions
        reason = str(error).removeprefix("Failed to convert the grammar from GBNF to Lark: ")
        raise GrammarError(f"this is not GBNF: {reason}") from error


def pattern_source(asked: Pattern) -> GrammarSource:
    """The grammar of a regular expression."""
    return GrammarSource(str(LLMatcher.grammar_from_regex(asked.expression)))


def inline_json(schema: Mapping[str, Any], what: str, check: Check, *, strict: bool) -> str:
    """A JSON Schema as a part of a grammar in Lark's notation.

    Unless ``strict``, parts that cannot be enforced are left out, and the log names them. ``what``
    says whose schema it is. Raises `GrammarError`, whose text begins with the path of the mistake.
    """
    held, left_out = holdable(schema, partial(_problem, check), strict=strict)
    for text in left_out:
        _log.warning("%s ignores a part of its schema: %s.", what, text)
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
    """What llguidance finds wrong with a JSON Schema."""
    check()
    error = LLMatcher.validate_grammar(_json_grammar(schema), limits=LIMITS)
    if not error:
        return None
    for said, meaning, wrong in _MEANINGS:
        if found := re.match(said, error):
            return Problem(found.expand(meaning), wrong)
    return Problem("it is too large or too complex", wrong=False)


def in_plain_words(error: str) -> str:
    """What llguidance says, without its own notation and without what panics print."""
    if error.startswith("NoExtension"):
        return "no text fits it."
    if "too many" in error.lower() or "too large" in error.lower() or error.startswith("panic"):
        return "it is too large or too complex."
    _, _, reason = error.partition("regex parse error:")
    if reason:
        return f"the regular expression cannot be used: {reason.rpartition('error: ')[2].strip()}."
    return re.sub(r"^(at )?\d+\(\d+\): ", "", error.partition("\n")[0])
