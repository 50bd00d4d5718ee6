"""What a GGUF's metadata say about its tokens. The rules are llama.cpp's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf.constants import TokenType

from app.exceptions import ModelError
from app.inference.model import Model
from app.models.cache import ModelCache
from app.models.facts import VocabularyFacts

from .conftest import tokenizer_of
from .tiny_gguf import TOKENS, write_tiny_gguf, write_tiny_sentencepiece

pytestmark = pytest.mark.usefixtures("without_llama_cpp")


@pytest.fixture
def facts_of(tmp_path: Path) -> Callable[..., VocabularyFacts]:
    """A function that judges a tiny byte-level vocabulary with other metadata."""

    def judge(**metadata: Any) -> VocabularyFacts:
        values = {f"tokenizer.ggml.{key}": value for key, value in metadata.items()}
        path = write_tiny_gguf(tmp_path / "a.gguf", metadata=values)
        return ModelCache(tmp_path / "cache").judge(path).facts.vocabulary

    return judge


def renamed(**names: str) -> list[str]:
    """The tiny model's tokens, some of them with another name."""
    by_id = {int(key.removeprefix("id")): name for key, name in names.items()}
    return [by_id.get(i, token) for i, token in enumerate(TOKENS)]


def test_the_end_of_a_thought_of_gpt_oss_does_not_end_its_answer(
    facts_of: Callable[..., VocabularyFacts],
) -> None:
    names = {"id10": "<|call|>", "id11": "<|end|>"}
    assert 11 in facts_of(tokens=renamed(**names), eot_token_id=11).end_tokens
    facts = facts_of(tokens=renamed(**names, id12="<|return|>"), eot_token_id=11)
    assert {10, 12} <= set(facts.end_tokens)
    assert 11 not in facts.end_tokens


def test_byte_level_prompts_begin_as_they_are(facts_of: Callable[..., VocabularyFacts]) -> None:
    facts = facts_of(add_bos_token=None)
    assert (facts.add_bos, facts.add_eos, facts.space_prefix) == (False, False, False)


def test_llama_3s_prompts_begin_with_bos(facts_of: Callable[..., VocabularyFacts]) -> None:
    assert facts_of(add_bos_token=None, pre="llama-bpe").add_bos
    assert not facts_of(add_bos_token=False, pre="llama-bpe").add_bos


def test_a_byte_level_vocabulary_without_pre_tokenizer_has_the_default_one(
    facts_of: Callable[..., VocabularyFacts],
) -> None:
    assert facts_of(pre=None).pre == "default"


def test_sentencepiece_prompts_begin_with_bos_and_a_space(tmp_path: Path) -> None:
    path = write_tiny_sentencepiece(tmp_path / "a.gguf")
    facts = ModelCache(tmp_path / "cache").judge(path).facts.vocabulary
    assert (facts.add_bos, facts.add_eos, facts.space_prefix) == (True, False, True)


def test_old_files_have_the_usual_bos_and_eos(tmp_path: Path) -> None:
    metadata = {f"tokenizer.ggml.{name}_token_id": None for name in ("bos", "eos")}
    path = write_tiny_sentencepiece(tmp_path / "a.gguf", metadata=metadata)
    facts = ModelCache(tmp_path / "cache").judge(path).facts.vocabulary
    assert (facts.bos, facts.eos) == (1, 2)


def test_the_usual_eos_counts_only_if_it_is_a_control_token(
    facts_of: Callable[..., VocabularyFacts],
) -> None:
    assert facts_of(eos_token_id=None).eos is None


def test_what_is_added_must_be_there(facts_of: Callable[..., VocabularyFacts]) -> None:
    with pytest.raises(ModelError, match="its prompts need eos_token_id, which is missing"):
        facts_of(add_eos_token=True, eos_token_id=None)


