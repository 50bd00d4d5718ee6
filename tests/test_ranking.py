import gc
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from simplemma.strategies.dictionaries.stream_dictionary_factory import StreamMap

from localdocs.analysis import lemmas
from localdocs.index import SnippetIndex, SourceFile
from localdocs.ranking import Hit, search
from localdocs.snippets import Snippet

Search = Callable[[str], list[Hit]]


def source(name: str, title: str = "") -> SourceFile:
    return SourceFile(name, title)


def snippet(text: str, headings: str = "") -> Snippet:
    return Snippet(text, headings, None, 1, 1)


@pytest.fixture
def index(tmp_path: Path) -> SnippetIndex:
    return SnippetIndex(tmp_path / "index")


def fill(index: SnippetIndex, **files: str | list[str]) -> None:
    """Each file with its snippets."""
    added = [
        (source(name), [snippet(text) for text in ([texts] if isinstance(texts, str) else texts)])
        for name, texts in files.items()
    ]
    index.write([], added, "")


def found(index: SnippetIndex, question: str, limit: int = 10) -> list[str]:
    return [hit.file.name for hit in search([index.snapshot()], question, limit)]


LANGUAGES = {
    "english": "The lease ends when the tenant hands over the keys.",
    "german": "Die Krankenversicherung übernimmt den Aufenthalt in der Klinik.",
    "french": "Les employés déclarent leurs congés auprès du secrétariat.",
    "polish": "Ubezpieczenie samochodu wygasa w marcu.",
    "finnish": "Talossa on kaksi saunaa ja pyykkitupa kellarissa.",
    "turkish": "Toplantı odalarının anahtarları resepsiyondadır.",
    "russian": "Договоры хранятся в синей папке у бухгалтера.",
    "greek": "Η βιβλιοθήκη ανοίγει στις εννέα το πρωί.",
    "arabic": "تُحفظ العقود في الخزانة الزرقاء عند المحاسب.",
    "hebrew": "החוזים נשמרים בארון הכחול אצל רואה החשבון.",
    "hindi": "कर्मचारियों को छुट्टी के लिए आवेदन पत्र भरना चाहिए।",
    "bengali": "কর্মচারীরা ছুটির জন্য আবেদনপত্র জমা দেন।",
    "chinese": "年假申请需要提前两周提交给部门经理。",
    "japanese": "社員食堂は午前十一時に開きます。",
    "korean": "회의실 열쇠는 안내 데스크에서 받을 수 있습니다.",
    "thai": "พนักงานต้องลงเวลาก่อนเก้าโมงเช้าทุกวัน",
    "vietnamese": "Chìa khóa phòng họp được giữ ở quầy lễ tân.",
}


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("What happens to the keys at the end of a lease?", "english"),
        ("Was übernimmt die Versicherung?", "german"),
        ("Wer bezahlt die Kliniken?", "german"),
        ("uebernimmt jemand die krankenversicherungen", "german"),
        ("comment declarer un conge", "french"),
        ("kiedy wygasają ubezpieczenia samochodów", "polish"),
        ("montako saunaa talo", "finnish"),
        ("anahtar nerede", "turkish"),
        ("Где лежит договор?", "russian"),
        ("πότε ανοίγουν οι βιβλιοθήκες", "greek"),
        ("اين تحفظ عقود المحاسب", "arabic"),
        ("איפה נשמרים החוזים", "hebrew"),
        ("आवेदन कैसे करें", "hindi"),
        ("ছুটির আবেদন", "bengali"),
        ("怎么申请年假？", "chinese"),
        ("食堂はいつ開きますか", "japanese"),
        ("회의실의 열쇠를 어디서 받나요", "korean"),
        ("ลงเวลากี่โมง", "thai"),
        ("chìa khóa ở đâu", "vietnamese"),
    ],
)
def test_a_question_finds_its_answer_in_every_language(
    index: SnippetIndex, question: str, language: str
) -> None:
    fill(index, **LANGUAGES)
    assert found(index, question)[0] == language


def test_a_word_is_found_in_another_languages_text(index: SnippetIndex) -> None:
    fill(index, mixed="请把 Makefile 放在 プロジェクト 的根目录。", other="完全不同的内容。")
    assert found(index, "where is the makefile") == ["mixed"]


def test_a_single_character_is_a_question_too(index: SnippetIndex) -> None:
    fill(index, cats="我的邻居喜欢猫。", dogs="我的邻居喜欢狗。")
    assert found(index, "猫") == ["cats"]


@pytest.mark.parametrize(
    "question", ["what does E-1047 mean", "open config.local.yaml", "part 77-B/12", "call a_b_c"]
)
def test_exact_strings_are_found(index: SnippetIndex, question: str) -> None:
    near = "E 1047 mean config local yaml part 77 B 12 call a b c open what does"
    exact = "E-1047 config.local.yaml 77-B/12 a_b_c and " + near
    fill(index, near=near + " and more", exact=exact)
    assert found(index, question)[0] == "exact"


