"""Texts that tokenizers get wrong."""

import random

TEXTS = [
    "", "a", " ", "  ", "Hello world", "Hello 123  world 😀", "  leading", "trailing   ", " \n \n",
    "\t" * 50, "<|im_start|>user\nHi<|im_end|>\n", "<|im_start", "<|endoftext|>x<|endoftext|>",
    "<s>a</s> b", "</s", "<unk>", "<0x0A>", "<|user|> \n\t hi<|end|>\n\n<|user|>\n",
    "a<tool> b<tool>", "<|im_end|>a", "<|end|>   ", "<repo_name>a<file_sep>",
    "\n\n\n a\t\tb \r\n", " " * 100 + "x" + " " * 37, "  \n  \n\n   z", "a" * 500, "-" * 333,
    "don't we'll I'M 'S 'Re '", "def f(x):\n    return x**2  # hi\n\n\n", "a\x00b\x01\x7f\x85",
    "日本語のテキスト、中国語。", "مرحبا بالعالم", "हिन्दी संयुक्ताक्षर", "½ ² ① Ⅷ ১২৩ 12345 1234567",
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪", "e\u0301 é ñ ﬁ", "\u00a0nbsp\u2003em\u200bzw\ufeff", "한국어 ภาษาไทย Ελληνικά",
    "\U0001d518\U0001d52b \u017f't '\u017f", "\ufdd0\u2028\u2029", "▁a ▁▁b", "ĠaĊ",
    "$100+50=`x`^~|<>",
    "http://example.com/a?b=c&d=%20#e", "CamelCaseAndSHOUTINGWords", "ÀÉÎ àéî ŒœǅǆΩKÅ",
]  # fmt: skip


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


def corpus() -> list[str]:
    """All texts; the last are 100 kB of random Unicode."""
    return [*TEXTS, *(random_text(seed, 400) for seed in range(20)), random_text(99, 30_000)]
