"""Whether LocalDocs finds what people ask for in a few words, and ignores small talk.

    python -m benchmarks.short_questions --kinds --failures

The questions, each with the file that answers it, are in short_questions.json. They are asked like
in a chat, in folders of about 5 snippets (the file and the beginnings of four others), of 500 and
of 50,000 (all files among other texts). The other texts are the documentation in Python's own
modules and, if their folders are given, Cranfield's abstracts (see benchmarks.retrieval) and
XQuAD's paragraphs (LANGUAGE.json with "paragraphs" that have a "text"). The half "kept" is kept out
of tuning.
"""

import argparse
import itertools
import json
import random
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import retrieval
from localdocs.collections import Collections
from localdocs.contents import Contents, manifest
from localdocs.index import SourceFile
from localdocs.prompt import sources
from localdocs.readers import read
from localdocs.snippets import Document, Page, Snippet, snippets

DATA = Path(__file__).with_suffix(".json")
SIZES = (5, 500, 50_000)
HALVES = ("tune", "kept")
SNIPPET_SIZE, SOURCES = 512, 3

Entry = tuple[SourceFile, list[Snippet]]


@dataclass(frozen=True)
class Question:
    """A user's messages and the answers between them. The last message is the question.

    ``file`` is the name of the file that answers it, or None for small talk. The question before a
    follow-up has the kind "first".
    """

    messages: tuple[str, ...]
    half: str
    kind: str = "small talk"
    language: str = ""
    file: str | None = None


@dataclass(frozen=True)
class Result:
    """The names of the files that a chat gets, and of those that the search finds first."""

    question: Question
    size: int
    sources: list[str]
    ranked: list[str]

    @property
    def right(self) -> bool:
        """Whether the right file was found or, for small talk, nothing."""
        if self.question.file is None:
            return not self.sources
        return self.question.file in self.sources

    def __str__(self) -> str:
        found = ", ".join(self.sources) or "nothing"
        if not self.sources and self.question.file in self.ranked:
            found += " (but the search has it)"
        asked = " / ".join(self.question.messages[::2])
        return f"{self.size} {self.question.kind}: {asked} [{self.question.file}] -> {found}"


class Data:
    """The files as entries of an index, and the questions."""

    def __init__(self) -> None:
        data = json.loads(DATA.read_text(encoding="utf-8"))
        self.small_talk = [
            Question((text,), half) for half, texts in data["small_talk"].items() for text in texts
        ]
        # Several pairs may begin with the same question.
        self.questions = list(dict.fromkeys(q for file in data["files"] for q in _questions(file)))
        words = [
            q.messages[-1].strip(" ?") for q in self.questions if q.kind in {"one_word", "exact"}
        ]
        alternatives = "|".join(map(re.escape, words))
        self._words = re.compile(rf"(?<!\w)({alternatives})(?!\w)", re.IGNORECASE)
        self.halves = [file["half"] for file in data["files"]]
        with tempfile.TemporaryDirectory() as folder:
            self.entries = [_entry(Path(folder) / f["name"], f["text"]) for f in data["files"]]

    def answered_by(self, text: str) -> bool:
        """Whether ``text`` also answers a question with one word or for a code."""
        return self._words.search(text) is not None

    def few(self, place: int) -> list[Entry]:
        """The file at ``place``, and the first snippets of the four files after it."""
        others = (self.entries[(place + step) % len(self.entries)] for step in range(1, 5))
        return [self.entries[place], *((file, pieces[:1]) for file, pieces in others)]


def _questions(file: dict[str, Any]) -> Iterator[Question]:
    for kind, *texts in file["questions"]:
        if len(texts) > 1:
            yield Question((texts[0],), file["half"], "first", file["language"], file["name"])
        yield Question(tuple(texts), file["half"], kind, file["language"], file["name"])


def _entry(path: Path, paragraphs: list[str]) -> Entry:
    path.write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    document = read(path)
    source = SourceFile(path.name, document.title, document.author)
    return source, list(snippets(document, SNIPPET_SIZE))


def other_texts(xquad: Path | None, cranfield: Path | None) -> Iterator[Entry]:
    """Snippets of other texts in random order, and then an endless mixture of their sentences.

    A snippet is mixed from only one source, and so has only one language.
    """
    texts = {"python": list(retrieval.python_entries())}
    if cranfield:
        texts["cranfield"] = list(retrieval.Cranfield(cranfield).entries(cut=True))
    for path in sorted(xquad.glob("*.json")) if xquad else ():
        texts[path.stem] = list(_paragraphs(path))
    chance = random.Random(1)
    entries = [(file, [p]) for found in texts.values() for file, pieces in found for p in pieces]
    chance.shuffle(entries)
    yield from entries
    sentences = [_sentences(entries) for entries in texts.values()]
    shares = [len(some) for some in sentences]
    for number in itertools.count():
        [some] = chance.choices(sentences, shares)
        text = chance.choice(some)
        while len(longer := f"{text} {chance.choice(some)}") <= SNIPPET_SIZE:
            text = longer
        yield SourceFile(f"{number}.txt"), [Snippet(text, "", None, 1, 1)]