@pytest.mark.parametrize("marks", ['"%s"', "“%s”", "„%s“", "«%s»"])
def test_a_quoted_phrase_goes_first(index: SnippetIndex, marks: str) -> None:
    words = ["blown fuse blown fuse fuse blown box"] * 3
    fill(index, words=words, phrase="In a long list of many things " * 9 + "a Blown\nFuse box")
    question = f"where is the {marks % 'blown fuse box'}"
    assert found(index, question)[0] == "phrase"
    assert found(index, question.replace(marks % "blown fuse box", "blown fuse box"))[0] == "words"


def test_the_files_name_helps_to_find_it(index: SnippetIndex) -> None:
    fill(index, **{"2024/holiday rules.txt": "Ask the office.", "misc.txt": "Ask the office."})
    assert found(index, "rules for a holiday")[0] == "2024/holiday rules.txt"


def test_title_and_headings_help_to_find_a_snippet(index: SnippetIndex) -> None:
    added = [
        (source("a"), [snippet("Ask the office.", "Parking > Visitors"), snippet("Ask us.")]),
        (source("b", title="Telephone list"), [snippet("Ask nobody.")]),
    ]
    index.write([], added, "")
    hit, *_ = search([index.snapshot()], "where do visitors park", 3)
    assert hit.snippet.text.startswith("Parking > Visitors\nAsk the office.")
    assert found(index, "telephone") == ["b"]


def test_a_rare_word_counts_more_than_a_frequent_one(index: SnippetIndex) -> None:
    frequent = {f"f{i}": "The engine is warm." for i in range(20)}
    fill(index, **frequent, rare="The carburettor is cold.", both="Engine.")
    assert found(index, "engine or carburettor")[0] == "rare"


def test_stop_words_hardly_count(index: SnippetIndex) -> None:
    noise = {f"n{i}": "tea sugar milk" for i in range(20)}
    fill(index, stops="How do I know what this is, and where are the others?", word="port", **noise)
    assert found(index, "How do I know what the port is?")[0] == "word"


def test_equals_stay_in_their_order(index: SnippetIndex) -> None:
    fill(index, **dict.fromkeys("abcdefgh", "the same text"))
    assert found(index, "same text", limit=3) == ["a", "b", "c"]


def test_nothing_is_found_in_an_empty_index(index: SnippetIndex) -> None:
    assert found(index, "anything") == []


@pytest.mark.parametrize(
    "question", ["", " ", "?!", "🙂", "\0", '"', '""', "“”", "a" * 10_000, "\ud800"]
)
def test_any_text_can_be_a_question(index: SnippetIndex, question: str) -> None:
    fill(index, a="some text")
    assert found(index, question) == []


def test_beginning_and_end_of_a_long_question_count(index: SnippetIndex) -> None:
    fill(index, first="apples", last="pears", middle="plums")
    filler = "filler " * 200
    assert found(index, f"apples {filler} plums {filler} pears") == ["first", "last"]


def test_a_long_question_is_not_cut_inside_a_word(index: SnippetIndex) -> None:
    fill(index, first="car", last="pet")
    assert found(index, f"{'x ' * 498} carpet {'x ' * 600}") == []
    assert found(index, f"{'x ' * 600} carpet {'x ' * 498}") == []


def test_a_very_long_question_takes_no_longer_than_a_long_one(index: SnippetIndex) -> None:
    fill(index, **{f"f{i}": [f"word{j} of {i}" for j in range(i, i + 20)] for i in range(50)})

    def seconds(count: int) -> float:
        question = '"' + '" "'.join(f"word{i} of" for i in range(count)) + '"'
        times = []
        for _ in range(3):
            start = time.perf_counter()
            found(index, question)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(20_000) < 5 * seconds(300)


def test_several_indexes_are_ranked_together(tmp_path: Path) -> None:
    large, small = SnippetIndex(tmp_path / "large"), SnippetIndex(tmp_path / "small")
    fill(large, **{f"f{i}": ["The machine makes noise.", "Ask the service."] for i in range(20)})
    fill(small, coffee="The coffee machine's service code is 7741.")
    hits = search([large.snapshot(), small.snapshot()], "service code of the coffee machine", 3)
    assert (hits[0].source, hits[0].file.name) == (1, "coffee")
    assert {hit.source for hit in hits} == {0, 1}


RELATED = [
    "What does the carburettor cost?",
    "How do I clean a carburettor?",
    "carburettor",
    '"the"',
]
UNRELATED = ["Hello!", "Who are you?", "What is the capital of Peru?", "Tell me a joke about cats."]


