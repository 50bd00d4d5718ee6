"""Turns the events of an HTML parser into Markdown."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from .html_links import shown_address
from .html_tables import Block, Table
from .markdown import fenced

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|caption|center|dd|details|dialog|div|dl|dt|fieldset"
    "|figcaption|figure|footer|form|h[1-6]|header|hr|legend|li|main|menu|nav|ol|p|pre|section"
    "|summary|table|td|text|textarea|th|tr|ul"
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
# Elements that are not shown, or only by browsers that cannot show another one.
_UNSEEN = re.compile(
    "audio|canvas|datalist|iframe|noscript|object|rp|rt|script|style|template|video"
)
_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)
_UNSEEN_INPUTS = frozenset(("hidden", "password", "file", "image", "color", "range"))
_MOST_TABLES = 20  # inside each other; deeper ones are read as text
_SPACE = re.compile(r"[ \t\n\r\f]+")


@dataclass
class _List:
    ordered: bool
    number: int = 0


@dataclass
class _Sink:
    """The page or a table cell, to which blocks are added."""

    blocks: list[Block] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)


class MarkdownTarget:
    """A target for lxml's parsers. ``meta`` has the contents of the meta elements by name."""

    def __init__(self) -> None:
        self.meta: defaultdict[str, list[str]] = defaultdict(list)
        self._title: list[str] = []
        self._depth = 0
        self._hidden_at: int | None = None  # the depth of the element that hides all in it
        self._inside = Counter[str]()  # how many of a name are open
        self._inline: list[str] = []
        self._marker = ""  # of a list's item, before its first block
        self._sinks = [_Sink()]
        self._tables: list[Table] = []
        self._link = "", 0  # its address, and where its text begins

    # -- Results

    def title(self) -> str:
        """The title of the page."""
        return " ".join("".join(self._title).split())

    def markdown(self) -> str:
        """The text of the page."""
        self._end_block()
        return Block.joined(self._sinks[0].blocks)

    # -- Events, called by the parser

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Takes the start of an element."""
        self._depth += 1
        if name == "meta":
            self._note_meta(attributes)
        if self._hidden_at is None and _is_hidden(name, attributes):
            self._hidden_at = self._depth
        if self._hidden_at is None:
            if _BLOCK.fullmatch(name):
                self._end_block()
                self._start_block(name, attributes)
            else:
                self._start_inline(name, attributes)
        self._inside[name] += 1

    def end(self, name: str) -> None:
        """Takes the end of an element."""
        if self._hidden_at is None:
            if _BLOCK.fullmatch(name):
                self._end_block(name)
                self._leave(name)
            elif name == "a":
                self._end_link()
        elif self._hidden_at == self._depth:
            self._hidden_at = None
        self._inside[name] -= 1
        self._depth -= 1

    def data(self, text: str) -> None:
        """Takes a piece of text."""
        if self._inside["title"] and self._inside["head"]:
            self._title.append(text)
        elif self._hidden_at is None and not self._inside["head"]:
            if not self._inside["pre"]:
                text = _SPACE.sub(" ", text)
            # 10 to the power of 6 must not become 106, nor a footnote a part of the word.
            before = self._inline[-1] if self._inline else ""
            if self._inside["sup"] and text[:1].isdigit() and before[-1:].isalnum():
                text = f"^{text}"
            self._inline.append(text)

    def close(self) -> None:
        """Takes the end of the page."""

    # -- Parts

    def _note_meta(self, attributes: Mapping[str, str]) -> None:
        name = attributes.get("name") or attributes.get("property") or attributes.get("itemprop")
        content = " ".join(attributes.get("content", "").split())
        if name and content:
            self.meta[name.lower()].append(content)

    def _start_inline(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "br":
            self._inline.append("\n")
        elif name == "a":
            self._end_link()  # there are no links in links
            self._link = attributes.get("href", ""), len(self._inline)
        elif name == "img":
            self._inline.append(f" {attributes.get('alt', '')} ")
        elif name == "option":
            self._inline.append(" ")
        elif name == "input":
            self._show_input(attributes)

    def _show_input(self, attributes: Mapping[str, str]) -> None:
        kind = attributes.get("type", "text").lower()
        if kind in ("checkbox", "radio"):
            self._inline.append("[x] " if "checked" in attributes else "[ ] ")
        elif kind not in _UNSEEN_INPUTS:
            self._inline.append(f" {attributes.get('value', '')} ")

    def _end_link(self) -> None:
        (address, start), self._link = self._link, ("", 0)
        text = "".join(self._inline[start:]) if address else ""
        shown = shown_address(address, text)
        if shown and text.strip():
            self._inline[start:] = [f"[{text.strip()}]({shown})"]

    def _start_block(self, name: str, attributes: Mapping[str, str]) -> None:
        sink = self._sinks[-1]
        if name in ("ul", "ol"):
            sink.lists.append(_List(name == "ol"))
        elif name == "li" and sink.lists:
            sink.lists[-1].number += 1
            marker = f"{sink.lists[-1].number}. " if sink.lists[-1].ordered else "- "
            self._marker = "  " * min(len(sink.lists) - 1, 8) + marker
        elif name == "table" and self._inside["table"] < _MOST_TABLES:
            self._tables.append(Table())
        elif name == "tr" and self._is_in_table():
            self._tables[-1].start_row()
        elif name in ("td", "th") and self._is_in_table():
            self._sinks.append(_Sink(self._tables[-1].start_cell(name == "th", attributes)))

    def _is_in_table(self) -> bool:
        """Whether the innermost open table is read as a table."""
        return 0 < self._inside["table"] <= _MOST_TABLES

    def _leave(self, name: str) -> None:
        """Leaves the list, table or cell that ends with a block."""
        sink = self._sinks[-1]
        if name in ("ul", "ol") and sink.lists:
            sink.lists.pop()
        elif not self._is_in_table():
            return
        elif name in ("td", "th"):
            self._sinks.pop()
        elif name == "table":
            sink.blocks += self._tables.pop().blocks()

    def _end_block(self, name: str = "") -> None:
        """Makes a block of the text since the last one."""
        if self._inside["pre"] and name != "pre":
            self._inline.append("\n")  # some pages put each line of code into an element
            return
        text, self._inline, self._link = "".join(self._inline), [], ("", 0)
        if not text.strip():
            return
        if self._inside["pre"]:
            block = Block(fenced(text), plain=False)
        else:
            lines = (" ".join(line.split()) for line in text.split("\n"))
            block = self._in_its_form("\n".join(filter(None, lines)), name)
        self._sinks[-1].blocks.append(block)

    def _in_its_form(self, text: str, name: str) -> Block:
        marker, self._marker = self._marker, ""
        if name in _HEADINGS:
            return Block(_HEADINGS[name] + text.replace("\n", " "), plain=False)
        lists = self._sinks[-1].lists
        if marker or lists:
            is_first = len(lists) == 1 and lists[0].number == 1
            return Block(marker + text, tight=bool(marker) and not is_first, plain=False)
        if name == "dt" and text[-1].isalnum():
            return Block(f"{text}:")
        return Block(text, tight=self._inside["dd"] > 0)


def _is_hidden(name: str, attributes: Mapping[str, str]) -> bool:
    if _UNSEEN.fullmatch(name) or (name == "dialog" and "open" not in attributes):
        return True
    if name == "option" and "selected" not in attributes:
        return True
    if attributes.get("hidden", "until-found").lower() != "until-found":
        return True
    return bool(_HIDING.search(attributes.get("style", "")))
