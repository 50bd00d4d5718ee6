"""What is read of a folder, and in which pieces."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """``snippet_size`` in characters, ``file_size`` in bytes, ``exclude`` as in .gitignore."""

    snippet_size: int = 512
    file_size: int = 50 << 20
    exclude: tuple[str, ...] = ()
