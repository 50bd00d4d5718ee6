"""The cache folder: what is known about each GGUF, and what was made from it.

An entry is a folder, named after the file's path and identity:

- ``judgement.json``: the file's `Facts` and `Plan`s, or why it cannot be used;
- a folder for each engine that has run the model, with what it needs:
  ``tokenizer``, the tokenizer in its library's own format,
  ``weights.gguf``, unless the engine can load the file itself,
  ``checksums.json``, the checksums of these two, written last.

You can delete all of it at any time.
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from localdocs.replacing import replacing

from ..engines.llama_cpp.library import installed
from ..exceptions import CacheError, ModelError
from .disk import ByVersion, ends, lacking, sha256, version
from .facts import Facts, Judgement, Plan, VocabularyFacts

_log = logging.getLogger(__name__)

_VERSION = 6  # increased when older entries must be made again
_HEADER_BYTES = 1 << 20
_JUDGEMENT, _TOKENIZER, _WEIGHTS, _CHECKSUMS = (
    "judgement.json", "tokenizer", "weights.gguf", "checksums.json",
)  # fmt: skip
_REPORT_EVERY = 5  # seconds between two lines about progress


@dataclass(frozen=True)
class PreparedModel:
    """A model that can be loaded in a fraction of a second.

    ``weights`` is for the engine: the GGUF itself or a copy. ``tokenizer`` is for its tokenizer's
    library, if it has one.
    """

    facts: Facts
    plan: Plan
    weights: Path
    tokenizer: Path


class ModelCache:
    """Judges and prepares GGUFs, each version of a file only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._judgements = ByVersion(self._judgement)

    def judge(self, path: Path) -> Judgement:
        """What the GGUF at ``path`` is. Raises `ModelError` if it cannot be used."""
        try:
            judgement = self._judgements.get(path)
        except OSError as error:
            raise ModelError(f"{path.name} cannot be read: {error.strerror or error}.") from error
        if isinstance(judgement, str):
            raise ModelError(judgement)
        return judgement

    def is_prepared(self, path: Path, engine: str | None = None) -> bool:
        """Whether `prepare` would have nothing to do."""
        try:
            return _is_whole(self._entry(path) / self.judge(path).plan(engine).engine)
        except (OSError, ModelError):
            return False

    def prepare(self, path: Path, engine: str | None = None) -> PreparedModel:
        """The GGUF at ``path``, ready to be loaded by an engine, or by the preferred one.

        Raises `ModelError` if that is impossible, and `CacheError` if it cannot be written.
        """
        try:
            entry = self._entry(path)
            if not (entry / _JUDGEMENT).exists():  # the cache was deleted
                self._judgements.forget(path)
            judgement = self.judge(path)
            plan = judgement.plan(engine)
            folder = entry / plan.engine
            weights = folder / _WEIGHTS if plan.copy_bytes else path
            prepared = PreparedModel(judgement.facts, plan, weights, folder / _TOKENIZER)
            if not _is_whole(folder):
                self._folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self._folder / ".lock"):
                    if not _is_whole(folder):
                        self._prepare(path, entry, prepared)
        except OSError as error:
            if str(error.filename) == str(path):
                raise ModelError(f"{path.name} cannot be prepared: {error}.") from error
            raise CacheError(
                f"{path.name} cannot be prepared in the cache folder {self._folder}: "
                f"{error.strerror or error}."
            ) from error
        return prepared

    def discard_damaged(self, prepared: PreparedModel) -> bool:
        """Whether files that were made for a model have changed. Then `prepare` makes them again.

        Unlike `is_prepared`, this reads all of them. Raises `CacheError`.
        """
        checksums = prepared.tokenizer.parent / _CHECKSUMS
        try:
            if _kept(checksums.parent, "whole") == _now(checksums.parent, sha256):
                return False
            checksums.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(f"{checksums} cannot be deleted: {error.strerror}.") from error
        return True

    def forget(self, path: Path) -> None:
        """Deletes what was made from the file at ``path``, which may be gone."""
        for entry in self._entries_of(path):
            shutil.rmtree(entry)

    def _judgement(self, path: Path) -> Judgement | str:
        """What the file is, or why it cannot be used, from the entry or from the file itself."""
        entry = self._entry(path)
        try:
            return _read_judgement(entry)
        except (OSError, ValueError, TypeError, KeyError):
            pass  # missing or damaged: the file is judged again
        found: Judgement | str
        try:
            found = _judge(path)
            kept: dict[str, Any] = asdict(found)
        except ModelError as error:
            found = str(error)
            kept = {"reason": found}
        try:
            entry.mkdir(parents=True, exist_ok=True)
            with replacing(entry / _JUDGEMENT) as new:
                new.write_text(json.dumps({"path": str(path), **kept}), encoding="utf-8")
        except OSError as error:  # such as a full disk; the judgement is still right
            _log.warning("%s cannot be written: %s", entry / _JUDGEMENT, error)
        return found

    def _prepare(self, path: Path, entry: Path, prepared: PreparedModel) -> None:
        """Completes the ``entry`` for an engine. The caller holds the cache's lock."""
        # Imported here because a server that only lists models does not need it.
        from ..engines import engine_room
        from .gguf_file import read_gguf

        self._clean(path, entry)
        folder, size = prepared.tokenizer.parent, prepared.plan.copy_bytes
        folder.mkdir(parents=True, exist_ok=True)
        file = read_gguf(path)
        if size and (problem := lacking(self._folder, size)) is not None:
            raise CacheError(f"{path.name} must be rewritten once for the engine, which {problem}")
        engine_room(prepared.plan.engine).prepare(file, prepared, _report(path, size))
        checksums = {"ends": _now(folder, ends), "whole": _now(folder, sha256)}
        with replacing(folder / _CHECKSUMS) as new:
            new.write_text(json.dumps(checksums), encoding="utf-8")
        _log.info("%s is prepared.", path.name)

    def _clean(self, path: Path, keep: Path) -> None:
        """Deletes what was made from other versions of the file and from files that are gone."""
        for entry in self._folder.iterdir():
            if entry != keep and entry.is_dir():
                source = _source(entry)
                if source is None or source == path or not source.exists():
                    # Windows keeps files that a running server has open. Next time, they go.
                    shutil.rmtree(entry, ignore_errors=True)
        if keep.exists():
            for leftover in keep.rglob(".new-*"):
                leftover.unlink(missing_ok=True)  # somebody who judges at once renames theirs

    def _entries_of(self, path: Path) -> Iterator[Path]:
        if self._folder.exists():
            yield from (e for e in self._folder.iterdir() if e.is_dir() and _source(e) == path)

    def _entry(self, path: Path) -> Path:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        identity = f"{_VERSION} {installed()} {path} {version(path)} "
        identity_bytes = identity.encode(errors="surrogateescape")
        return self._folder / hashlib.sha256(identity_bytes + header).hexdigest()[:16]


