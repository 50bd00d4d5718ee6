"""What lm-eval's `local-completions` makes of this server; prints its answers as JSON.

Its tasks would need `datasets` and half a gigabyte more, so the words of a task's questions are
here. It cuts the answer by the number of tokens that it counts, so it must count the model's.
"""

import json
import logging
import sys

import tiktoken
from gguf import GGUFReader
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

url, name, gguf = sys.argv[1:]
logging.disable()
SPECIAL = 17
# Each digit is a token, apart from the white space before it.
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+(?=\p{N})|\s+"


def vocabulary():
    """The model's tokens as tiktoken wants them: as bytes, not in GPT-2's visible alphabet."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    byte_of = {chr(byte): byte for byte in visible}
    byte_of |= {chr(256 + i): byte for i, byte in enumerate(hidden)}
    texts = GGUFReader(gguf).fields["tokenizer.ggml.tokens"].contents()
    special = {text: i for i, text in enumerate(texts[:SPECIAL])}
    words = {bytes(map(byte_of.get, text)): i for i, text in enumerate(texts[SPECIAL:], SPECIAL)}
    return tiktoken.Encoding(name, pat_str=WORDS, mergeable_ranks=words, special_tokens=special)


# lm-eval asks tiktoken for the tokens of a model by its name, as if it were OpenAI's.
tiktoken.registry.ENCODINGS[name] = vocabulary()
tiktoken.model.MODEL_TO_ENCODING[name] = name

capitals = {"France": "Paris", "Italy": "Rome"}
choices = [
    (f"The capital of {country} is", f" {capital}")
    for country in capitals
    for capital in capitals.values()
]
# Digits, and bytes that are not characters by themselves.
choices += [("1 2 3", " 4 5 6 7"), ("Größe 1 €", " 12 ∑ Müller")]
# After the second of these, the model ends its answer with a token that is not text.
choices += [("Hello! How can I help you", " today"), ("Hello! How can I help you", " today?")]
sentence = "The capital of France is Paris."
until = {"until": ["\n", "."], "max_gen_toks": 8}


def model(**how):
    how = {"tokenizer_backend": "tiktoken", "max_retries": 1, **how}
    return LocalCompletionsAPI(model=name, base_url=f"{url}/completions", **how)


def ask(kind, *arguments, **how):
    instances = [Instance(kind, {}, each, i) for i, each in enumerate(arguments)]
    return getattr(model(**how), kind)(instances, disable_tqdm=True)


generations = [(context, until) for context, _ in choices[:6:2]]
print(
    json.dumps(
        {
            "text": ask("loglikelihood", *choices, tokenized_requests=False),
            "ids": ask("loglikelihood", *choices),
            "batches": ask("loglikelihood", *choices, batch_size=3),
            "at once": ask("loglikelihood", *choices, num_concurrent=3),
            "after nothing": ask("loglikelihood", ("", sentence)),
            "rolling": ask("loglikelihood_rolling", (sentence,)),
            "generated": ask("generate_until", *generations, tokenizer_backend=None),
            "generated from ids": ask("generate_until", *generations, batch_size=2),
            "generated at once": ask("generate_until", *generations, num_concurrent=2),
        }
    )
)
