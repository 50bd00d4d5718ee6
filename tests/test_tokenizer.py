from collections.abc import Callable
from pathlib import Path

import pytest

from app.inference.model import Model
from app.inference.tokenizer import Tokenizer
from app.models.cache import ModelCache

from .conftest import tokenizer_of
from .tiny_gguf import TOKENS, WRITERS, write_tiny_sentencepiece


@pytest.fixture
def tokenizer(tiny: Model) -> Tokenizer:
    return tiny.tokenizer


def tokens(tokenizer: Tokenizer, text: str, **how: bool) -> list[str]:
    return [TOKENS[token] for token in tokenizer.encode(text, **how)]


def test_text_is_merged_into_tokens(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "hello world") == ["hello", "Ġworld"]
    assert tokens(tokenizer, "held") == ["hel", "d"]


def test_digits_stand_alone(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "12 3") == ["1", "2", "Ġ", "3"]


def test_characters_without_a_token_become_bytes(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_bytes(t) for t in tokenizer.encode("é")] == [b"\xc3", b"\xa9"]


def test_control_and_user_defined_tokens_are_found_in_text(tokenizer: Tokenizer) -> None:
    text = "hello<|im_end|><tool>hello"
    assert tokens(tokenizer, text) == ["hello", "<|im_end|>", "<tool>", "hello"]


def test_the_empty_text_has_no_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("") == []


@pytest.mark.parametrize(
    "text",
    [
        "hello<|im_end|>",
        "<|im_start|><|im_end|>",
        "\ufdd0",
        "\ufdd00 \ufdd01<|im_end|>\ufdd0\ufdd0",
        "no control token",
    ],
)
def test_protected_text_is_encoded_as_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(tokenizer.protect(text), protected=True)
    assert b"".join(map(tokenizer.token_bytes, ids)).decode() == text
    assert not {TOKENS[i] for i in ids} & {"<|im_start|>", "<|im_end|>"}


def test_protection_leaves_the_templates_own_tokens(tokenizer: Tokenizer) -> None:
    text = f"<|im_start|>{tokenizer.protect('<|im_end|>')}<|im_end|>"
    shown = tokens(tokenizer, text, protected=True)
    assert (shown[0], shown[-1], shown.count("<|im_end|>")) == ("<|im_start|>", "<|im_end|>", 1)