def _judge(path: Path) -> Judgement:
    # Imported here because files that were judged before do not need it.
    from .gguf_file import read_gguf
    from .judging import judge

    return judge(read_gguf(path))


def _read_judgement(entry: Path) -> Judgement | str:
    kept = json.loads((entry / _JUDGEMENT).read_text(encoding="utf-8"))
    if "reason" in kept:
        return str(kept["reason"])
    facts = kept["facts"]
    vocabulary = VocabularyFacts(**facts["vocabulary"])
    plans = tuple(Plan(**plan) for plan in kept["plans"])
    return Judgement(Facts(**{**facts, "vocabulary": vocabulary}), plans, kept["refusals"])


def _source(entry: Path) -> Path | None:
    """The GGUF from which an entry was made; None if it is unknown."""
    try:
        return Path(json.loads((entry / _JUDGEMENT).read_text(encoding="utf-8"))["path"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_whole(folder: Path) -> bool:
    try:
        return _kept(folder, "ends") == _now(folder, ends)
    except OSError:
        return False


def _kept(folder: Path, kind: str) -> dict[str, str] | None:
    """The checksums of that kind as they were written; None if they cannot be used."""
    try:
        return dict(json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))[kind])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _now(folder: Path, checksum: Callable[[Path], str]) -> dict[str, str]:
    """The checksums of an engine's files as they are. Raises `OSError`."""
    paths = (folder / name for name in (_TOKENIZER, _WEIGHTS))
    return {path.name: checksum(path) for path in paths if path.exists()}


def _report(path: Path, size: int) -> Callable[[int], None]:
    """A function that takes the numbers of bytes written and logs the progress."""
    if size:
        _log.info("Preparing %s for the engine, %d MiB; this happens once.", path.name, size >> 20)
    done, last = 0, time.monotonic()

    def progress(count: int) -> None:
        nonlocal done, last
        done += count
        if (now := time.monotonic()) - last >= _REPORT_EVERY:
            last = now
            _log.info("Preparing %s: %d %%", path.name, 100 * done // size)

    return progress
