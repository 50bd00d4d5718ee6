"""How many questions a model answers right: with LocalDocs, with the right text, and without."""

import json
import re
import string
import tempfile
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from app.application import create_app
from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.refreshing import refresh

MODELS = Path("instance/models")
QUESTIONS, TOKENS = 60, 48


def print_table(path: Path) -> None:
    """Asks the default model ``QUESTIONS`` questions from XQUAD's file at ``path``, greedily."""
    data = json.loads(path.read_text(encoding="utf-8"))
    texts = [paragraph["text"] for paragraph in data["paragraphs"]]
    questions = data["questions"][:: len(data["questions"]) // QUESTIONS][:QUESTIONS]
    print("| the model is given | right answers | of |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").symlink_to(MODELS.absolute())
        client = create_app({"DATA_DIR": folder}).test_client()
        right = [_right(client, q, "") for q in questions]
        print(f"| nothing | {sum(right)} | {len(right)} |", flush=True)
        right = [_right(client, q, texts[q["paragraph"]]) for q in questions]
        print(f"| the paragraph with the answer | {sum(right)} | {len(right)} |", flush=True)
        documents = Path(folder) / "documents"
        documents.mkdir()
        for number, text in enumerate(texts):
            (documents / f"{number}.txt").write_text(text, encoding="utf-8")
        collections = Collections(Path(folder) / "localdocs")
        collections.create("XQuAD", documents)
        refresh(collections, "XQuAD", Limits())
        right = [_right(client, q, "") for q in questions]
        print(f"| what LocalDocs finds | {sum(right)} | {len(right)} |", flush=True)


def _right(client: FlaskClient, question: dict[str, Any], text: str) -> bool:
    excerpt = f"### Context:\nCollection: XQuAD\nPath: /1.txt\nExcerpt: {text}\n\n" if text else ""
    message = {"role": "user", "content": excerpt + question["question"]}
    body = {"model": "", "messages": [message], "temperature": 0, "max_tokens": TOKENS}
    answer: Any = client.post("/v1/chat/completions", json=body).json
    return _plain(question["answer"]) in _plain(answer["choices"][0]["message"]["content"])


def _plain(text: str) -> str:
    """``text`` in lower case, without punctuation and articles, as SQuAD compares answers."""
    words = re.sub(f"[{re.escape(string.punctuation)}]", " ", text.lower()).split()
    return f" {' '.join(word for word in words if word not in {'a', 'an', 'the'})} "
