"""What a question costs LocalDocs, by collections and by snippets. In one process, no server."""

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from localdocs.collections import Collections
from localdocs.index import SourceFile
from localdocs.prompt import sources
from localdocs.snippets import Snippet

_VOCABULARY, _WORDS_OF_A_SNIPPET = 20_000, 70
_SNIPPETS_OF_A_FILE, _BATCH = 10, 1000  # files of a commit
_QUESTIONS, _SOURCES = 30, 3
_SNIPPETS_OF_A_COLLECTION = 100


class Texts:
    """Made-up words, of which few are frequent and most are rare, as in a language (Zipf)."""

    def __init__(self) -> None:
        self._chance = random.Random(1)
        syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
        self._words = [
            "".join(self._chance.choices(syllables, k=self._chance.randint(2, 4)))
            for _ in range(_VOCABULARY)
        ]
        self._weights = [*itertools.accumulate(1 / rank for rank in range(1, _VOCABULARY + 1))]

    def text(self, words: int) -> str:
        """So many words."""
        return " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=words))

    def questions(self) -> list[str]:
        """Questions, each of a few words."""
        return [f"{self.text(6)}?" for _ in range(_QUESTIONS)]

    def files(self, snippets: int) -> Iterator[tuple[SourceFile, list[Snippet]]]:
        """So many snippets in files."""
        for number in range(0, snippets, _SNIPPETS_OF_A_FILE):
            count = min(_SNIPPETS_OF_A_FILE, snippets - number)
            pieces = [Snippet(self.text(_WORDS_OF_A_SNIPPET), "", None, 1, 1) for _ in range(count)]
            yield SourceFile(f"{number}.txt"), pieces


def collections_row(folder: Path, counts: Sequence[int]) -> Callable[[int, int], float]:
    """Milliseconds of a question to so many collections, each of a hundred snippets."""
    texts = Texts()
    collections = Collections(folder)
    names = [f"Collection {number}" for number in range(max(counts))]
    for name in names:
        _fill(collections, name, texts, _SNIPPETS_OF_A_COLLECTION)

    def cost(count: int, number: int) -> float:
        for place, name in enumerate(names):
            collections.activate(name, active=place < count)
        return _question(collections, texts.questions())

    return cost


def snippets_row(folder: Path, counts: Sequence[int]) -> Callable[[int, int], float]:
    """Milliseconds of a question to one collection of so many snippets."""
    texts = Texts()
    filled = {count: Collections(folder / str(count)) for count in counts}
    for count, collections in filled.items():
        _fill(collections, "Snippets", texts, count)

    def cost(count: int, number: int) -> float:
        return _question(filled[count], texts.questions())

    return cost


def _fill(collections: Collections, name: str, texts: Texts, snippets: int) -> None:
    collections.folder.mkdir(parents=True, exist_ok=True)
    collections.create(name, collections.folder)
    index, batch = collections.index(name), []
    for entry in texts.files(snippets):
        batch.append(entry)
        if len(batch) == _BATCH:
            index.write([], batch, "")
            batch = []
    if batch:
        index.write([], batch, "")


def _question(collections: Collections, questions: Sequence[str]) -> float:
    times = []
    for question in questions:
        start = time.perf_counter()
        sources(collections, [{"role": "user", "content": question}], _SOURCES)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)
