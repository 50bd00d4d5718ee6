"""Adapts a JSON Schema to what llguidance can enforce, and finds the path of what it cannot.

llguidance knows most of JSON Schema 2020-12 and of the drafts since 4. What it does not know is
left out here, or refused if the caller was promised that all of the schema is enforced.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..exceptions import GrammarError

Schema = Mapping[str, Any]

# Assertions of JSON Schema that llguidance lacks, with a value that asserts nothing. All other
# unknown keywords are annotations, as the specification says (JSON Schema Core, 6.5).
_NOT_HELD: dict[str, Any] = {
    "contains": True,
    "dependencies": {},
    "dependentRequired": {},
    "dependentSchemas": {},
    "if": None,
    "not": False,
    "propertyNames": True,
    "unevaluatedItems": True,
    "unevaluatedProperties": True,
    "uniqueItems": False,
    "$dynamicRef": None,
    "$recursiveRef": None,
}
_ONLY_WITH = {"minContains", "maxContains", "then", "else"}  # they mean nothing without those
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}

# Where a schema contains other schemas.
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("prefixItems", "items", "anyOf", "oneOf", "allOf")
_SINGLE = ("items", "additionalItems", "additionalProperties")
_COMBINED = ("allOf", "anyOf", "oneOf")

_MOST_LEFT_OUT = 100

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """What is the matter with a schema: it is ``wrong``, or only cannot be enforced."""

    text: str
    wrong: bool


Judge = Callable[[Schema], Problem | None]


def holdable(schema: Schema, judge: Judge, *, strict: bool) -> tuple[Schema, list[str]]:
    """``schema`` without what cannot be enforced, and a list of what that is, with its paths.

    Objects that list their properties get no others, unless the schema says so, because a small
    model would invent more for ever. ``judge`` says what is the matter with a schema, or returns
    None. Raises `GrammarError` for what is wrong and, with ``strict``, for what cannot be enforced.
    Its text begins with the path.
    """
    try:
        walk = _Walk(schema, judge)
        held: Schema = walk.held(schema, ())
        while not (strict and walk.left_out) and (problem := judge(held)) is not None:
            place, problem = _innermost(held, problem, judge)
            text = f"{_shown(place)}: {problem.text}" if place else problem.text
            if strict or problem.wrong or len(walk.left_out) >= _MOST_LEFT_OUT:
                raise GrammarError(f"{text}.")
            walk.left_out.append(text)
            held = _without(held, place)
    except RecursionError as error:
        raise GrammarError("the schema is nested too deeply.") from error
    if strict and walk.left_out:
        raise GrammarError(f"{walk.left_out[0]}.")
    return held, walk.left_out


class _Walk:
    """One walk through a schema. ``left_out`` lists what cannot be enforced."""

    def __init__(self, root: Schema, judge: Judge) -> None:
        self.left_out: list[str] = []
        self._open = set(_joined_references(root))
        self._judge_alone = cache(lambda keyword, value: judge({"type": "string", keyword: value}))

    def held(self, schema: Any, place: Place, *, joined: bool = False) -> Any:
        """What can be enforced of the ``schema`` at ``place``.

        It is ``joined`` if other schemas describe the same value.
        """
        if not isinstance(schema, dict):
            return schema
        held: dict[str, Any] = {}
        for keyword, value in schema.items():
            here = (*place, keyword)
            if keyword in _MAPS and isinstance(value, dict):
                held[keyword] = self._map(value, here)
            elif keyword in _LISTS and isinstance(value, list):
                also = _is_joined(schema, keyword)
                held[keyword] = [
                    self.held(item, (*here, i), joined=also) for i, item in enumerate(value)
                ]
            elif keyword in _SINGLE:
                held[keyword] = self.held(value, here)
            elif self._keeps(keyword, value, here) and not self._counts_options(schema, here):
                whole = keyword in _COUNTS and isinstance(value, float) and value.is_integer()
                held[keyword] = int(value) if whole else value
        # A joined schema does not know which properties the others allow.
        if not joined and _pointer(place) not in self._open and _lists_all_properties(schema):
            held["additionalProperties"] = False
        return held

    def _counts_options(self, schema: Schema, place: Place) -> bool:
        """Whether a keyword limits how many optional properties an object has."""
        properties, required = schema.get("properties"), schema.get("required") or []
        if place[-1] not in ("minProperties", "maxProperties") or not (
            isinstance(properties, dict) and isinstance(required, list)
        ):
            return False
        if all(name in required for name in properties):
            return False
        self.left_out.append(f"{_shown(place)}: this keyword cannot be enforced")
        return True

    def _map(self, schemas: Mapping[str, Any], place: Place) -> dict[str, Any]:
        return {
            name: self.held(schema, (*place, name))
            for name, schema in schemas.items()
            if place[-1] != "patternProperties" or self._keeps("pattern", name, place)
        }

    def _keeps(self, keyword: str, value: Any, place: Place) -> bool:
        """Whether a keyword can be enforced."""
        if keyword in _NOT_HELD and value != _NOT_HELD[keyword]:
            self.left_out.append(f"{_shown(place)}: this keyword cannot be enforced")
        if keyword in _NOT_HELD or keyword in _ONLY_WITH:
            return False
        if keyword not in ("format", "pattern") or not isinstance(value, str):
            return True
        problem = self._judge_alone(keyword, value)
        if problem is not None and keyword == "pattern":
            self.left_out.append(f"{_shown(place)}: {problem.text}")
        # Unknown formats are annotations.
        return problem is None


def _lists_all_properties(schema: Schema) -> bool:
    """Whether an object needs no properties besides those that the schema lists."""
    properties, required = schema.get("properties"), schema.get("required") or []
    return (
        isinstance(properties, dict)
        and isinstance(required, list)
        and all(isinstance(name, str) and name in properties for name in required)
        and not any(key in schema for key in ("additionalProperties", "$ref", *_COMBINED))
    )


def _is_joined(schema: Schema, keyword: str) -> bool:
    """Whether other schemas describe the same value as the schemas of ``keyword``."""
    if keyword not in _COMBINED:
        return False
    others = {"properties", "$ref", *_COMBINED} - {keyword}
    return (keyword == "allOf" and len(schema[keyword]) > 1) or not others.isdisjoint(schema)


def _joined_references(schema: Any) -> Iterator[str]:
    """The targets of references whose values other schemas describe too."""
    if isinstance(schema, dict):
        if not {"properties", *_COMBINED}.isdisjoint(schema):
            yield str(schema.get("$ref"))
        for keyword in _COMBINED:
            if isinstance(schema.get(keyword), list) and _is_joined(schema, keyword):
                yield from (str(s.get("$ref")) for s in schema[keyword] if isinstance(s, dict))
        schema = list(schema.values())
    if isinstance(schema, list):
        for item in schema:
            yield from _joined_references(item)


def _innermost(root: Schema, problem: Problem, judge: Judge) -> tuple[Place, Problem]:
    """Where the innermost schema is that has this kind of problem by itself, and its problem."""
    shared = {keyword: root[keyword] for keyword in ("$defs", "definitions") if keyword in root}
    kind = problem.text.partition(": ")[0]

    def search(schema: Schema, place: Place, known: Problem) -> tuple[Place, Problem]:
        for steps, inner in _inside(schema):
            found = judge({**shared, **inner}) if isinstance(inner, dict) else None
            if found is not None and found.text.partition(": ")[0] == kind:
                return search(inner, (*place, *steps), found)
        return place, known

    return search(root, (), problem)


def _without(schema: Any, place: Place) -> Any:
    """``schema``, relaxed at ``place``: oneOf becomes anyOf, or else only the type is kept."""
    if not place and "oneOf" in schema and "anyOf" not in schema:
        return {("anyOf" if key == "oneOf" else key): value for key, value in schema.items()}
    if not place:
        kept = {key: schema[key] for key in ("type", "$defs", "definitions") if key in schema}
        return kept if isinstance(schema.get("type"), str) else {}
    step, rest = place[0], place[1:]
    if isinstance(step, int):
        return [*schema[:step], _without(schema[step], rest), *schema[step + 1 :]]
    return {**schema, step: _without(schema[step], rest)}


def _inside(schema: Schema) -> Iterator[tuple[Place, Any]]:
    """The schemas directly inside ``schema``, each with the steps to it."""
    for keyword, value in schema.items():
        if keyword in _MAPS and isinstance(value, dict):
            yield from (((keyword, name), inner) for name, inner in value.items())
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, i), inner) for i, inner in enumerate(value))
        elif keyword in _SINGLE:
            yield (keyword,), value


def _pointer(place: Place) -> str:
    """The reference to a place (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in place)
    return "#" + "".join(f"/{step}" for step in steps)


def _shown(place: Place) -> str:
    """A path for error messages, such as ``properties.tags.items`` or ``anyOf[1]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    # It goes into the log too, where it must not start a new line.
    return "".join(c if c.isprintable() else "\ufffd" for c in text[1:201])
