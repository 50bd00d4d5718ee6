"""reStructuredText, with the directives and roles of Sphinx, which docutils does not know."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en

from ..snippets import Document, Page
from .cleaning import day
from .encodings import decoded
from .markdown import fenced
from .tables import named_rows

# Characters. docutils takes up to 15 s for a million, and much longer for long lines.
_LARGEST, _LONGEST_LINE = 1_000_000, 10_000
_DIRECTIVE = re.compile(r"^[ \t]*\.\. +(?:\|[^|\n]+\| +)?([a-zA-Z][\w:.+-]*)::", re.MULTILINE)
_ROLE = re.compile(r":([a-zA-Z][\w:.+-]*):`")
_CODE = re.compile(r"code|prompt|doctest|testcode|math|productionlist|graph|diagram|uml|mermaid")
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "report_level": 5,
    "halt_level": 5,
    "warning_stream": "",
    "doctitle_xform": True,
    "line_length_limit": _LONGEST_LINE,
}


def rst(path: Path) -> Document:
    """Reads the text without its markup, or as it is if docutils cannot do it in time."""
    text = decoded(path.read_bytes())
    if len(text) > _LARGEST or max(map(len, text.split("\n"))) > _LONGEST_LINE:
        return Document((Page(text),))
    _take_unknown(text)
    try:
        tree = publish_doctree(text, settings_overrides=_SETTINGS)
    # An unexpected error is a fault of docutils. The text is still worth finding.
    except Exception:
        return Document((Page(text),))
    return Document(
        (Page(_joined(tree, 1 if tree.get("title") else 0)),),
        title=str(tree.get("title", "")),
        author=", ".join(author.astext() for author in tree.findall(nodes.author)),
        date=day("".join(date.astext() for date in tree.findall(nodes.date))),
        markdown=True,
        lines=False,
    )


def _joined(node: nodes.Element, level: int, between: str = "\n\n") -> str:
    """The content of ``node``, which is under ``level`` headings, as Markdown."""
    return between.join(filter(None, (_block(child, level) for child in node.children)))


def _block(node: nodes.Node, level: int) -> str:
    match node:
        case nodes.Invisible() | nodes.meta() | nodes.label():
            return ""
        case nodes.system_message():  # with the source of what was wrong
            return "\n\n".join(source.astext() for source in node.findall(nodes.literal_block))
        case nodes.section():
            return _joined(node, level + 1)
        case nodes.title() if isinstance(node.parent, nodes.section | nodes.document):
            return f"{'#' * min(level, 6)} {' '.join(node.astext().split())}"
        case nodes.line():
            return node.astext()
        case nodes.FixedTextElement():
            return fenced(node.astext())
        case nodes.TextElement() | nodes.image():
            return " ".join(node.astext().split())
        case nodes.table():
            return "\n".join(named_rows(_rows(node)))
        case nodes.field() | nodes.definition_list_item() | nodes.option_list_item():
            name, *rest = node.children
            return f"{name.astext()}: {_joined(nodes.container('', *rest), level)}"
        case nodes.list_item():
            return f"- {_joined(node, level)}".replace("\n", "\n  ")
        case nodes.line_block() | nodes.field_list() | nodes.docinfo() | nodes.option_list():
            return _joined(node, level, "\n")
        case nodes.Element() if isinstance(node, nodes.Admonition):
            return f"{node.tagname.capitalize()}: {_joined(node, level)}"
        case nodes.Element():
            return _joined(node, level)
    return node.astext()


def _rows(table: nodes.table) -> Iterator[list[str]]:
    for row in table.findall(nodes.row):
        yield [entry.astext() for entry in row.children]


class _AnyOption(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return directives.unchanged


class _Unknown(Directive):
    """A directive whose meaning is not known."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = _AnyOption(name=directives.unchanged)  # an empty one would not be asked

    def run(self) -> list[nodes.Node]:
        """Returns its argument and its content, as code or as text."""
        found = nodes.container()
        if self.name in {"raw", "toctree"}:
            return []
        code = _CODE.search(self.name)
        if self.arguments and not code:
            texts, _ = self.state.inline_text(f"{self.name}: {self.arguments[0]}", self.lineno)
            found += nodes.paragraph("", "", *texts)
        if code:
            found += nodes.literal_block("", "\n".join(self.content))
        else:
            self.state.nested_parse(self.content, self.content_offset, found)
        return [found]


def _unknown_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, *more: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Returns the text of a role whose meaning is not known, without its ``<target>``."""
    shown, _, _ = text.partition(" <")
    return [nodes.inline(rawtext, shown.lstrip("~!"))], []


def _take_unknown(text: str) -> None:
    """Registers the directives and roles in ``text`` that docutils does not know."""
    for name in {*map(str.lower, _DIRECTIVE.findall(text)), "raw"}:
        if name not in en.directives or name in {"code-block", "raw", "sourcecode"}:
            directives.register_directive(name, _Unknown)
    for name in {*map(str.lower, _ROLE.findall(text))} - en.roles.keys():
        # types-docutils 0.23 allows only references.
        roles.register_local_role(name, _unknown_role)  # type: ignore[arg-type]
