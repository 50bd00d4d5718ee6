"""JSON and XML. Each value is quoted with the names that lead to it."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from lxml import etree

from ..snippets import Document, Page
from .encodings import decoded

# Shows a value as a text, or as its parts with their names (empty in a list).
Parts = Iterable[tuple[str, Any]]
Look = Callable[[Any], str | Parts]

# Characters. Shorter values become one line.
_LINE, _LABEL = 300, 60
_LABELS = ("name", "title", "label", "id", "key")  # the best first
_DEPTH = 6  # headings; the end of a longer path says more


def json_(path: Path) -> Document:
    """Reads each record as a line under headings, or a damaged file as it is."""
    text = decoded(path.read_bytes())
    try:
        return _document(_json(text), _json_parts)
    except (ValueError, RecursionError):
        return Document((Page(text),))


def json_lines(path: Path) -> Document:
    """Reads each line with the names of its values, or as it is if it is damaged."""
    lines = decoded(path.read_bytes()).split("\n")
    return Document((Page("\n".join(map(_json_line, lines))),))


def xml(path: Path) -> Document:
    """Reads each record as a line under headings, or a damaged file as it is."""
    parser = etree.XMLParser(
        resolve_entities="internal",  # libxml2 has a limit for what they become
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    data = path.read_bytes()
    try:
        return _document(etree.fromstring(data, parser), _xml_parts)
    except (etree.XMLSyntaxError, RecursionError):
        return Document((Page(decoded(data)),))


def _json(text: str) -> Any:
    # Numbers are quoted as they are written.
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


def _json_line(line: str) -> str:
    try:
        return "; ".join(_named(_leaves(_json(line), _json_parts)))
    except (ValueError, RecursionError):
        return line


def _json_parts(value: Any) -> str | Parts:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list):
        return (("", one) for one in value)
    if isinstance(value, str):
        return value
    return "" if value is None else str(value).lower()  # true, false


def _xml_parts(element: Any) -> str | Parts:
    if isinstance(element, str):
        return element
    attributes = [(name, str(text)) for name, text in element.items() if "}" not in name]
    texts = (element.text, *(child.tail for child in element))
    if len(element) and not any(text and text.strip() for text in texts):
        return [*attributes, *((etree.QName(child).localname, child) for child in element)]
    text = "".join(element.itertext()).strip()  # with markup inside, as that of a word
    return [*attributes, ("", text)] if attributes else text


def _document(value: Any, look: Look) -> Document:
    pages = (
        Page("\n".join(line for _, line in lines), headings=path[-_DEPTH:])
        for path, lines in groupby(_lines((), value, look), lambda found: found[0])
    )
    return Document(tuple(pages), lines=False)


def _lines(path: tuple[str, ...], value: Any, look: Look) -> Iterator[tuple[tuple[str, ...], str]]:
    """The lines for ``value``, each with its path."""
    parts = look(value)
    if isinstance(parts, str):
        yield path, parts
        return
    for is_plain, group in groupby(parts, lambda part: not part[0] and _is_text(part[1], look)):
        if is_plain:
            texts = [text for _, part in group if (text := str(look(part)))]
            yield path, (", " if max(map(len, texts), default=0) <= _LABEL else "\n").join(texts)
            continue
        for name, part in group:
            if (line := _line(name, part, look)) is None:
                label = " ".join(filter(None, (name, _label(part, look))))
                yield from _lines((*path, label) if label else path, part, look)
            elif line:
                yield path, line


def _is_text(value: Any, look: Look) -> bool:
    return isinstance(look(value), str)


def _line(name: str, value: Any, look: Look) -> str | None:
    """``value`` with the names in it, or None if it is too long for a line."""
    leaves, length = [], len(name)
    for names, text in _leaves(value, look):
        leaves.append((names, text))
        length += len(text) + 2
        if length > _LINE:
            return None
    line = "; ".join(_named(leaves))
    return f"{name}: {line}" if name and line else line


def _leaves(
    value: Any, look: Look, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The texts in ``value``, each with the names that lead to it."""
    parts = look(value)
    if isinstance(parts, str):
        if parts:
            yield names, " ".join(parts.split())
        return
    for name, part in parts:
        yield from _leaves(part, look, (*names, name) if name else names)


def _named(leaves: Iterable[tuple[tuple[str, ...], str]]) -> Iterator[str]:
    for names, group in groupby(leaves, lambda leaf: leaf[0]):
        values = ", ".join(text for _, text in group)
        yield f"{'.'.join(names)}: {values}" if names else values


def _label(value: Any, look: Look) -> str:
    """The value that distinguishes a part of a list from the others."""
    parts = look(value)
    texts = {n.lower(): look(part) for n, part in ([] if isinstance(parts, str) else parts)}
    labels = (texts.get(name, "") for name in _LABELS)
    return next((text for text in labels if isinstance(text, str) and 0 < len(text) <= _LABEL), "")
