"""The index of one collection, stored in Whoosh's files."""

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from whoosh.fields import STORED, Schema
from whoosh.filedb.filestore import FileStorage
from whoosh.reading import SegmentReader

from .analysis import terms
from .errors import DamagedIndex
from .lexicon import Lexicon
from .postings import ArrayCodec, WeightedTerms, postings
from .snippets import Snippet

# The part of BM25F that is known when a snippet is written. That works because the usual length is
# fixed, not the collection's mean. Tuned on Cranfield (benchmarks/retrieval.py).
_BODY_B, _BODY_LENGTH = 0.65, 80  # terms
_HEADS_B, _HEADS_LENGTH, _HEADS_WEIGHT = 0.4, 12, 3.0

_WRITER_MEGABYTES = 128
# Segments below this many snippets are merged when there are more than this many of them.
_SMALL_SEGMENT, _SMALL_SEGMENTS = 2000, 8

# ``first`` has the term of that name in each snippet that begins a file or has new headings. The
# snippets that follow it have the next numbers.
_SCHEMA = Schema(file=WeightedTerms(), first=WeightedTerms(), stored=STORED, terms=WeightedTerms())

# How many postings are kept after a question, at 8 bytes each.
_MOST_RECENT = 8_000_000

Ids = NDArray[np.integer]
Floats = NDArray[np.float32]


class Postings(NamedTuple):
    """The sorted ``ids`` of the snippets with a term, and its frequency in each, float32.

    `_frequencies` explains how they are counted. ``weight`` is how much the term counts.
    """

    ids: Ids
    frequencies: Floats
    weight: float


@dataclass(frozen=True)
class SourceFile:
    """A file whose snippets are in the index.

    ``name`` is its path below the folder, with ``/``. ``date`` is its own date or that of its last
    modification, ``YYYY-MM-DD``. ``tags`` are more words to find it by.
    """

    name: str
    title: str = ""
    author: str = ""
    date: str = ""
    tags: str = ""