def _paragraphs(path: Path) -> Iterator[Entry]:
    data = json.loads(path.read_text(encoding="utf-8"))
    for number, paragraph in enumerate(data["paragraphs"]):
        document = Document((Page(paragraph["text"]),))
        yield SourceFile(f"{path.stem}-{number}.txt"), list(snippets(document, SNIPPET_SIZE))


def _sentences(entries: Iterable[Entry]) -> list[str]:
    texts = (piece.text for _, pieces in entries for piece in pieces)
    return [s for text in texts for s in re.split(r"(?<=[.!?।])\s+|(?<=。)", text) if len(s) > 20]


def results(
    data: Data, sizes: Sequence[int], xquad: Path | None, cranfield: Path | None
) -> Iterator[Result]:
    """What is found in folders of each size."""
    for size in sizes:
        if size == SIZES[0]:
            for place, (file, _) in enumerate(data.entries):
                half = data.halves[place]
                asked = [q for q in data.questions if q.file == file.name]
                asked += [q for q in data.small_talk if q.half == half]
                yield from _asked(size, data.few(place), asked)
        else:
            own = sum(len(pieces) for _, pieces in data.entries)
            others = (
                (file, [piece])
                for file, [piece] in other_texts(xquad, cranfield)
                if not data.answered_by(piece.text)
            )
            entries = itertools.chain(data.entries, itertools.islice(others, size - own))
            yield from _asked(size, entries, data.questions + data.small_talk)


def _asked(size: int, entries: Iterable[Entry], questions: list[Question]) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        collections = Collections(Path(folder))
        collection = collections.create("Files", Path(folder))
        collections.index("Files").write([], entries, manifest(Contents(SNIPPET_SIZE)))
        for question in questions:
            messages = [
                {"role": role, "content": text}
                for role, text in zip(
                    itertools.cycle(("user", "assistant")), question.messages, strict=False
                )
            ]
            ranked = collections.search([collection], question.messages[-1], SOURCES)
            found = sources(collections, messages, SOURCES)
            yield Result(question, size, _names(found), _names(ranked))


def _names(found: Iterable[Any]) -> list[str]:
    return [source.hit.file.name for source in found]


def print_tables(
    xquad: Path | None = None,
    cranfield: Path | None = None,
    halves: Sequence[str] = HALVES,
    sizes: Sequence[int] = SIZES,
    *,
    kinds: bool = False,
    failures: bool = False,
) -> None:
    """Prints the share of questions with the right file, and of small talk with any file.

    With ``kinds``, prints them by kind and language too. With ``failures``, prints each question
    that fails.
    """
    found = list(results(Data(), sizes, xquad, cranfield))
    found = [result for result in found if result.question.half in halves]
    print("| snippets | half | questions | right file | small talk | with a source |")
    print("|---|---|---|---|---|---|")
    for size, half in itertools.product(sizes, halves):
        those = [r for r in found if r.size == size and r.question.half == half]
        asked = [r.right for r in those if r.question.file]
        talk = [not r.right for r in those if not r.question.file]
        print(f"| {size:,} | {half} | {_share(asked)} | {_share(talk)} |")
    if kinds:
        for name in ("kind", "language"):
            _print_groups(name, [r for r in found if r.question.file], halves, sizes)
    if failures:
        # The same small talk may fail in several of the smallest folders.
        wrong = dict.fromkeys(str(result) for result in found if not result.right)
        print("", *wrong, sep="\n")


def _print_groups(
    name: str, found: list[Result], halves: Sequence[str], sizes: Sequence[int]
) -> None:
    columns = list(itertools.product(halves, sizes))
    print(f"\n| {name} |", *(f"{half}, {size:,} | |" for half, size in columns))
    print("|---|", "---|---|" * len(columns), sep="")
    for value in dict.fromkeys(getattr(result.question, name) for result in found):
        those = [result for result in found if getattr(result.question, name) == value]
        shares = (
            _share([r.right for r in those if (r.question.half, r.size) == column])
            for column in columns
        )
        print(f"| {value} |", *(f"{share} |" for share in shares))


def _share(of: list[bool]) -> str:
    return f"{len(of)} | {sum(of) / len(of):.1%}" if of else "0 | "


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--xquad", type=Path, metavar="FOLDER")
    parser.add_argument("--cranfield", type=Path, metavar="FOLDER")
    parser.add_argument("--half", choices=HALVES, help="one half only")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="SNIPPETS")
    parser.add_argument("--kinds", action="store_true", help="tables by kind and language")
    parser.add_argument("--failures", action="store_true", help="list what is not found")
    given = parser.parse_args()
    print_tables(
        given.xquad,
        given.cranfield,
        (given.half,) if given.half else HALVES,
        given.sizes,
        kinds=given.kinds,
        failures=given.failures,
    )