@pytest.mark.parametrize("name", ["eot", "eom"])
def test_the_ends_of_turns_and_messages_end_answers(
    facts_of: Callable[..., VocabularyFacts], name: str
) -> None:
    assert facts_of(**{f"{name}_token_id": 200}).end_tokens == [0, 2, 200]


def test_an_end_out_of_range_does_not_count(facts_of: Callable[..., VocabularyFacts]) -> None:
    assert facts_of(eot_token_id=len(TOKENS)).end_tokens == [0, 2]


@pytest.mark.parametrize("text", ["<|end|>", "<|eot_id|>", "<|eom_id|>", "</s>", "<end_of_turn>"])
def test_tokens_end_answers_by_their_text(
    facts_of: Callable[..., VocabularyFacts], text: str
) -> None:
    facts = facts_of(tokens=renamed(id3=text))
    assert facts.end_tokens == [0, 2, 3]
    assert facts.control[text] == 3  # whatever type the file gives it


def test_a_token_that_occurs_twice_is_refused(
    facts_of: Callable[..., VocabularyFacts],
) -> None:
    with pytest.raises(ModelError, match="its vocabulary is empty or has a token twice"):
        facts_of(tokens=renamed(id3="<|im_end|>"))


def test_empty_tokens_are_kept_apart(facts_of: Callable[..., VocabularyFacts]) -> None:
    assert facts_of(tokens=renamed(id3="")).user_defined == {"[EMPTY_3]": 3}


def test_a_vocabulary_without_a_token_for_a_byte_is_refused(tmp_path: Path) -> None:
    path = write_tiny_sentencepiece(tmp_path / "a.gguf")
    path.write_bytes(path.read_bytes().replace(b"<0x41>", b"<0xXX>"))
    with pytest.raises(ModelError, match="its vocabulary lacks the byte token <0x41>"):
        ModelCache(tmp_path / "cache").judge(path)


def test_a_sentencepiece_vocabulary_without_scores_is_refused(tmp_path: Path) -> None:
    path = write_tiny_sentencepiece(tmp_path / "a.gguf", metadata={"tokenizer.ggml.scores": None})
    with pytest.raises(ModelError, match=r"no valid tokenizer\.ggml\.scores"):
        ModelCache(tmp_path / "cache").judge(path)


def test_unused_tokens_add_no_text(load_tiny: Callable[..., Model]) -> None:
    types = [int(TokenType.NORMAL)] * len(TOKENS)
    types[-1] = int(TokenType.UNUSED)
    vocabulary = load_tiny(metadata={"tokenizer.ggml.token_type": types}).tokenizer
    assert vocabulary.token_bytes(len(TOKENS) - 1) == b""
    assert vocabulary.token_bytes(len(TOKENS) - 2) == b"ld"


class TestPhi3:
    """Its tokenizer drops the white space after its special tokens."""

    @pytest.fixture
    def encode(self, tmp_path: Path) -> Callable[[str], list[int]]:
        path = write_tiny_sentencepiece(
            tmp_path / "a.gguf",
            metadata={
                "general.name": "Phi-3 mini",
                "tokenizer.ggml.add_space_prefix": False,
                "tokenizer.ggml.add_bos_token": False,
            },
        )
        return tokenizer_of(ModelCache(tmp_path / "cache").prepare(path)).encode

    @pytest.mark.parametrize("token", ["<|end|>", "<tool>", "</s>"])
    def test_white_space_after_a_special_token_is_dropped(
        self, encode: Callable[[str], list[int]], token: str
    ) -> None:
        assert encode(f"{token} \n\t he{token} ") == encode(f"{token}he{token}")

    @pytest.mark.parametrize("token", ["<s>", "<unk>"])
    def test_but_not_after_these(self, encode: Callable[[str], list[int]], token: str) -> None:
        assert encode(f"{token} he") != encode(f"{token}he")

    def test_nor_before_one(self, encode: Callable[[str], list[int]]) -> None:
        assert encode("he <|end|>") != encode("he<|end|>")
