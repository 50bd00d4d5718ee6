"""Whoosh's index files, with posting lists that numpy can read.

Whoosh 2.7 stores postings in pickled, zipped blocks of 128 and goes through them one by one in
Python, which takes 300 ms for a question over 20,000 snippets. Here a list is two arrays, and a
question over 200,000 snippets takes 10 ms.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from whoosh.codec.base import PostingsWriter
from whoosh.codec.whoosh3 import W3Codec, W3FieldWriter, W3TermInfo
from whoosh.fields import FieldType
from whoosh.formats import Existence
from whoosh.matching import ListMatcher

# How Whoosh's W3TermInfo stores the number of documents and the position of the postings.
_COUNT, _START = struct.Struct("!I"), struct.Struct("!q")


class WeightedTerms(FieldType):  # type: ignore[misc]
    """A field whose value is a mapping from its terms to their weights."""

    # The postings have the weights themselves, so they need no lengths.
    format = Existence()
    indexed = True
    stored = scorable = unique = spelling = sortable = False
    analyzer = vector = column_type = None
    multitoken_query = "default"

    def __init__(self) -> None:
        """Whoosh compares the fields of a schema by their attributes."""

    def index(
        self, value: Mapping[str, float], **kwargs: Any
    ) -> Iterator[tuple[bytes, int, float, bytes]]:
        """Each term as Whoosh wants it: its bytes, frequency, weight, and an empty value."""
        for term, weight in value.items():
            yield self.to_bytes(term), 1, weight, b""

    def to_bytes(self, value: str | bytes) -> bytes:
        """The term as it is in the index. File names can contain half surrogate pairs."""
        return value if isinstance(value, bytes) else value.encode(errors="surrogatepass")

    def from_bytes(self, value: bytes) -> str:
        """The reverse of `to_bytes`."""
        return value.decode(errors="surrogatepass")


class ArrayMatcher(ListMatcher):  # type: ignore[misc]
    """A term's postings: the ``ids``, uint32, of documents, and its ``weights``, float32."""

    def __init__(self, ids: NDArray[np.uint32], weights: NDArray[np.float32], **how: Any) -> None:
        super().__init__(ids, weights, **how)
        self.ids = ids
        self.weights = weights

    def id(self) -> int:
        """The document at the matcher's position."""
        return int(self.ids[self._i])

    def weight(self) -> float:
        """The weight at the matcher's position."""
        return float(self.weights[self._i])

    def value(self) -> bytes:
        """Nothing, because the weights have everything."""
        return b""


def postings(
    segment: Any, field: str, term: bytes
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """The ids and weights of a term in a segment, including deleted documents.

    Whoosh's public `postings` takes five times as long, because it looks for deleted documents.
    """
    terms = segment._terms
    data = terms._tindex.get(terms._keycoder(field, term))
    if data is None:
        return np.empty(0, np.uint32), np.empty(0, np.float32)
    (count,), (start,) = (
        _COUNT.unpack_from(data, 5),
        _START.unpack_from(data, W3TermInfo._struct.size),
    )
    return _arrays(terms._postfile, start, count)


def _arrays(file: Any, start: int, count: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    data = file.get(start, 8 * count)
    return np.frombuffer(data, np.uint32, count), np.frombuffer(data, np.float32, count, 4 * count)


class ArrayCodec(W3Codec):  # type: ignore[misc]
    """Whoosh's codec, with another format for the postings."""

    def field_writer(self, storage: Any, segment: Any) -> "_FieldWriter":
        """The writer of a segment's terms."""
        return _FieldWriter(self, storage, segment)

    def postings_writer(self, dbfile: Any, byteids: bool = False) -> "_ArrayWriter":
        """The writer of the postings, one term after another."""
        return _ArrayWriter(dbfile)

    def postings_reader(
        self, dbfile: Any, terminfo: Any, format_: Any, term: Any = None, scorer: Any = None
    ) -> ArrayMatcher:
        """A term's postings. Raises `ValueError` if the file ends too early."""
        start, _ = terminfo.extent()
        arrays = _arrays(dbfile, start, terminfo.doc_frequency())
        return ArrayMatcher(*arrays, format=format_, scorer=scorer, term=term, terminfo=terminfo)


class _FieldWriter(W3FieldWriter):  # type: ignore[misc]
    def add_postings(self, schema: Any, lengths: Any, items: Iterable[Any]) -> None:
        # Looking up a length for each posting would take a quarter of the time.
        super().add_postings(schema, None, items)


class _ArrayWriter(PostingsWriter):  # type: ignore[misc]
    """Writes the ids of a term's postings, then the weights, in this machine's byte order."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def start_postings(self, format_: Any, terminfo: Any) -> None:
        self._info = terminfo
        self._ids, self._weights = array("I"), array("f")

    def add_posting(self, id_: int, weight: float, vbytes: bytes, length: int) -> None:
        self._ids.append(id_)
        self._weights.append(weight)

    def finish_postings(self) -> Any:
        info, ids, weights = self._info, self._ids, self._weights
        info.set_extent(self._file.tell(), 8 * len(ids))
        self._file.write(ids.tobytes() + weights.tobytes())
        # What Whoosh would collect from its blocks. There is no public way to set it.
        info._df, info._weight, info._maxweight = len(ids), sum(weights), max(weights)
        info._minid, info._maxid = ids[0], ids[-1]
        info._minlength = info._maxlength = 0
        return info
