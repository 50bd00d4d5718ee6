"""Jupyter notebooks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..snippets import Document, Page
from .data import json_
from .encodings import decoded
from .markdown import fenced


def notebook(path: Path) -> Document:
    """Reads the text, the code and its output."""
    try:
        cells = json.loads(decoded(path.read_bytes()))["cells"]
        parts = [part for cell in cells for part in _cell(cell)]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return json_(path)
    return Document((Page("\n\n".join(parts)),), markdown=True, lines=False)


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        yield source
        return
    yield fenced(source)
    for output in cell.get("outputs", ()):
        # Printed output, or the text version of a picture or a table.
        written = output.get("text") or output.get("data", {}).get("text/plain") or ""
        yield fenced("".join(written))
