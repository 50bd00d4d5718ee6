"""llama.cpp for one model, in a process and an environment of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any


class LlamaCpp:
    """Asks llama_cpp.py. ``python`` is that of an environment with xllamacpp."""

    def __init__(self, python: str, model: Path) -> None:
        script = str(Path(__file__).with_name("llama_cpp.py"))
        self._process = subprocess.Popen(
            [python, script, str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "LlamaCpp":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def tokens(self, texts: list[str]) -> list[list[int]]:
        """The token ids of each text, with BOS and EOS if the model adds them."""
        tokens: list[list[int]] = self._ask(texts=texts)
        return tokens

    def log_probabilities(self, prompts: list[list[int]]) -> list[list[float]]:
        """The log-probabilities of all tokens by id, after each prompt of token ids."""
        answers = self._ask(prompts=prompts)
        return [[values[str(i)] for i in range(len(values))] for values in answers]

    def greedy(self, texts: list[str], count: int) -> list[list[dict[str, float]]]:
        """For each text its ``count`` most likely next tokens, one after the other.

        Of each the ten most likely ids at its place, with their log-probabilities.
        """
        answers: list[list[dict[str, float]]] = self._ask(greedy=texts, count=count)
        return answers

    def _ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            self._process.kill()
            raise RuntimeError(self._process.communicate()[1]) from error