class SnippetIndex:
    """The snippets of a collection's files. The index is in ``folder``, which is made if needed.

    It can be read while one process writes it. Every method raises `DamagedIndex` if the files
    cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._snapshot: Snapshot | None = None
        with _damage_noticed(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Without memory maps: where the disk fails, or a file is cut short, they kill.
            storage = FileStorage(str(folder), supports_mmap=False)
            if storage.index_exists():
                self._index = storage.open_index()
            else:
                self._index = storage.create_index(_SCHEMA)

    def write(
        self,
        removed: Iterable[str],
        added: Iterable[tuple[SourceFile, Iterable[Snippet]]],
        manifest: str,
    ) -> None:
        """Removes the snippets of the files named ``removed``, then adds those of ``added``.

        ``manifest`` is a text that is stored with them. If this is interrupted, nothing of it takes
        effect.
        """
        with _damage_noticed(self.folder):
            writer = self._index.writer(limitmb=_WRITER_MEGABYTES, codec=ArrayCodec())
            kept = self._manifest_path(writer.generation)
            try:
                for name in removed:
                    writer.delete_by_term("file", name)
                for file, pieces in added:
                    _add(writer, file, pieces)
                kept.write_text(manifest, encoding="utf-8")
            except BaseException:
                writer.cancel()
                raise
            writer.commit(mergetype=_merged)
            for path in self.folder.glob("manifest-*"):
                if path != kept:
                    path.unlink()

    def snapshot(self) -> "Snapshot":
        """The state of the last commit."""
        with _damage_noticed(self.folder):
            generation = self._index.latest_generation()
            if self._snapshot is None or self._snapshot.generation != generation:
                self._snapshot = self._open()
            return self._snapshot

    def _open(self) -> "Snapshot":
        lexicons = self._snapshot.lexicons if self._snapshot else {}
        while True:
            generation = self._index.latest_generation()
            reader, path = self._index.reader(), self._manifest_path(generation)
            try:
                manifest = path.read_text(encoding="utf-8") if generation else ""
            except FileNotFoundError:
                if self._index.latest_generation() == generation:
                    raise
                continue  # a writer has committed in the meantime
            if self._index.latest_generation() == generation:
                return Snapshot(self.folder, generation, reader, manifest, lexicons)

    def _manifest_path(self, generation: int) -> Path:
        return self.folder / f"manifest-{generation}"


class Snapshot:
    """The index after one commit. It is not thread-safe.

    Its snippets are numbered up to ``size``, including the ``deleted`` ones; ``count`` leaves those
    out. ``follows``, bool [size], says whether a snippet is in the same file and under the same
    headings as the one before. ``manifest`` is what `SnippetIndex.write` was given, at
    first empty.
    """

    def __init__(
        self,
        folder: Path,
        generation: int,
        reader: Any,
        manifest: str,
        lexicons: Mapping[str, Lexicon],
    ) -> None:
        self.generation = generation
        self.manifest = manifest
        self.count: int = reader.doc_count()
        self.size: int = reader.doc_count_all()
        self._folder = folder
        self._reader = reader
        self._segments = list(reader.leaf_readers()) if self.size else []
        self.deleted: Ids = np.array(
            [
                offset + number
                for segment, offset in self._segments
                for number in segment.segment().deleted_docs()
            ],
            np.intp,
        )
        self.follows = np.ones(self.size, np.bool_)
        for segment, offset in self._segments:
            self.follows[postings(segment, "first", b"first")[0] + np.uint32(offset)] = False
        self._recent: dict[tuple[int, str], tuple[NDArray[np.uint32], Floats]] = {}
        self._recent_size = 0
        known = {segment.segment().segment_id() for segment, _ in self._segments}
        self.lexicons = {id_: lexicon for id_, lexicon in lexicons.items() if id_ in known}

    def postings(
        self, wanted: Callable[[Lexicon], Mapping[str, float]], start: int
    ) -> Iterator[Postings]:
        """The postings of some terms, with ``start`` added to the ids.

        ``wanted`` is given the words of a part of the index, and returns the terms with their
        weights.
        """
        with _damage_noticed(self._folder):
            parts = list(zip(self._segments, self._lexicons(), strict=True))
        for number, ((_, offset), lexicon) in enumerate(parts):
            place = np.uint32(start + offset)
            for term, weight in wanted(lexicon).items():
                known = self._recent.get((number, term))
                ids, frequencies = known or self._read(number, term)
                if len(ids):
                    yield Postings(ids + place, frequencies, weight)

    def _read(self, number: int, term: str) -> tuple[NDArray[np.uint32], Floats]:
        """The ids and frequencies of a term in a segment; they are kept for later questions."""
        segment, _ = self._segments[number]
        with _damage_noticed(self._folder):
            found = postings(segment, "terms", _SCHEMA["terms"].to_bytes(term))
        self._recent_size += len(found[0])
        if self._recent_size > _MOST_RECENT:
            self._recent, self._recent_size = {}, len(found[0])
        self._recent[number, term] = found
        return found

    def languages(self) -> Iterator[str]:
        """The languages of each part of the index."""
        with _damage_noticed(self._folder):
            lexicons = list(self._lexicons())
        for lexicon in lexicons:
            yield from lexicon.languages

    def stored(self, number: int) -> tuple[SourceFile, Snippet]:
        """A snippet and its file."""
        with _damage_noticed(self._folder):
            file, snippet = json.loads(self._reader.stored_fields(number)["stored"])
            return SourceFile(*file), Snippet(*snippet)

    def _lexicons(self) -> Iterator[Lexicon]:
        for segment, _ in self._segments:
            id_ = segment.segment().segment_id()
            if id_ not in self.lexicons:
                words = map(_SCHEMA["terms"].from_bytes, segment.lexicon("terms"))
                self.lexicons[id_] = Lexicon(words)
            yield self.lexicons[id_]


@contextmanager
def _damage_noticed(folder: Path) -> Iterator[None]:
    """Turns whatever Whoosh raises for files that are not an index into `DamagedIndex`."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # Of the operating system's errors, only a wrong name or position means damage.
        if isinstance(error, OSError) and error.errno not in {errno.ENOENT, errno.EINVAL}:
            raise
        raise DamagedIndex(folder, repr(error)) from error


def _add(writer: Any, file: SourceFile, pieces: Iterable[Snippet]) -> None:
    # A file is found by what it says about itself, and a snippet by the headings above it.
    heads = terms(" ".join((file.name.replace("/", " "), file.title, file.author, file.tags)))
    above = None
    for piece in pieces:
        writer.add_document(
            file={file.name: 1.0},
            first={} if piece.headings == above else {"first": 1.0},
            stored=json.dumps([astuple(file), astuple(piece)]),
            terms=_frequencies(terms(piece.text), heads + terms(piece.headings)),
        )
        above = piece.headings


def _frequencies(body: list[str], heads: list[str]) -> dict[str, float]:
    """The frequency of each term as BM25F counts it: by field, and less in a long field."""
    body_norm = 1 - _BODY_B + _BODY_B * len(body) / _BODY_LENGTH
    heads_norm = 1 - _HEADS_B + _HEADS_B * len(heads) / _HEADS_LENGTH
    frequencies = {term: count / body_norm for term, count in Counter(body).items()}
    for term, count in Counter(heads).items():
        frequencies[term] = frequencies.get(term, 0) + _HEADS_WEIGHT * count / heads_norm
    return frequencies


def _merged(writer: Any, segments: list[Any]) -> list[Any]:
    """Merges small segments if there are many, and rewrites segments of mostly deleted snippets.

    Returns the other segments. Whoosh's own policy would rewrite large ones again and again.
    """
    small = {s for s in segments if s.doc_count_all() < _SMALL_SEGMENT}
    merged = {s for s in segments if 2 * s.deleted_count() > s.doc_count_all()}
    if len(small) > _SMALL_SEGMENTS:
        merged |= small
    for segment in merged:
        reader = SegmentReader(writer.storage, writer.schema, segment)
        writer.add_reader(reader)
        reader.close()
    return [segment for segment in segments if segment not in merged]
