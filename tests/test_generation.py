from collections.abc import Callable, Iterator

import pytest

from app.exceptions import Cancelled
from app.inference.generation import Generation
from app.inference.model import Model
from app.jobs import Options, Sampling
from app.pieces import Delta

GREEDY = Sampling(temperature=0)


def never() -> None:
    pass


def ask(model: Model, prompt: str = "hello world", **options: object) -> list[Delta]:
    options = {"sampling": GREEDY, **options}
    return list(Generation(model, model.text_prompt(prompt), Options(**options), never))


def text(deltas: list[Delta], index: int = 0) -> str:
    return "".join(str(p) for delta in deltas if delta.index == index for p in delta.pieces)


def test_each_token_is_a_delta_and_the_last_has_the_reason(tiny: Model) -> None:
    prompt, *deltas = ask(tiny, max_tokens=5)
    assert prompt == Delta(0, prompt_tokens=2)
    assert [delta.tokens for delta in deltas] == [1] * 5
    assert [delta.finish_reason for delta in deltas] == [None] * 4 + ["length"]


def test_an_end_token_ends_the_answer_and_is_not_counted(load_tiny: Callable[..., Model]) -> None:
    first = ask_first_token(load_tiny())
    model = load_tiny(metadata={"tokenizer.ggml.eos_token_id": first})
    assert ask(model)[1:] == [Delta(0, [], tokens=0, finish_reason="stop")]


def ask_first_token(model: Model) -> int:
    model.session.prefill(model.text_prompt("hello world"), exact=True, check=never)
    return int(model.session.logits.argmax())


def test_a_stop_string_ends_the_answer_before_it(tiny: Model) -> None:
    whole = text(ask(tiny, max_tokens=20))
    stop = whole[5:8]
    deltas = ask(tiny, max_tokens=20, stop=(stop,))
    assert text(deltas) == whole[: whole.index(stop)]
    assert deltas[-1].finish_reason == "stop"


def test_the_answer_ends_with_the_context(load_tiny: Callable[..., Model]) -> None:
    model = load_tiny(context_length=40)
    options = {"sampling": Sampling(temperature=0, repeat_penalty=1)}
    deltas = ask(model, "hello" * 30, **options)
    assert sum(delta.tokens for delta in deltas) == 10
    assert deltas[-1].finish_reason == "length"
    assert text(deltas) == text(ask(model, "hello" * 30, max_tokens=10, **options))


def test_the_first_text_leaves_before_the_second_token_is_evaluated(tiny: Model) -> None:
    deltas = iter(Generation(tiny, tiny.text_prompt("hello"), Options(sampling=GREEDY), never))
    next(deltas)  # of the prompt
    assert next(deltas).tokens == 1
    assert len(tiny.session) == 1


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_what_a_stop_string_held_back_is_shown_at_the_end(
    load_tiny: Callable[..., Model], reason: str
) -> None:
    model = load_tiny()
    prompt, tokens = model.text_prompt("hello world"), []
    model.session.prefill(prompt, exact=True, check=never)
    for _ in range(3):
        tokens.append(int(model.session.logits.argmax()))
        model.session.extend([tokens[-1]])
    assert len(set(tokens)) == 3
    if reason == "stop":
        model = load_tiny(metadata={"tokenizer.ggml.eos_token_id": tokens[2]})
    plain = {"max_tokens": 2, "sampling": Sampling(temperature=0, repeat_penalty=1)}
    shown = text(ask(model, **plain))
    limit = 2 if reason == "length" else 5
    deltas = ask(model, **{**plain, "max_tokens": limit}, stop=(f"{shown}x",))
    texts = ["".join(map(str, delta.pieces)) for delta in deltas if delta.tokens]
    assert texts == ["", shown] if limit == 2 else ["", "", shown]
    assert deltas[-1].finish_reason == reason


def test_a_token_that_completes_a_stop_string_is_counted(tiny: Model) -> None:
    first = text(ask(tiny, max_tokens=1))
    deltas = ask(tiny, stop=(first,))
    assert sum(delta.tokens for delta in deltas) == 1


