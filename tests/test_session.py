from collections.abc import Callable

import numpy as np
import pytest

from app.engines.base import Engine
from app.exceptions import Cancelled, ModelError
from app.inference.model import Model
from app.inference.session import Session, Sessions

from .tiny_gguf import TOKENS

PROMPT = [5 + i * 7 % 200 for i in range(150)]
OTHER = [5 + i * 11 % 200 for i in range(150)]


class RecordingEngine:
    """The real engine; ``pieces`` has the position and the length of each evaluation.

    It can go back to multiples of ``step`` only.
    """

    piece = 32

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.step = 1
        self.pieces: list[tuple[int, int]] = []

    def evaluate(self, tokens: list[int], position: int) -> None:
        self.pieces.append((position, len(tokens)))
        self._engine.evaluate(tokens, position)

    @property
    def logits(self) -> np.ndarray:
        return self._engine.logits

    def truncate(self, length: int) -> int:
        return length // self.step * self.step

    def recorded(self) -> list[tuple[int, int]]:
        pieces, self.pieces = self.pieces, []
        return pieces


@pytest.fixture
def engine(tiny: Model) -> RecordingEngine:
    return RecordingEngine(tiny.session._engine)


@pytest.fixture
def session(engine: RecordingEngine) -> Session:
    return Session(engine)


def never() -> None:
    pass


def reused(session: Session, engine: RecordingEngine, prompt: list[int], *, exact: bool) -> int:
    """How many tokens of ``prompt`` are not evaluated again."""
    engine.recorded()
    return session.prefill(prompt, exact=exact, check=never)


def test_a_prompt_is_evaluated_in_pieces_that_end_at_multiples_of_32(
    session: Session, engine: RecordingEngine
) -> None:
    assert reused(session, engine, PROMPT[:70], exact=True) == 0
    assert engine.recorded() == [(0, 32), (32, 32), (64, 6)]
    assert len(session) == 70


def test_the_longest_common_prefix_is_reused(session: Session, engine: RecordingEngine) -> None:
    session.prefill(PROMPT[:70], exact=False, check=never)
    session.extend([PROMPT[70]])
    engine.recorded()
    assert reused(session, engine, PROMPT[:80] + OTHER[:5], exact=False) == 71
    assert engine.recorded() == [(71, 14)]
    assert reused(session, engine, PROMPT[:40] + OTHER[:5], exact=False) == 40
    assert engine.recorded() == [(40, 5)]


@pytest.mark.parametrize("exact", [False, True])
def test_the_same_prompt_is_not_evaluated_again(
    session: Session, engine: RecordingEngine, exact: bool
) -> None:
    session.prefill(PROMPT[:40], exact=exact, check=never)
    wanted = session.logits.copy()
    session.extend(OTHER[:3])
    assert reused(session, engine, PROMPT[:40], exact=exact) == 40
    assert engine.recorded() == []
    np.testing.assert_array_equal(session.logits, wanted)


def test_an_exact_prompt_is_evaluated_again_after_one_that_was_not(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:20], exact=False, check=never)
    session.extend([PROMPT[20]])
    session.prefill(PROMPT[:40], exact=False, check=never)
    assert reused(session, engine, PROMPT[:40], exact=True) == 0


def test_the_last_token_of_a_shorter_prompt_is_evaluated_again(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:40], exact=False, check=never)
    assert reused(session, engine, PROMPT[:30], exact=False) == 29
    assert engine.recorded() == [(29, 1)]


def test_an_exact_prompt_reuses_whole_pieces_only(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:100], exact=True, check=never)
    engine.recorded()
    assert reused(session, engine, [*PROMPT[:99], OTHER[0]], exact=True) == 96
    assert engine.recorded() == [(96, 4)]
    assert reused(session, engine, PROMPT[:96], exact=True) == 64
    assert engine.recorded() == [(64, 32)]


def test_an_exact_prompt_does_not_reuse_generated_tokens(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:40], exact=True, check=never)
    for token in PROMPT[40:100]:
        session.extend([token])
    engine.recorded()
    assert reused(session, engine, PROMPT[:120], exact=True) == 32


def test_an_exact_prompt_does_not_reuse_what_continued_at_another_border(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:40], exact=False, check=never)
    session.prefill(PROMPT[:110], exact=False, check=never)
    assert engine.recorded() == [(0, 32), (32, 8), (40, 24), (64, 32), (96, 14)]
    assert reused(session, engine, PROMPT[:110], exact=True) == 32


def test_whole_pieces_of_an_inexact_prompt_are_exact(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:110], exact=False, check=never)
    assert reused(session, engine, PROMPT[:120], exact=True) == 96


def test_the_logits_of_an_exact_prompt_do_not_depend_on_what_came_before(
    smollm: Model,
) -> None:
    # The real model: in quantised weights the difference is large.
    session, prompt = smollm.session, smollm.text_prompt("The quick brown fox. " * 30)

    def logits(*, exact: bool) -> np.ndarray:
        session.prefill(prompt, exact=exact, check=never)
        return smollm.session.logits.copy()

    session.rewind(0)
    fresh = logits(exact=True)
    session.prefill(prompt[:50], exact=False, check=never)
    for token in prompt[50:80]:
        session.extend([token])
    assert not np.array_equal(logits(exact=False), fresh)
    np.testing.assert_array_equal(logits(exact=True), fresh)


def test_what_is_rewound_and_continued_otherwise_is_not_exact(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:96], exact=True, check=never)
    session.rewind(40)
    for token in PROMPT[40:100]:
        session.extend([token])
    assert reused(session, engine, PROMPT[:120], exact=True) == 32