@pytest.mark.parametrize(
    ("question", "relates"),
    [(question, True) for question in RELATED] + [(question, False) for question in UNRELATED],
)
def test_a_snippet_says_whether_it_relates_to_the_question(
    index: SnippetIndex, question: str, relates: bool
) -> None:
    texts = [f"Line {i} of the manual, about who may write what to you." for i in range(9)]
    fill(index, manual=[*texts, "To clean the carburettor costs 40 francs.", "Capital letters."])
    assert any(hit.relates for hit in search([index.snapshot()], question, 3)) is relates


def test_a_long_question_needs_a_smaller_share(index: SnippetIndex) -> None:
    fill(
        index, manual=["The printer in the basement prints blank pages when the drum is empty."] * 2
    )
    question = (
        "Since yesterday the printer in our basement shows nothing but blank pages although "
        "Ottokar bought toner and rebooted it"
    )
    assert search([index.snapshot()], question, 1)[0].relates


# A small firm's notes, and short questions whose words are not quite those of the notes.
NOTES = {
    "staff.txt": "The iguana is fed by Konstanze. The trombone was bought by Severin.",
    "kitchen.txt": "Soup costs four euros. The children eat at noon; loaves are baked at six.",
    "people.txt": "Will Young leads the sales team. IT is done by Bill Page.",
    "house.txt": "In case of fire, ring bell four. The website was made by Gustav.",
}


@pytest.mark.parametrize(
    ("question", "file"),
    [
        ("Who feeds the iguana?", "staff.txt"),
        ("Who buys a trombone?", "staff.txt"),
        ("Who distributes the iguana?", "staff.txt"),
        ("How expensive is the soup?", "kitchen.txt"),
        ("Where does a child eat?", "kitchen.txt"),
        ("Who bakes the loaf?", "kitchen.txt"),
        ("Who is Will?", "people.txt"),
        ("Who does IT?", "people.txt"),
        ("Who is Bill Page?", "people.txt"),
        ("What do I do in case of fire?", "house.txt"),
        ("Who made the website?", "house.txt"),
        ("website?", "house.txt"),
    ],
)
def test_a_short_question_gets_its_source(index: SnippetIndex, question: str, file: str) -> None:
    noise = {
        f"n{i}": f"Item {i}: will it be what you do, in that case, as it is?" for i in range(9)
    }
    fill(index, **NOTES, **noise)
    hits = search([index.snapshot()], question, 3)
    assert hits[0].file.name == file
    assert hits[0].relates


@pytest.mark.parametrize("question", ["Hello!", "Who are you?", "Who is Emilia Brontë?", "Thanks!"])
def test_small_talk_gets_no_source(index: SnippetIndex, question: str) -> None:
    fill(index, **NOTES)
    assert not any(hit.relates for hit in search([index.snapshot()], question, 3))


def test_the_word_itself_counts_more_than_its_forms(index: SnippetIndex) -> None:
    other = "Lattices, the lattice and its latticework: lattice by lattice."
    fill(index, **{f"f{i}": other for i in range(3)}, word="The attic is above the third floor.")
    assert found(index, "attic?")[0] == "word"


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("mà", "con mà", "con má mạ ma"),  # Vietnamese
        ("résumé", "a résumé", "to resume, resume, resume"),
        ("ışık", "ışık var", "isik isik"),  # Turkish
    ],
)
def test_accents_tell_words_apart(
    index: SnippetIndex, question: str, right: str, wrong: str
) -> None:
    fill(index, wrong=wrong, right=right)
    assert found(index, question) == ["right", "wrong"]


@pytest.mark.parametrize("unseen", ["\u00ad", "\u200b", "\u2060", "\ufeff"])
def test_what_is_not_seen_does_not_divide_a_word(index: SnippetIndex, unseen: str) -> None:
    fill(index, a="the refrigerator")
    assert found(index, f"refri{unseen}gerator") == ["a"]


def test_what_is_next_to_a_snippet_helps_to_find_it(index: SnippetIndex) -> None:
    fill(index, alone="It opens at nine.", near=["The library has moved.", "It opens at nine."])
    assert found(index, "when does the library open, at nine?")[0] == "near"


def test_thai_is_found_by_its_words(index: SnippetIndex) -> None:
    # "Ant" is not in "police", though its letters are.
    fill(index, police="ตำรวจมดแดง", ant="มดกินน้ำตาล")
    assert found(index, "น้ำตาลของมด")[0] == "ant"


def test_few_dictionaries_stay_in_memory() -> None:
    for language in ("ms", "id", "enm", "fa", "hi", "gd", "sq", "gv", "tl", "he"):  # small ones
        lemmas(["word"], language)
    assert sum(isinstance(there, StreamMap) for there in gc.get_objects()) <= 8
