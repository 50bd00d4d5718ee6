"""How good and how fast LocalDocs is.

    make bench-localdocs CRANFIELD=FOLDER XQUAD=FOLDER

CRANFIELD has the Cranfield collection (cran.all.1400.xml, cran.qry.xml, cranqrel.trec.txt), which
ir-datasets and others offer. Its 1,400 abstracts are searched as one snippet each, and cut like
LocalDocs cuts them. XQUAD has questions in several languages, each answered by a paragraph. Its
files LANG.json have ``paragraphs`` (``title``, ``text``) and ``questions`` (``question``,
``answer``, and ``paragraph``, the number of the one with the answer). Speed is measured on snippets
mixed from Cranfield's sentences.
"""

import argparse
import ast
import itertools
import json
import random
import re
import resource
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from localdocs.index import SnippetIndex, SourceFile
from localdocs.ranking import search
from localdocs.snippets import Document, Page, Snippet, snippets

SIZES = (2_000, 20_000, 200_000)
BATCH = 10_000  # snippets in a commit
ROUNDS, SNIPPET_SIZE = 3, 512
Entry = tuple[SourceFile, list[Snippet]]


class Cranfield:
    """The documents, the questions, and the documents that answer each question."""

    def __init__(self, folder: Path) -> None:
        def inside(tag: str, text: str) -> list[str]:
            return re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)

        documents = inside("doc", (folder / "cran.all.1400.xml").read_text())
        self.documents = [
            ("".join(inside("docno", d)), "".join(inside("title", d)), "".join(inside("text", d)))
            for d in documents
        ]
        self.questions = inside("title", (folder / "cran.qry.xml").read_text())
        self.relevant: list[set[str]] = [set() for _ in self.questions]
        for line in (folder / "cranqrel.trec.txt").read_text().splitlines():
            question, _, document, grade = line.split()
            if int(grade) > 0:
                self.relevant[int(question) - 1].add(document)

    def entries(self, *, cut: bool) -> Iterator[Entry]:
        """The documents for an index, each as one snippet or cut into several."""
        for number, title, text in self.documents:
            whole = [Snippet(text, "", None, None, None)]
            pieces = list(snippets(Document((Page(text),)), 512)) if cut else whole
            yield SourceFile(number, title), pieces


def python_entries() -> Iterator[Entry]:
    """The documentation in the modules of Python's standard library."""
    folder = Path(sysconfig.get_path("stdlib"))
    for path in sorted([*folder.glob("*.py"), *folder.glob("[a-z]*/*.py")]):
        if path.parent.name not in {"site-packages", "test"}:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
            found = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
            text = "\n\n".join(filter(None, found))
            name = str(path.relative_to(folder))
            yield SourceFile(name), list(snippets(Document((Page(text),)), 512))


def mixed_entries(cranfield: Cranfield, count: int) -> Iterator[Entry]:
    """``count`` snippets of Cranfield's sentences, ten in each file."""
    chance = random.Random(1)
    texts = [text for _, _, text in cranfield.documents]
    sentences = [s for text in texts for s in re.split(r"(?<=\.)\s", text) if 20 < len(s) < 512]
    for number in range(count // 10):
        pieces = []
        for _ in range(10):
            text = chance.choice(sentences)
            while len(longer := f"{text} {chance.choice(sentences)}") <= 512:
                text = longer
            pieces.append(Snippet(text, "", None, 1, 1))
        yield SourceFile(f"{number}.txt"), pieces


def ranking(cranfield: Cranfield, *, cut: bool) -> tuple[float, float]:
    """nDCG@10 and the share of questions with an answer among the first three."""
    with tempfile.TemporaryDirectory() as folder:
        index = SnippetIndex(Path(folder))
        index.write([], cranfield.entries(cut=cut), "")
        gains, hits = [], []
        for question, relevant in zip(cranfield.questions, cranfield.relevant, strict=True):
            names = dict.fromkeys(hit.file.name for hit in search([index.snapshot()], question, 60))
            good = [name in relevant for name in list(names)[:10]]
            ideal = sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant))))
            gain = sum(1 / np.log2(place + 2) for place, is_good in enumerate(good) if is_good)
            gains.append(gain / ideal)
            hits.append(any(good[:3]))
    return float(np.mean(gains)), float(np.mean(hits))


