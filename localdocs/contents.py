"""What was read from a collection; it is stored next to the snippets."""

import json
from dataclasses import asdict, dataclass, field

# Change it when texts get other terms or weights: every index is then built again.
_FORMAT = 2


@dataclass(frozen=True)
class FileState:
    """A file as it was read; ``version`` comes from `FoundFile`.

    ``problem`` says why it has no snippets. ``opened`` is False if the file was not opened at
    all.
    """

    version: tuple[int, int, int]
    snippets: int = 0
    words: int = 0
    problem: str | None = None
    opened: bool = True


@dataclass(frozen=True)
class Contents:
    """What is in an index: the files that were read, by name, and the size of the snippets.

    ``others`` counts the files in other formats by suffix, most frequent first.
    """

    snippet_size: int
    files: dict[str, FileState] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    @property
    def snippets(self) -> int:
        """How many snippets there are."""
        return sum(state.snippets for state in self.files.values())

    @property
    def words(self) -> int:
        """How many words the snippets have."""
        return sum(state.words for state in self.files.values())

    @property
    def problems(self) -> dict[str, str]:
        """Why files give no snippets, by name."""
        return {name: s.problem for name, s in self.files.items() if s.problem is not None}


def manifest(contents: Contents) -> str:
    """Turns ``contents`` into text that `parsed` reads."""
    return json.dumps({"format": _FORMAT, **asdict(contents)})


def parsed(manifest: str) -> Contents | None:
    """Reads what `manifest` wrote; None if it is in an outdated format.

    Raises `ValueError`, `KeyError`, `TypeError` or `AttributeError` if it is damaged.
    """
    data = json.loads(manifest or "{}")
    if data.get("format") != _FORMAT:
        return None
    files = {
        file: FileState(**{**state, "version": tuple(state["version"])})
        for file, state in data["files"].items()
    }
    return Contents(data["snippet_size"], files, data["others"])