def test_rewinding_forgets_the_rest(session: Session, engine: RecordingEngine) -> None:
    session.prefill(PROMPT[:100], exact=True, check=never)
    session.rewind(50)
    engine.recorded()
    assert len(session) == 50
    assert reused(session, engine, PROMPT[:100], exact=True) == 32


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_evaluation_can_be_stopped_before_each_piece_and_goes_on_later(
    session: Session, engine: RecordingEngine, pieces: int
) -> None:
    calls = []

    def check() -> None:
        calls.append(None)
        if len(calls) > pieces:
            raise Cancelled

    with pytest.raises(Cancelled):
        session.prefill(PROMPT, exact=True, check=check)
    assert len(engine.recorded()) == pieces
    assert reused(session, engine, PROMPT, exact=True) == pieces * 32


def test_the_engine_is_never_led_past_the_end_of_the_context(
    load_tiny: Callable[..., Model],
) -> None:
    session = load_tiny(context_length=64).session
    session.prefill(PROMPT[:64], exact=True, check=never)
    with pytest.raises(ValueError, match="do not fit into the context"):
        session.extend([len(TOKENS) - 1])


def test_what_an_engine_forgets_beside_is_evaluated_again(
    session: Session, engine: RecordingEngine
) -> None:
    session.prefill(PROMPT[:100], exact=True, check=never)
    wanted = session.logits.copy()
    engine.step = 40
    session.rewind(90)
    assert engine.recorded()[-1] == (80, 10)
    assert reused(session, engine, PROMPT[:100], exact=False) == 90
    np.testing.assert_allclose(session.logits, wanted, atol=1e-3)


@pytest.fixture
def sessions(load_tiny: Callable[..., Model]) -> Sessions:
    """Three of them, over the weights of a tiny model."""
    return load_tiny(slots=3).sessions


def evaluated(sessions: Sessions, prompt: list[int], *, exact: bool = True) -> int:
    """How many tokens of ``prompt`` must be evaluated."""
    kept = sessions.choose(prompt).prefill(prompt, exact=exact, check=never)
    return len(prompt) - kept


def conversation(seed: int, length: int = 100) -> list[int]:
    return [5 + i * (2 * seed + 3) % 200 for i in range(length)]


def test_conversations_in_turn_stay_warm(sessions: Sessions) -> None:
    prompts = [conversation(seed) for seed in range(3)]
    assert [evaluated(sessions, prompt) for prompt in prompts] == [100, 100, 100]
    longer = [[*prompt, *OTHER[:20]] for prompt in prompts]
    assert [evaluated(sessions, prompt) for prompt in longer] == [24, 24, 24]


def test_one_more_takes_the_place_of_that_not_used_for_longest(sessions: Sessions) -> None:
    first, *others, last = (conversation(seed) for seed in range(4))
    for prompt in (first, *others, first, last):
        evaluated(sessions, prompt)
    assert [evaluated(sessions, prompt) for prompt in (first, last)] == [0, 0]
    assert evaluated(sessions, others[0]) == 100


def test_a_beginning_that_others_share_costs_no_conversation_its_place(sessions: Sessions) -> None:
    system = conversation(9, 32)
    first, second = (system + conversation(seed) for seed in range(2))
    assert [evaluated(sessions, prompt) for prompt in (first, second)] == [132, 132]
    assert [evaluated(sessions, prompt) for prompt in (first, second)] == [0, 0]


def test_when_most_is_kept_a_conversation_stays_where_it_is(sessions: Sessions) -> None:
    evaluated(sessions, PROMPT)
    evaluated(sessions, [*PROMPT[:140], *OTHER[:20]])
    assert len(sessions._sessions) == 1


def test_of_those_with_the_same_beginning_the_shortest_is_taken(sessions: Sessions) -> None:
    system = conversation(9, 64)
    long, short, new = ([*system, *conversation(i, n)] for i, n in enumerate((100, 20, 20)))
    assert [evaluated(sessions, prompt) for prompt in (long, short, new)] == [164, 84, 20]
    assert evaluated(sessions, long) == 0


def test_what_no_later_prompt_can_use_does_not_count_as_lost(sessions: Sessions) -> None:
    history, context = conversation(1, 40), conversation(2, 90)
    prompt = [*history, *context]
    sessions.choose(prompt, lasting=40).prefill(prompt, exact=True, check=never)
    assert evaluated(sessions, [*history, *OTHER[1:31]], exact=False) == 30
    assert len(sessions._sessions) == 1
    evaluated(sessions, [*history[:20], *PROMPT[1:]])  # would lose the 30, which count again
    assert len(sessions._sessions) == 2


def test_the_logits_are_the_same_in_every_slot(sessions: Sessions) -> None:
    found = []
    for seed in range(3):
        evaluated(sessions, conversation(seed))
        evaluated(sessions, [*conversation(seed, 64), *PROMPT])
        found.append(sessions.latest().logits.copy())
        evaluated(sessions, conversation(seed))
    alone = Session(sessions._engines[0])
    for seed in range(3):
        alone.prefill([*conversation(seed, 64), *PROMPT], exact=True, check=never)
        np.testing.assert_array_equal(found[seed], alone.logits)


def test_slots_that_cannot_be_had_are_done_without(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> Engine:
        raise ModelError("no memory")

    sessions._open_engine = refuse
    for seed in range(4):
        assert evaluated(sessions, conversation(seed)) == 100
    assert caplog.messages == ["There is memory for only 1 KV caches: no memory"]
