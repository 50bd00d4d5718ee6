"""HTML, as a reader sees it."""

import warnings
from pathlib import Path

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from markdownify import MarkdownConverter

from ..snippets import Document, Page


def html(path: Path) -> Document:
    """Its text as Markdown, its title and author."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML is read as HTML too
        soup = BeautifulSoup(path.read_bytes(), "lxml")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    meta = soup.find("meta", attrs={"name": "author"})
    author = str(meta.get("content", "")) if meta else ""
    for element in soup(["head", "script", "style", "template"]):
        element.decompose()
    converter = MarkdownConverter(heading_style="atx", strip=["a", "img"], escape_misc=False)
    return Document(
        (Page(converter.convert_soup(soup)),),
        title,
        author,
        markdown=True,
        lines=False,
    )