def test_an_unprotected_text_keeps_its_noncharacters(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("\ufdd01")
    assert b"".join(map(tokenizer.token_bytes, ids)).decode() == "\ufdd01"


def test_control_tokens_add_nothing_to_an_answer(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_bytes(TOKENS.index("<|im_start|>")) == b""
    assert tokenizer.token_bytes(TOKENS.index("<tool>")) == b"<tool>"
    assert tokenizer.token_bytes(TOKENS.index("Ġworld")) == b" world"


def test_ids_beyond_the_vocabulary_add_nothing(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_bytes(len(TOKENS) + 5) == b""


def test_the_longest_control_token_is_found(load_tiny: Callable[..., Model]) -> None:
    names = ["<a>", "<a>b", "<|im_end|>", *TOKENS[3:]]
    tokenizer = load_tiny(metadata={"tokenizer.ggml.tokens": names}).tokenizer
    assert tokenizer.encode("<a>b<a>") == [1, 0]


@pytest.mark.parametrize("prompt", ["hello", "<|im_start|>hello"])
def test_a_first_token_is_added_once_where_the_model_asks_for_it(
    load_tiny: Callable[..., Model], prompt: str
) -> None:
    model = load_tiny(metadata={"tokenizer.ggml.add_bos_token": True})
    assert [TOKENS[token] for token in model.text_prompt(prompt)] == ["<|im_start|>", "hello"]


def test_text_gives_a_prompt_back(tokenizer: Tokenizer) -> None:
    prompt = "<|im_start|>user\nhello 😀<tool><|im_end|>"
    assert tokenizer.text(tokenizer.encode(prompt)) == prompt


def test_a_byte_without_a_token_is_dropped_and_keeps_its_neighbours_apart(
    load_tiny: Callable[..., Model],
) -> None:
    # llama.cpp does the same. SmolLM2 has no token for some bytes, such as F1.
    without_q = [f"<unused {i}>" if token == "q" else token for i, token in enumerate(TOKENS)]
    tokenizer = load_tiny(metadata={"tokenizer.ggml.tokens": without_q}).tokenizer
    assert tokens(tokenizer, "hqello") == ["h", "e", "l", "lo"]


class TestSentencePiece:
    """A tokenizer whose merges are decided by scores."""

    @pytest.fixture
    def tokenizer(self, tmp_path: Path) -> Tokenizer:
        path = write_tiny_sentencepiece(tmp_path / "a.gguf")
        return tokenizer_of(ModelCache(tmp_path / "cache").prepare(path))

    def pieces(self, tokenizer: Tokenizer, ids: list[int]) -> list[str]:
        return [tokenizer.text([0, token]).removeprefix("<unk>") for token in ids]

    def test_the_higher_score_is_merged_first(self, tokenizer: Tokenizer) -> None:
        ids = tokenizer.encode("hello world")
        assert self.pieces(tokenizer, ids) == ["<s>", " hello", " world"]

    def test_a_space_goes_before_a_text_and_after_special_tokens(
        self, tokenizer: Tokenizer
    ) -> None:
        ids = tokenizer.encode("he<|end|>he")
        assert self.pieces(tokenizer, ids) == ["<s>", " ", "he", "<|end|>", " ", "he"]

    def test_what_is_not_a_piece_becomes_bytes(self, tokenizer: Tokenizer) -> None:
        ids = tokenizer.encode("é😀\0")[2:]
        assert [token - 3 for token in ids] == list("é😀\0".encode())

    @pytest.mark.parametrize("text", ["hello world", " he  😀\n", "", "日本\0語", "<|end|>"])
    def test_text_comes_back(self, tokenizer: Tokenizer, text: str) -> None:
        assert tokenizer.text(tokenizer.encode(text)) == f"<s>{text}"

    def test_bos_is_not_added_twice(self, tokenizer: Tokenizer) -> None:
        assert tokenizer.encode("<s>he") == tokenizer.encode("he")

    def test_a_written_control_token_is_never_merged_into_one(self, tokenizer: Tokenizer) -> None:
        # "</" and "s>" are pieces, and so is the control token that they would make.
        ids = tokenizer.encode(tokenizer.protect("</s>"), protected=True)
        assert 2 not in ids
        assert tokenizer.text(ids) == "<s></s>"


def test_eos_is_added_where_the_model_wants_it(load_tiny: Callable[..., Model]) -> None:
    model = load_tiny(metadata={"tokenizer.ggml.add_eos_token": True})
    assert model.text_prompt("hello") == [*model.tokenizer.encode("hello")[:-1], 2]


def test_of_two_special_tokens_that_overlap_the_longer_counts(
    load_tiny: Callable[..., Model],
) -> None:
    tokens = ["a|" if token == "<tool>" else token for token in TOKENS]
    encode = load_tiny(metadata={"tokenizer.ggml.tokens": tokens}).tokenizer.encode
    assert encode("a|") == [3]
    assert 3 not in encode("a<|im_end|>")
    # The longer one is found first, although the shorter one begins before it.
    tokens[3] = "a<"
    encode = load_tiny(metadata={"tokenizer.ggml.tokens": tokens}).tokenizer.encode
    assert encode("a<|im_end|>")[-1] == 2


def test_a_written_control_token_is_never_a_word_of_the_vocabulary(
    load_tiny: Callable[..., Model],
) -> None:
    # Llama 3's vocabulary takes precedence over its merges, and "EOT" is one word.
    tokens = ["EOT" if token == "<tool>" else token for token in TOKENS]
    metadata = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.eot_token_id": 3,
        "tokenizer.ggml.token_type": [3 if i < 4 else 1 for i in range(len(tokens))],
    }
    tokenizer = load_tiny(metadata=metadata).tokenizer
    assert tokenizer.encode("EOT") == [3]
    assert 3 not in tokenizer.encode(tokenizer.protect("EOT"), protected=True)


FRAGMENTS = [
    "hello world",
    " hello",
    "<|im_end|>",
    "<s></s>",
    '{"a": <tool>hello',
    "\ufdd00 é 日本 🍕\n",
    "",
]


@pytest.mark.parametrize("text", FRAGMENTS)
def test_a_fragment_is_exactly_its_text(any_tiny: Model, text: str) -> None:
    tokenizer = any_tiny.tokenizer
    ids = tokenizer.encode_fragment(text)
    assert b"".join(map(tokenizer.token_bytes, ids)).decode() == text


def test_a_begun_answer_is_the_end_of_the_prompt(any_tiny: Model) -> None:
    question = {"role": "user", "content": "hello"}
    for begun in ("{", "<", "hello", "<|im_end|>", 'end {"a": "é'):
        prompt = any_tiny.chat_prompt([question, {"role": "assistant", "content": begun}])
        assert any_tiny.tokenizer.text(prompt).endswith(f"assistant\n{begun}")


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_nothing_is_added_to_a_fragment_with_control_tokens(
    load_tiny: Callable[..., Model], write: Callable[..., Path]
) -> None:
    metadata = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": True}
    tokenizer = load_tiny(write=write, metadata=metadata).tokenizer
    end = next(text for text, token in tokenizer.facts.control.items() if token == 2)
    assert tokenizer.encode_fragment(end, control=True) == [2]
    assert 2 not in tokenizer.encode_fragment(end)
    assert tokenizer.encode_fragment("", control=True) == []
