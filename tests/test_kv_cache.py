from collections.abc import Callable

import numpy as np
import pytest

from app.inference.engine import Engine
from app.inference.errors import Cancelled
from app.inference.kv_cache import PIECE, KVCache
from app.inference.model import Model

from .tiny_gguf import TOKENS

PROMPT = [5 + i * 7 % 200 for i in range(150)]
OTHER = [5 + i * 11 % 200 for i in range(150)]


class RecordingEngine:
    """The real engine; ``pieces`` has the position and the length of each evaluation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.pieces: list[tuple[int, int]] = []

    def evaluate(self, tokens: list[int], position: int) -> None:
        self.pieces.append((position, len(tokens)))
        self._engine.evaluate(tokens, position)

    def recorded(self) -> list[tuple[int, int]]:
        pieces, self.pieces = self.pieces, []
        return pieces


@pytest.fixture
def engine(tiny: Model) -> RecordingEngine:
    return RecordingEngine(tiny._engine)


@pytest.fixture
def cache(engine: RecordingEngine) -> KVCache:
    return KVCache(engine)


def never() -> None:
    pass


def reused(cache: KVCache, engine: RecordingEngine, prompt: list[int], *, exact: bool) -> int:
    """How many tokens of ``prompt`` are not evaluated again."""
    engine.recorded()
    cache.prefill(prompt, exact=exact, check=never)
    return engine.pieces[0][0]


def test_a_prompt_is_evaluated_in_pieces_that_end_at_multiples_of_32(
    cache: KVCache, engine: RecordingEngine
) -> None:
    assert reused(cache, engine, PROMPT[:70], exact=True) == 0
    assert engine.recorded() == [(0, 32), (32, 32), (64, 6)]
    assert len(cache) == 70


def test_the_longest_common_prefix_is_reused(cache: KVCache, engine: RecordingEngine) -> None:
    cache.prefill(PROMPT[:70], exact=False, check=never)
    cache.append(PROMPT[70])
    engine.recorded()
    assert reused(cache, engine, PROMPT[:80] + OTHER[:5], exact=False) == 71
    assert engine.recorded() == [(71, 14)]
    assert reused(cache, engine, PROMPT[:40] + OTHER[:5], exact=False) == 40
    assert engine.recorded() == [(40, 5)]


def test_the_last_token_of_a_prompt_is_always_evaluated(
    cache: KVCache, engine: RecordingEngine
) -> None:
    cache.prefill(PROMPT[:40], exact=False, check=never)
    engine.recorded()
    assert reused(cache, engine, PROMPT[:40], exact=False) == 39
    assert engine.recorded() == [(39, 1)]


def test_an_exact_prompt_reuses_whole_pieces_only(cache: KVCache, engine: RecordingEngine) -> None:
    cache.prefill(PROMPT[:100], exact=True, check=never)
    engine.recorded()
    assert reused(cache, engine, PROMPT[:100], exact=True) == 96
    assert engine.recorded() == [(96, 4)]
    assert reused(cache, engine, PROMPT[:96], exact=True) == 64
    assert engine.recorded() == [(64, 32)]


def test_an_exact_prompt_does_not_reuse_generated_tokens(
    cache: KVCache, engine: RecordingEngine
) -> None:
    cache.prefill(PROMPT[:40], exact=True, check=never)
    for token in PROMPT[40:100]:
        cache.append(token)
    engine.recorded()
    assert reused(cache, engine, PROMPT[:120], exact=True) == 32


def test_an_exact_prompt_does_not_reuse_what_continued_at_another_border(
    cache: KVCache, engine: RecordingEngine
) -> None:
    cache.prefill(PROMPT[:40], exact=False, check=never)
    cache.prefill(PROMPT[:110], exact=False, check=never)
    assert engine.recorded() == [(0, 32), (32, 8), (40, 24), (64, 32), (96, 14)]
    assert reused(cache, engine, PROMPT[:110], exact=True) == 32


def test_whole_pieces_of_an_inexact_prompt_are_exact(
    cache: KVCache, engine: RecordingEngine
) -> None:
    cache.prefill(PROMPT[:110], exact=False, check=never)
    assert reused(cache, engine, PROMPT[:120], exact=True) == 96


def test_the_logits_of_an_exact_prompt_do_not_depend_on_what_came_before(
    smollm: Model,
) -> None:
    # The real model: in quantised weights the difference is large.
    cache, prompt = smollm.cache, smollm.text_prompt("The quick brown fox. " * 30)

    def logits(*, exact: bool) -> np.ndarray:
        cache.prefill(prompt, exact=exact, check=never)
        return smollm.logits.copy()

    cache.rewind(0)
    fresh = logits(exact=True)
    cache.prefill(prompt[:50], exact=False, check=never)
    for token in prompt[50:80]:
        cache.append(token)
    assert not np.array_equal(logits(exact=False), fresh)
    np.testing.assert_array_equal(logits(exact=True), fresh)


def test_what_is_rewound_and_continued_otherwise_is_not_exact(
    cache: KVCache, engine: RecordingEngine
) -> None:
    cache.prefill(PROMPT[:96], exact=True, check=never)
    cache.rewind(40)
    for token in PROMPT[40:100]:
        cache.append(token)
    assert reused(cache, engine, PROMPT[:120], exact=True) == 32


def test_rewinding_forgets_the_rest(cache: KVCache, engine: RecordingEngine) -> None:
    cache.prefill(PROMPT[:100], exact=True, check=never)
    cache.rewind(50)
    engine.recorded()
    assert len(cache) == 50
    assert reused(cache, engine, PROMPT[:100], exact=True) == 32


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_evaluation_can_be_stopped_before_each_piece_and_goes_on_later(
    cache: KVCache, engine: RecordingEngine, pieces: int
) -> None:
    calls = []

    def check() -> None:
        calls.append(None)
        if len(calls) > pieces:
            raise Cancelled

    with pytest.raises(Cancelled):
        cache.prefill(PROMPT, exact=True, check=check)
    assert len(engine.recorded()) == pieces
    assert reused(cache, engine, PROMPT, exact=True) == pieces * PIECE


def test_the_engine_is_never_led_past_the_end_of_the_context(
    load_tiny: Callable[..., Model],
) -> None:
    cache = load_tiny(context_length=64).cache
    cache.prefill(PROMPT[:64], exact=True, check=never)
    with pytest.raises(ValueError, match="leave the context"):
        cache.append(len(TOKENS) - 1)
