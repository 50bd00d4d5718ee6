"""Records what llama.cpp makes of the default model, for test_llama_cpp.py.

    python tests/record_llama_cpp.py instance/models/SmolLM2-135M-Instruct.Q4_1.gguf

It needs xllamacpp, gguf and numpy, in an environment of their own (CONTRIBUTING.md).
"""

import json
import random
import sys
import tempfile
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xllamacpp
from f16_copy import write_f16_copy

TEXTS = [
    "", "a", "Hello world", "Hello 123  world 😀", "  leading", "trailing   ", " \n \n", "\t" * 50,
    "<|im_start|>user\nHi<|im_end|>\n", "<|im_start", "<|endoftext|>x<|endoftext|>",
    "<repo_name>a<file_sep>", "\n\n\n a\t\tb \r\n", " " * 100 + "x" + " " * 37, "  \n  \n\n   z",
    "don't we'll I'M 'S 'Re", "def f(x):\n    return x**2  # hi\n\n\n", "a\x00b\x01\x7f\x85",
    "日本語のテキスト、中国語。", "مرحبا بالعالم", "हिन्दी संयुक्ताक्षर", "½ ² ① Ⅷ ১২৩ 12345",
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪", "e\u0301 é ñ", "\u00a0nbsp\u2003em\u200bzw\ufeff",
    "\U0001d518\U0001d52b \u017f't '\u017f", "\ufdd0\u2028\u2029",
]  # fmt: skip
PROMPTS = [
    "The capital of France is",
    "Once upon a time there was a fox who",
    "def fibonacci(n):\n",
    "Water boils at a temperature of",
    "<|im_start|>user\nWhat is two plus two?<|im_end|>\n<|im_start|>assistant\n",
    "Die Hauptstadt von Deutschland heißt",
    "Monday, Tuesday, Wednesday,",
    "The chemical symbol of gold is",
]


def random_text(seed: int, length: int) -> str:
    """Random Unicode with much white space, digits and ASCII in it."""
    chance = random.Random(seed)
    text = ""
    while len(text) < length:
        match chance.randrange(10):
            case 0 | 1 | 2:
                text += chr(chance.randrange(32, 127))
            case 3 | 4:
                text += chance.choice(" \n\t\r\u00a0\u3000")
            case 5:
                text += str(chance.randrange(10**6))
            case _:
                code = chance.randrange(0x110000)
                text += "" if 0xD800 <= code < 0xE000 else chr(code)
    return text


class LlamaCpp:
    """llama.cpp's own server, in this process."""

    def __init__(self, model: Path, port: int) -> None:
        params = xllamacpp.CommonParams()
        params.model.path, params.port, params.n_parallel, params.n_ctx = str(model), port, 1, 2048
        self._server = xllamacpp.Server(params)

    def post(self, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self._server.listening_address + path, data)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def tokens(self, text: str) -> list[int]:
        return self.post("/tokenize", content=text, parse_special=True)["tokens"]

    def complete(self, prompt: str, count: int) -> Any:
        greedy = {"temperature": 0, "repeat_penalty": 1, "cache_prompt": False}
        return self.post("/completion", prompt=prompt, n_predict=count, n_probs=10, **greedy)


def main(model: Path) -> None:
    """Writes llama_cpp.json beside this file."""
    quantised = LlamaCpp(model, 18090)
    texts = TEXTS + [random_text(seed, 400) for seed in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        f16 = LlamaCpp(write_f16_copy(model, Path(folder) / "f16.gguf"), 18091)
        record = {
            "made_by": f"xllamacpp {version('xllamacpp')}",
            "model": model.name,
            "tokens": [[text, quantised.tokens(text)] for text in texts],
            "greedy_f16": [[p, greedy(f16.complete(p, 24))] for p in PROMPTS],
            "top_10": [[p, top_10(quantised.complete(p, 1))] for p in PROMPTS],
        }
    target = Path(__file__).with_name("llama_cpp.json")
    target.write_text(json.dumps(record) + "\n", encoding="utf-8")


def greedy(completion: Any) -> list[tuple[int, float]]:
    """The tokens of a completion, each with its lead over the second in log-probability."""
    tokens = []
    for token in completion["completion_probabilities"]:
        first, second = token["top_logprobs"][:2]
        tokens.append((first["id"], round(first["logprob"] - second["logprob"], 4)))
    return tokens


def top_10(completion: Any) -> dict[str, float]:
    """The ten most likely first tokens and their log-probabilities."""
    first = completion["completion_probabilities"][0]
    return {str(item["id"]): item["logprob"] for item in first["top_logprobs"]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
