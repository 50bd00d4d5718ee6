"""Where llama.cpp's library is, and what it knows, without loading it."""

import mmap
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_PACKAGE, _DISTRIBUTION = "llama_cpp", "llama-cpp-python"


def installed() -> str:
    """The place and time of the package, which tell when it is another one; empty without it."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return ""
    return f"{spec.origin} {Path(spec.origin).stat().st_mtime_ns}"


def release() -> str:
    """The name and version of the package."""
    return f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"


@cache
def knows(architecture: str) -> bool:
    """Whether the library has the name of an architecture.

    It has no call that lists them, but has their names as C strings. So it need not be loaded in
    the server, which it could crash.
    """
    name = architecture.encode() + b"\0"
    return any(_contains(path, name) for path in _libraries())


def _libraries() -> list[Path]:
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "lib"
    return [path for path in folder.iterdir() if "llama" in path.name and path.is_file()]


def _contains(path: Path, text: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(text) >= 0