def answered(path: Path) -> tuple[float, float]:
    """The share of XQUAD's questions whose right file is found, and of those whose answer is.

    Both must be among three excerpts.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    texts = [paragraph["text"] for paragraph in data["paragraphs"]]
    with tempfile.TemporaryDirectory() as folder:
        index = SnippetIndex(Path(folder))
        pieces = [list(snippets(Document((Page(text),)), SNIPPET_SIZE)) for text in texts]
        index.write([], [(SourceFile(f"{n}.txt"), some) for n, some in enumerate(pieces)], "")
        files, answers = [], []
        for question in data["questions"]:
            hits = search([index.snapshot()], question["question"], 3, SNIPPET_SIZE)
            files.append(any(hit.file.name == f"{question['paragraph']}.txt" for hit in hits))
            answers.append(any(question["answer"] in hit.snippet.text for hit in hits))
    return float(np.mean(files)), float(np.mean(answers))


def speed(cranfield: Cranfield, count: int) -> str:
    """A row of the table: MB/s of indexing, ms per question, MiB of memory."""
    entries = mixed_entries(cranfield, count)
    size, seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        index = SnippetIndex(Path(folder))
        while batch := list(itertools.islice(entries, BATCH // 10)):
            start = time.perf_counter()
            index.write([], batch, "")
            seconds += time.perf_counter() - start
            size += sum(len(piece.text) for _, pieces in batch for piece in pieces)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        times = []
        for _ in range(ROUNDS):
            for question in cranfield.questions:
                begin = time.perf_counter()
                search([index.snapshot()], question, 3, SNIPPET_SIZE)
                times.append((time.perf_counter() - begin) * 1000)
        median, tail = statistics.median(times), float(np.percentile(times, 95))
        start = time.perf_counter()
        search([SnippetIndex(Path(folder)).snapshot()], cranfield.questions[0], 3)
        first_ms = (time.perf_counter() - start) * 1000
    rate = size / seconds / 1e6
    return f"| {count:,} | {rate:.2f} | {median:.1f} | {tail:.1f} | {first_ms:.0f} | {memory} |"


def main(cranfield_folder: Path, xquad: Path) -> None:
    """Prints the tables of docs/localdocs.md."""
    cranfield = Cranfield(cranfield_folder)
    print("| | nDCG@10 | hit@3 |\n|---|---|---|")
    for name, cut in (("whole abstracts", False), ("cut into snippets", True)):
        ndcg, hit = ranking(cranfield, cut=cut)
        print(f"| {name} | {ndcg:.3f} | {hit:.3f} |")
    print("\n| language | right file | answer |\n|---|---|---|")
    for path in sorted(xquad.glob("*.json")):
        file, answer = answered(path)
        print(f"| {path.stem} | {file:.3f} | {answer:.3f} |", flush=True)
    print()
    short_questions.print_tables(xquad, cranfield_folder)
    print()
    encodings.print_table()
    print("\n| snippets | MB/s | median ms | 95th percentile ms | first ms | MiB |")
    print("|---|---|---|---|---|---|")
    for count in SIZES:
        print(speed(cranfield, count), flush=True)
    print()
    answers.print_table(xquad / "en.json")


if __name__ == "__main__":
    # Imported here because it uses this module.
    from benchmarks import answers, encodings, short_questions

    parser = argparse.ArgumentParser()
    parser.add_argument("cranfield", type=Path)
    parser.add_argument("xquad", type=Path)
    arguments = parser.parse_args()
    main(arguments.cranfield, arguments.xquad)
