"""What is known of each GGUF and what was made from it, kept in the cache folder.

An entry is a folder, named by the file's path and identity:

- ``judgement.json``: the file's `Facts`, or why it cannot be used;
- ``tokenizer``: the tokenizer in its library's own format;
- ``weights.gguf``: what ctransformers loads, unless it can load the file itself;
- ``sizes.json``: the sizes of these two in bytes, written last.

All of it can be deleted at any time.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from .adapt import loads_as_it_is, write_adapted
from .errors import ModelError
from .gguf_file import GGUFFile, read_gguf
from .tensors import Tensor
from .tokenizer import CODECS, Vocabulary, judge_tokenizer
from .vocabulary import VocabularyFacts, judge_vocabulary
from .weights import Sizes, judge_architecture, judge_weights, parameters

_log = logging.getLogger(__name__)

_VERSION = 2  # raised when what was judged or prepared before must be made anew
_HEADER_BYTES = 1 << 20
_JUDGEMENT, _TOKENIZER, _WEIGHTS, _SIZES = (
    "judgement.json", "tokenizer", "weights.gguf", "sizes.json",
)  # fmt: skip
_SPARE_BYTES = 64 << 20  # that a disk shall have left
_REPORT_EVERY = 5  # seconds between two words about progress


@dataclass(frozen=True)
class Facts:
    """What a GGUF says of its model.

    ``weight_type`` is that of most weights, ``context_length`` the trained one in tokens.
    ``in_place`` says that ctransformers loads the file itself; otherwise ``adapted_size`` is
    the number of bytes of what it loads instead.
    """

    architecture: str
    weight_type: str
    parameters: int
    context_length: int
    in_place: bool
    adapted_size: int
    chat_template: str | None
    vocabulary: VocabularyFacts


@dataclass(frozen=True)
class PreparedModel:
    """A model that can be loaded in a fraction of a second: ``weights`` is for ctransformers."""

    facts: Facts
    weights: Path
    _tokenizer: Path

    def vocabulary(self) -> Vocabulary:
        """The model's vocabulary, read from the cache. Raises `ModelError`."""
        return Vocabulary.load(self._tokenizer, self.facts.vocabulary)


class ModelCache:
    """Judges and prepares GGUFs, each version of a file once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[tuple[int, int], Facts | str]] = {}

    def judge(self, path: Path) -> Facts:
        """What is known of the GGUF at ``path``. Raises `ModelError` when it cannot be used."""
        version = _version(path)
        known = self._known.get(path)
        if known is None or known[0] != version:
            known = self._known[path] = (version, self._judgement(path))
        if isinstance(known[1], str):
            raise ModelError(known[1])
        return known[1]

    def prepare(self, path: Path) -> PreparedModel:
        """The GGUF at ``path``, ready to be loaded. Raises `ModelError` when that is impossible."""
        try:
            entry = self._entry(path)
            if not (entry / _JUDGEMENT).exists():  # somebody has deleted the cache
                self._known.pop(path, None)
            facts = self.judge(path)
            if not _is_whole(entry):
                self._folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self._folder / ".lock"):
                    if not _is_whole(entry):
                        self._prepare(path, entry)
        except OSError as error:
            raise ModelError(f"{path.name} cannot be prepared: {error}.") from error
        weights = path if facts.in_place else entry / _WEIGHTS
        return PreparedModel(facts, weights, entry / _TOKENIZER)

    def forget(self, path: Path) -> None:
        """Deletes what was made from the file that is, or was, at ``path``."""
        for entry in self._entries_of(path):
            shutil.rmtree(entry)

    def _judgement(self, path: Path) -> Facts | str:
        """From the entry, or made now: facts, or the reason why the file cannot be used."""
        try:
            entry = self._entry(path)
        except OSError as error:
            return f"{path.name} cannot be read: {error.strerror or error}."
        try:
            return _read_judgement(entry)
        except (OSError, ValueError, TypeError, KeyError):
            pass  # nothing there, or damaged: judged anew
        judgement: dict[str, Any] = {"path": str(path)}
        try:
            facts = _judge(read_gguf(path))[0]
            judgement["facts"] = asdict(facts)
        except ModelError as error:
            judgement["reason"] = str(error)
        try:
            entry.mkdir(parents=True, exist_ok=True)
            with _replacing(entry / _JUDGEMENT) as new:
                new.write_text(json.dumps(judgement), encoding="utf-8")
        except OSError as error:  # a full disk: the judgement stands
            _log.warning("%s cannot be written: %s", entry / _JUDGEMENT, error)
        return str(judgement["reason"]) if "reason" in judgement else facts

    def _prepare(self, path: Path, entry: Path) -> None:
        """Makes ``entry`` whole. The caller holds the cache's lock."""
        self._clean(path, entry)
        entry.mkdir(parents=True, exist_ok=True)
        file = read_gguf(path)
        facts, sizes, tensors = _judge(file)
        with _replacing(entry / _TOKENIZER) as new:
            CODECS[facts.vocabulary.kind].save(file, facts.vocabulary, new)
        if not facts.in_place:
            free = shutil.disk_usage(entry).free
            if free < facts.adapted_size + _SPARE_BYTES:
                raise file.unusable(
                    f"it must be rewritten once for the engine, which takes "
                    f"{facts.adapted_size >> 20} MiB, but the disk of {self._folder} has only "
                    f"{free >> 20} MiB left."
                )
            with _replacing(entry / _WEIGHTS) as new:
                write_adapted(sizes, tensors, path, new, _report(path, facts.adapted_size))
        with _replacing(entry / _SIZES) as new:
            new.write_text(json.dumps(_file_sizes(entry)), encoding="utf-8")
        _log.info("%s is prepared.", path.name)

    def _clean(self, path: Path, keep: Path) -> None:
        """Deletes what was made from other versions of the file, and from files that are gone."""
        for entry in self._folder.iterdir():
            if entry != keep and entry.is_dir():
                source = _source(entry)
                if source is None or source == path or not source.exists():
                    # Windows keeps what a running server has open; it is deleted next time.
                    shutil.rmtree(entry, ignore_errors=True)
        if keep.exists():
            for leftover in keep.glob(".new-*"):
                leftover.unlink()

    def _entries_of(self, path: Path) -> Iterator[Path]:
        if self._folder.exists():
            yield from (e for e in self._folder.iterdir() if e.is_dir() and _source(e) == path)

    def _entry(self, path: Path) -> Path:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        identity = f"{_VERSION} {path} {_version(path)} ".encode(errors="surrogateescape")
        return self._folder / hashlib.sha256(identity + header).hexdigest()[:16]


