"""Downloads model files from the web and from Hugging Face's hub with huggingface_hub.

An unfinished file is in a hidden folder of the models folder. So it is never taken for a model,
and the last step is a rename. An interrupted download resumes where it stopped.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get

from .disk import lacking, sha256

_UNDER_WAY = ".downloads"
_BLOCK = 1 << 20


class DownloadError(Exception):
    """A file could not be fetched. The text says why and what to do."""


def is_url(source: str) -> bool:
    """Whether ``source`` is a URL rather than a path."""
    return source.lower().startswith(("http://", "https://"))


def name_in(url: str) -> str:
    """The file's name at the end of ``url``."""
    return PurePosixPath(unquote(urlsplit(url).path)).name


def download(url: str, folder: Path) -> Path:
    """Downloads ``url``, or what is still missing of it, into a hidden folder of ``folder``.

    Returns the path of the complete file, which has the name in the URL. Raises `DownloadError`.
    """
    with _explained(f"{url} cannot be downloaded"):
        metadata = get_hf_file_metadata(url, token=False)
        # With the ETag, because a download must not resume with another version of the file.
        path = _under_way(folder, f"{url} {metadata.etag}") / name_in(url)
        done = path.stat().st_size if path.exists() else 0
        _check_disk(folder, (metadata.size or 0) - done)
        with path.open("ab") as file:
            http_get(url, file, resume_size=done, expected_size=metadata.size)
    return path


def pull(repository: str, filename: str, folder: Path) -> Path:
    """Downloads a file from a repository on Hugging Face's hub, or on ``HF_ENDPOINT`` if it is set.

    Returns the path of the complete file in a hidden folder of ``folder``. Its checksum is the
    hub's. Raises `DownloadError`.
    """
    endpoint = os.environ.get("HF_ENDPOINT")
    with _explained(f"{filename} of {repository} cannot be downloaded"):
        url = hf_hub_url(repository, filename, endpoint=endpoint)
        metadata = get_hf_file_metadata(url)
        _check_disk(folder, metadata.size or 0)
        work = _under_way(folder, f"{url} {metadata.etag}")
        path = Path(hf_hub_download(repository, filename, local_dir=work, endpoint=endpoint))
    # The ETag of a large file is its SHA-256, that of a small one a Git hash.
    if len(metadata.etag or "") == 64 and sha256(path) != metadata.etag:
        discard(path)
        raise DownloadError(
            f"{filename} is damaged: its checksum is not the hub's. It was deleted; try again."
        )
    return path


def copy(source: Path, folder: Path, progress: Callable[[int], None]) -> Path:
    """Copies a file into a hidden folder of ``folder`` and returns the copy's path.

    ``progress`` is called with the number of bytes of each block. Raises `DownloadError`.
    """
    with _explained(f"{source} cannot be copied"):
        _check_disk(folder, source.stat().st_size)
        path = _under_way(folder, str(source)) / source.name
        with source.open("rb") as old, path.open("wb") as new:
            while block := old.read(_BLOCK):
                new.write(block)
                progress(len(block))
    return path


def discard(path: Path) -> None:
    """Deletes the hidden folder of ``path``, which one of the functions above returned."""
    work = next(folder for folder in path.parents if folder.parent.name == _UNDER_WAY)
    shutil.rmtree(work)
    with suppress(OSError):  # other downloads may be running
        work.parent.rmdir()


def _under_way(folder: Path, what: str) -> Path:
    """The hidden folder for ``what``. Creates it if it is missing."""
    path = folder / _UNDER_WAY / hashlib.sha256(what.encode()).hexdigest()[:16]
    path.mkdir(parents=True, exist_ok=True)
    return path


def _check_disk(folder: Path, size: int) -> None:
    """Raises `DownloadError` unless there is room for ``size`` bytes."""
    if (problem := lacking(folder, size)) is not None:
        raise DownloadError(f"It {problem}")


@contextmanager
def _explained(failure: str) -> Iterator[None]:
    """Turns every error inside the block into a `DownloadError`."""
    try:
        yield
    except DownloadError:
        raise
    # The errors of the hub, of its HTTP library and of the disk have no common base.
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
        raise DownloadError(
            f"{failure}: {reason}. Run the same command again to resume where it stopped."
        ) from error
