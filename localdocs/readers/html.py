"""HTML, as its readers see it."""

import re
from pathlib import Path

from lxml import etree

from ..snippets import Document, Page
from .cleaning import day
from .encodings import decoded
from .html_text import MarkdownTarget

# UTF names are left out: a declaration that can be found like this is not in UTF-16.
_DECLARED = re.compile(
    rb"""<(?:\?xml[^>]*encoding|meta[^>]*charset)\s*=\s*["']?\s*(?!utf)([\w-]+)""", re.IGNORECASE
)
_DECLARED_WITHIN = 4096  # bytes

# The names of meta elements, the best one first.
_AUTHORS = ("author", "article:author", "dc.creator", "dcterms.creator")
_DATES = (
    *("date", "article:published_time", "dc.date", "dcterms.date", "dcterms.created"),
    *("article:modified_time", "dcterms.modified", "last-modified"),
)
_TAGS = ("keywords", "news_keywords", "article:tag", "dc.subject")


def html(path: Path) -> Document:
    """Reads the text as Markdown. Raises `UnreadableFile` if it is not text."""
    return html_document(path.read_bytes())


def html_document(data: bytes) -> Document:
    """Reads HTML or XHTML. Raises `UnreadableFile` if ``data`` is not text."""
    declared = _DECLARED.search(data[:_DECLARED_WITHIN])
    text = decoded(data, declared[1].decode() if declared else "")
    # Events are used because a tree of lxml is cut where elements are nested 2,048 deep.
    target = MarkdownTarget()
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    parser.feed(text.encode(errors="replace"))
    parser.close()
    said = target.meta
    return Document(
        (Page(target.markdown()),),
        target.title(),
        next((said[name][0] for name in _AUTHORS if name in said), ""),
        next(filter(None, (day(said[name][0]) for name in _DATES if name in said)), ""),
        ", ".join(tag for name in _TAGS for tag in said.get(name, ())),
        markdown=True,
        lines=False,
    )
