import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from localdocs.collections import Collections
from localdocs.limits import Limits
from localdocs.prompt import context, reference, sources
from localdocs.ranking import Hit, search
from localdocs.refreshing import refresh

TEXTS = {
    "handbook.md": "# Coffee\n\nThe coffee machine is called Brunhilde.\n\nHer code is 7741.",
    "c.txt": "Visitors park in lot C behind the bakery.\n\nThe other lot costs nine francs.",
    "music.txt": "The choir rehearses on Tuesdays in the cellar.",
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a collection is kept of which all is read."""
    place = tmp_path_factory.mktemp("office")
    (place / "folder").mkdir()
    for name, text in TEXTS.items():
        (place / "folder" / name).write_text(text)
    collections = Collections(place / "localdocs")
    collections.create("Office", place / "folder")
    refresh(collections, "Office", Limits(snippet_size=64))
    return place / "localdocs"


@pytest.fixture
def collections(office: Path, tmp_path: Path) -> Collections:
    return Collections(shutil.copytree(office, tmp_path / "localdocs"))


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def found(collections: Collections, *messages: dict[str, str], limit: int = 3) -> list[str]:
    return [source.hit.file.name for source in sources(collections, messages, limit, size=64)]


def test_the_last_message_of_the_user_is_the_question(collections: Collections) -> None:
    earlier = [{"role": "system", "content": "music"}, user("When does the choir rehearse?")]
    messages = [*earlier, assistant("The choir!"), user("Where do visitors park?")]
    assert found(collections, *messages) == ["c.txt"]
    assert found(collections, *messages, assistant("choir rehearses")) == ["c.txt"]


def test_the_best_source_goes_first_and_the_limit_holds(collections: Collections) -> None:
    question = user("What is the code of Brunhilde, and where do visitors park?")
    assert found(collections, question) == ["c.txt", "handbook.md"]
    assert found(collections, question, limit=1) == ["c.txt"]


@pytest.mark.parametrize(
    "question", ["Hello!", "Who is Michael Jordan?", "", "What can you do for me?", "🙂"]
)
def test_a_message_to_which_nothing_relates_gets_no_sources(
    collections: Collections, question: str
) -> None:
    assert found(collections, user(question)) == []


@pytest.mark.parametrize("follow_up", ["and the second one?", "Why?", "Tell me more!"])
def test_a_follow_up_draws_on_the_question_before(collections: Collections, follow_up: str) -> None:
    turns = [user("Where do visitors park?"), assistant("In lot C."), user(follow_up)]
    assert "c.txt" in found(collections, *turns)
    assert found(collections, user(follow_up)) == []


def test_a_new_question_does_not_draw_on_the_one_before(collections: Collections) -> None:
    turns = [user("Where do visitors park?"), assistant("In lot C.")]
    assert found(collections, *turns, user("Who is Michael Jordan?")) == []
    assert found(collections, *turns, user("When does the choir rehearse?")) == ["music.txt"]


def test_only_active_collections_are_quoted(collections: Collections) -> None:
    collections.activate("Office", False)
    assert found(collections, user("Where do visitors park?")) == []
    collections.activate("Office", True)
    assert found(collections, user("Where do visitors park?")) == ["c.txt"]


def test_the_context_is_in_gpt4alls_form(collections: Collections) -> None:
    path = collections.find("Office").folder / "c.txt"
    found = sources(collections, [user("Where do visitors park?")], 3, size=64)
    assert context(found) == (
        f"### Context:\nCollection: Office\nPath: {path}\n"
        "Excerpt: Visitors park in lot C behind the bakery.\n\n"
    )


def test_a_reference_has_gpt4alls_fields(collections: Collections) -> None:
    [source] = sources(collections, [user("When does the choir rehearse?")], 3)
    found: dict[str, Any] = reference(source)
    assert found.pop("date").startswith("20")
    assert found == {
        "file": "music.txt",
        "title": "",
        "author": "",
        "text": TEXTS["music.txt"],
        "page": -1,
        "from": 1,
        "to": 1,
    }


def test_a_reference_names_the_day_as_gpt4all_does(collections: Collections) -> None:
    [source] = sources(collections, [user("When does the choir rehearse?")], 3)
    day = reference(source)["date"]
    assert day[:4].isdigit()
    assert day[4:6] == ", "
    assert day.split()[1].isalpha()
    assert day.split()[2].isdigit()


def test_a_collection_that_is_removed_meanwhile_gives_no_sources(collections: Collections) -> None:
    listed = collections.all()
    collections.remove("Office")
    collections.all = lambda: listed  # type: ignore[method-assign]
    assert found(collections, user("Where do visitors park?")) == []


def test_one_thread_searches_for_all(
    collections: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching = set()

    def watched(*how: Any) -> list[Hit]:
        searching.add(threading.current_thread())
        return search(*how)

    monkeypatch.setattr("localdocs.ranking.search", watched)
    for _ in range(3):
        asking = threading.Thread(target=found, args=[collections, user("visitors")])
        asking.start()
        asking.join()
    assert len(searching) == 1
