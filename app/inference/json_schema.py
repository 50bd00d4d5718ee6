"""A JSON Schema as llguidance can hold answers to it, judged with the path of what is wrong.

llguidance knows most of JSON Schema 2020-12 and of the drafts since 4. What it does not know is
left out here, or refused where the caller was promised that all of the schema is kept.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..exceptions import GrammarError

Schema = Mapping[str, Any]

# Assertions of JSON Schema that llguidance does not have, with a value that asserts nothing. Other
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
_ONLY_WITH = {"minContains", "maxContains", "then", "else"}  # what those mean is gone with them
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}

# Where schemas are inside a schema.
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("prefixItems", "items", "anyOf", "oneOf", "allOf")
_SINGLE = ("items", "additionalItems", "additionalProperties")
_COMBINED = ("allOf", "anyOf", "oneOf")

_MOST_LEFT_OUT = 100

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """What is amiss with a schema: ``wrong`` in itself, or only more than can be held."""

    text: str
    wrong: bool


Judge = Callable[[Schema], Problem | None]


def holdable(schema: Schema, judge: Judge, *, strict: bool) -> tuple[Schema, list[str]]:
    """``schema`` without what answers cannot be held to, and what that is, with its path.

    Objects that list their properties have no others, unless the schema says so: a small model goes
    on with invented ones for ever. ``judge`` says what is amiss with a schema, or None. Raises
    `GrammarError` for what is wrong or, with ``strict``, cannot be held; its text begins with the
    path.
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
    """One way through a schema; ``left_out`` says what could not be kept."""

    def __init__(self, root: Schema, judge: Judge) -> None:
        self.left_out: list[str] = []
        self._open = set(_joined_references(root))
        self._judge_alone = cache(lambda keyword, value: judge({"type": "string", keyword: value}))

    def held(self, schema: Any, place: Place, *, joined: bool = False) -> Any:
        """``schema`` at ``place``, ``joined`` with others that speak of the same value."""
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
        # One of several schemas for a value does not know which properties the others allow.
        if not joined and _pointer(place) not in self._open and _lists_all_properties(schema):
            held["additionalProperties"] = False
        return held

    def _counts_options(self, schema: Schema, place: Place) -> bool:
        """Whether a keyword limits how many of the optional properties an object has."""
        properties, required = schema.get("properties"), schema.get("required") or []
        if place[-1] not in ("minProperties", "maxProperties") or not (
            isinstance(properties, dict) and isinstance(required, list)
        ):
            return False
        if all(name in required for name in properties):
            return False
        self.left_out.append(f"{_shown(place)}: answers cannot be held to this keyword")
        return True

    def _map(self, schemas: Mapping[str, Any], place: Place) -> dict[str, Any]:
        return {
            name: self.held(schema, (*place, name))
            for name, schema in schemas.items()
            if place[-1] != "patternProperties" or self._keeps("pattern", name, place)
        }

    def _keeps(self, keyword: str, value: Any, place: Place) -> bool:
        """Whether answers can be held to a keyword."""
        if keyword in _NOT_HELD and value != _NOT_HELD[keyword]:
            self.left_out.append(f"{_shown(place)}: answers cannot be held to this keyword")
        if keyword in _NOT_HELD or keyword in _ONLY_WITH:
            return False
        if keyword not in ("format", "pattern") or not isinstance(value, str):
            return True
        problem = self._judge_alone(keyword, value)
        if problem is not None and keyword == "pattern":
            self.left_out.append(f"{_shown(place)}: {problem.text}")
        # Formats that are not known are annotations.
        return problem is None


def _lists_all_properties(schema: Schema) -> bool:
    """Whether an object can do without properties that the schema does not list."""
    properties, required = schema.get("properties"), schema.get("required") or []
    return (
        isinstance(properties, dict)
        and isinstance(required, list)
        and all(isinstance(name, str) and name in properties for name in required)
        and not any(key in schema for key in ("additionalProperties", "$ref", *_COMBINED))
    )


def _is_joined(schema: Schema, keyword: str) -> bool:
    """Whether the schemas of ``keyword`` speak of a value of which others speak too."""
    if keyword not in _COMBINED:
        return False
    others = {"properties", "$ref", *_COMBINED} - {keyword}
    return (keyword == "allOf" and len(schema[keyword]) > 1) or not others.isdisjoint(schema)


def _joined_references(schema: Any) -> Iterator[str]:
    """The targets of references that speak of a value of which other schemas speak too."""
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
    """Where the innermost schema is that has this kind of problem alone, and its problem."""
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
    """``schema`` with any of its alternatives, or else no more than its type, at ``place``."""
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
    """The schemas just inside ``schema``, each with the steps to it."""
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
    """A path as error messages have it: ``properties.tags.items``, ``anyOf[1]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    # It goes into the log too, where it must not begin a line.
    return "".join(c if c.isprintable() else "\ufffd" for c in text[1:201])
