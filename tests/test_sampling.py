from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from app.exceptions import EngineError
from app.inference.sampling import Sampler
from app.jobs import Sampling

OFF = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}
PROBABILITIES = np.array([0.05, 0.4, 0.25, 0.2, 0.1])
LOGITS = np.log(PROBABILITIES).astype(np.float32)


def drawn(logits: NDArray[np.float32] = LOGITS, **how: float) -> Counter[int]:
    """How often each token is drawn in 4,000 independent draws."""
    sampler = Sampler(Sampling(**{**OFF, "seed": 0, **how}))
    return Counter(sampler.sample(logits) for _ in range(4000))


def test_the_defaults_are_gpt4alls() -> None:
    assert Sampling() == Sampling(
        temperature=0.7,
        top_p=0.4,
        top_k=40,
        min_p=0.0,
        repeat_penalty=1.18,
        repeat_last_n=64,
        seed=None,
    )


def test_without_filters_tokens_are_drawn_by_their_probability() -> None:
    counts = drawn()
    frequencies = [counts[token] / 4000 for token in range(5)]
    np.testing.assert_allclose(frequencies, PROBABILITIES, atol=0.03)


def test_temperature_0_takes_the_most_likely() -> None:
    assert set(drawn(temperature=0)) == {1}


@pytest.mark.parametrize("temperature", [1e-3, 1e-300])
def test_a_tiny_temperature_takes_the_most_likely(temperature: float) -> None:
    assert set(drawn(temperature=temperature)) == {1}


def test_temperature_sharpens_and_flattens() -> None:
    assert drawn(temperature=0.5)[1] > drawn()[1] > drawn(temperature=2)[1]


@pytest.mark.parametrize(("top_k", "kept"), [(1, {1}), (2, {1, 2}), (4, {1, 2, 3, 4})])
def test_top_k_keeps_the_k_most_likely(top_k: int, kept: set[int]) -> None:
    assert set(drawn(top_k=top_k)) == kept


@pytest.mark.parametrize("top_k", [0, -1, 5, 100])
def test_top_k_of_all_or_none_keeps_all(top_k: int) -> None:
    assert set(drawn(top_k=top_k)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.0, {1}), (0.39, {1}), (0.41, {1, 2}), (0.9, {1, 2, 3, 4})]
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(top_p: float, kept: set[int]) -> None:
    assert set(drawn(top_p=top_p)) == kept


def test_top_p_counts_among_what_top_k_kept() -> None:
    # Among the three kept, the first two have (0.4 + 0.25) / 0.85 = 0.76.
    assert set(drawn(top_k=3, top_p=0.75)) == {1, 2}


def test_top_p_sees_the_probabilities_at_temperature_1() -> None:
    assert set(drawn(top_p=0.41, temperature=2)) == {1, 2}


@pytest.mark.parametrize(("min_p", "kept"), [(0.45, {1, 2, 3}), (0.6, {1, 2}), (1.0, {1})])
def test_min_p_keeps_what_reaches_a_share_of_the_best(min_p: float, kept: set[int]) -> None:
    assert set(drawn(min_p=min_p)) == kept


def test_a_seed_repeats_its_draws_and_two_seeds_differ() -> None:
    def draws(seed: int, index: int = 0) -> list[int]:
        sampler = Sampler(Sampling(**{**OFF, "seed": seed}), index)
        return [sampler.sample(LOGITS) for _ in range(50)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
    assert draws(1) != draws(1, index=1)
    assert draws(-1) == draws(-1)


def test_without_a_seed_draws_differ() -> None:
    logits = np.zeros(1000, dtype=np.float32)
    samplers = [Sampler(Sampling(**OFF)) for _ in range(2)]
    assert [samplers[0].sample(logits) for _ in range(9)] != [
        samplers[1].sample(logits) for _ in range(9)
    ]


def test_the_repeat_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    greedy = {**OFF, "temperature": 0, "repeat_penalty": 2.0}
    assert [Sampler(Sampling(**greedy)).sample(np.float32([1.0, 0.6]))] == [0]
    positive = Sampler(Sampling(**greedy))
    assert [positive.sample(np.float32([1.0, 0.6, 0.4])) for _ in range(3)] == [0, 1, 0]
    negative = Sampler(Sampling(**greedy))
    assert [negative.sample(np.float32([-1.0, -1.5])) for _ in range(3)] == [0, 1, 0]


def test_the_repeat_penalty_forgets_after_the_last_n_tokens() -> None:
    sampler = Sampler(
        Sampling(**{**OFF, "temperature": 0, "repeat_penalty": 10.0}, repeat_last_n=2)
    )
    logits = np.float32([1.0, 0.9, 0.8, 0.7])
    assert [sampler.sample(logits) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_the_logits_are_left_unchanged() -> None:
    logits = LOGITS.copy()
    drawn(logits, repeat_penalty=1.5, top_k=3)
    np.testing.assert_array_equal(logits, LOGITS)


@pytest.mark.parametrize("temperature", [0, 1])
def test_logits_that_are_not_numbers_are_an_error(temperature: float) -> None:
    sampler = Sampler(Sampling(**{**OFF, "temperature": temperature}))
    with pytest.raises(EngineError, match="damaged"):
        sampler.sample(np.float32([0.0, np.nan, 1.0]))


def test_repeatable_means_a_seed_or_greedy() -> None:
    assert Sampling(seed=0).repeatable
    assert Sampling(temperature=0).repeatable
    assert not Sampling(temperature=0.1).repeatable


def answer(length: int, **how: object) -> list[int]:
    sampler = Sampler(Sampling(**{**OFF, "temperature": 0, **how}))
    return [sampler.sample(LOGITS) for _ in range(length)]


def test_presence_penalty_counts_once_for_each_token() -> None:
    # From the best to the second is 0.47, to the third 0.69, to the fourth 1.39.
    assert answer(3, presence_penalty=0.5) == [1, 2, 1]
    assert set(answer(9, presence_penalty=2.0)) == {1, 2, 3, 4}


def test_frequency_penalty_grows_with_each_occurrence() -> None:
    assert answer(5, frequency_penalty=0.3) == [1, 1, 2, 1, 3]
    counts = Counter(answer(1000, frequency_penalty=1.0))
    assert max(counts.values()) - min(counts.values()) <= 3


def test_a_negative_penalty_repeats() -> None:
    sampler = Sampler(Sampling(**{**OFF, "seed": 1, "presence_penalty": -50.0}))
    assert len({sampler.sample(LOGITS) for _ in range(20)}) == 1


@pytest.mark.parametrize(("bias", "token"), [(((3, 100.0),), 3), (((1, -100.0),), 2)])
def test_logit_bias_makes_tokens_likely_or_impossible(
    bias: tuple[tuple[int, float], ...], token: int
) -> None:
    assert answer(3, logit_bias=bias) == [token] * 3


def test_a_bias_leaves_the_logits_as_they_are() -> None:
    before = LOGITS.copy()
    answer(3, logit_bias=((3, 100.0),), frequency_penalty=1.0, presence_penalty=1.0)
    np.testing.assert_array_equal(LOGITS, before)


def test_tokens_that_were_not_sampled_count_too() -> None:
    sampler = Sampler(Sampling(temperature=0, repeat_penalty=1, frequency_penalty=2))
    logits = np.array([1.0, 0.5], dtype=np.float32)
    sampler.add(0)
    assert sampler.sample(logits) == 1