def test_the_last_token_is_not_evaluated(tiny: Model) -> None:
    ask(tiny, "hello", max_tokens=4)
    assert len(tiny.session) == 1 + 3


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(seed=5, temperature=1.5, top_p=1)])
def test_the_same_request_gives_the_same_text_whatever_came_before(
    smollm: Model, sampling: Sampling
) -> None:
    options = Options(max_tokens=24, sampling=sampling)
    prompt = smollm.chat_prompt([{"role": "user", "content": "Write a poem on autumn. " * 6}])
    follow_up = [*prompt, *smollm.text_prompt("and some plants, and then some more of both")]

    def asked(ids: list[int]) -> str:
        return text(list(Generation(smollm, ids, options, never)))

    smollm.session.rewind(0)
    fresh = asked(prompt), asked(follow_up)
    inexact = Options(max_tokens=9, sampling=Sampling())
    for history in (prompt[:37], follow_up, prompt):
        list(Generation(smollm, history, inexact, never))
        assert (asked(prompt), asked(follow_up)) == fresh


@pytest.mark.parametrize(
    ("sampling", "exact"),
    [(GREEDY, True), (Sampling(seed=0), True), (Sampling(temperature=0.1), False)],
)
def test_what_must_repeat_asks_for_an_exact_prompt(
    tiny: Model, monkeypatch: pytest.MonkeyPatch, sampling: Sampling, exact: bool
) -> None:
    asked = []
    prefill = tiny.session.prefill
    monkeypatch.setattr(
        tiny.session,
        "prefill",
        lambda *prompt, **how: (asked.append(how["exact"]), prefill(*prompt, **how)),
    )
    ask(tiny, sampling=sampling, max_tokens=1)
    assert asked == [exact]


def test_two_seeds_differ(tiny: Model) -> None:
    wild = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
    texts = {text(ask(tiny, max_tokens=9, sampling=Sampling(seed=s, **wild))) for s in range(5)}
    assert len(texts) == 5


def test_n_answers_share_one_evaluation_of_the_prompt(
    tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[int] = []
    evaluate = tiny.session._engine.evaluate

    def count(tokens: list[int], position: int) -> None:
        evaluated.append(len(tokens))
        evaluate(tokens, position)

    monkeypatch.setattr(tiny.session._engine, "evaluate", count)
    ask(tiny, "hello" * 20, n=3, max_tokens=4)
    assert evaluated == [20] + [1] * 3 * 3


def test_answers_to_one_prompt_are_independent_of_each_other(tiny: Model) -> None:
    deltas = ask(tiny, n=3, max_tokens=6)
    assert text(deltas, 0) == text(deltas, 1) == text(deltas, 2) != ""


def test_a_second_turn_evaluates_only_what_is_new(
    smollm: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(max_tokens=30, sampling=GREEDY)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = smollm.chat_prompt(messages)
    answer = text(list(Generation(smollm, prompt, options, never)))
    evaluated = len(smollm.session)
    messages += [
        {"role": "assistant", "content": answer},
        {"role": "user", "content": "And of Italy?"},
    ]
    second = smollm.chat_prompt(messages)
    positions = []
    engine = smollm.session._engine.evaluate
    monkeypatch.setattr(
        smollm.session._engine,
        "evaluate",
        lambda tokens, position: (positions.append(position), engine(tokens, position)),
    )
    smollm.session.prefill(second, exact=False, check=never)
    assert positions[0] == evaluated


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_generation_can_be_stopped_before_each_evaluation(tiny: Model, steps: int) -> None:
    def check() -> Iterator[None]:
        for _ in range(steps):
            yield
        raise Cancelled

    checks = check()
    options = Options(sampling=GREEDY)
    deltas = iter(Generation(tiny, tiny.text_prompt("hello"), options, lambda: next(checks)))
    got = []
    with pytest.raises(Cancelled):
        got.extend(deltas)
    assert len(tiny.session) == steps