def _judge(file: GGUFFile) -> tuple[Facts, Sizes, list[Tensor]]:
    architecture = judge_architecture(file)
    vocabulary = judge_vocabulary(file)
    judge_tokenizer(file, vocabulary)
    sizes, tensors = judge_weights(file, vocabulary.size)
    types: Counter[str] = Counter()
    for tensor in tensors:
        types[tensor.source.tensor_type.name] += tensor.size
    facts = Facts(
        architecture=architecture,
        weight_type=types.most_common(1)[0][0],
        parameters=parameters(tensors),
        context_length=sizes.context_length,
        in_place=loads_as_it_is(file, sizes, tensors, vocabulary),
        adapted_size=sum(tensor.size for tensor in tensors),
        chat_template=file.typed("tokenizer.chat_template", str),
        vocabulary=vocabulary,
    )
    return facts, sizes, tensors


def _version(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    return status.st_size, status.st_mtime_ns


def _read_judgement(entry: Path) -> Facts | str:
    judgement = json.loads((entry / _JUDGEMENT).read_text(encoding="utf-8"))
    if "reason" in judgement:
        return str(judgement["reason"])
    facts = judgement["facts"]
    return Facts(**{**facts, "vocabulary": VocabularyFacts(**facts["vocabulary"])})


def _source(entry: Path) -> Path | None:
    """The GGUF from which an entry was made; None when nobody knows."""
    try:
        return Path(json.loads((entry / _JUDGEMENT).read_text(encoding="utf-8"))["path"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_whole(entry: Path) -> bool:
    try:
        return bool(json.loads((entry / _SIZES).read_text("utf-8")) == _file_sizes(entry))
    except (OSError, ValueError):
        return False


def _file_sizes(entry: Path) -> dict[str, int]:
    paths = (entry / name for name in (_TOKENIZER, _WEIGHTS))
    return {path.name: path.stat().st_size for path in paths if path.exists()}


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new file that takes the place of ``path`` when it is whole, and not before."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _report(path: Path, size: int) -> Callable[[int], None]:
    """A function that takes the numbers of bytes written and tells the log how far that is."""
    _log.info("Preparing %s for the engine, %d MiB; this happens once.", path.name, size >> 20)
    done, last = 0, time.monotonic()

    def progress(count: int) -> None:
        nonlocal done, last
        done += count
        if (now := time.monotonic()) - last >= _REPORT_EVERY:
            last = now
            _log.info("Preparing %s: %d %%", path.name, 100 * done // size)

    return progress
