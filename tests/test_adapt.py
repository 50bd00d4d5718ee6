import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from tokenizers import Tokenizer

from app.inference.adapt import Facts, prepare
from app.inference.errors import ModelError
from app.inference.gguf_file import read_gguf
from app.inference.tokenizer import build_tokenizer

from .tiny_gguf import EMBEDDING, TEMPLATE, TOKENS, write_tiny_gguf


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def prepared_files(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def test_the_facts_are_those_of_the_file(tmp_path: Path, cache: Path) -> None:
    facts = prepare(write_tiny_gguf(tmp_path / "a.gguf"), cache).facts
    assert facts == Facts(
        identity=facts.identity,
        sizes=facts.sizes,
        context_length=256,
        vocabulary_size=len(TOKENS),
        bos_token=1,
        eos_token=2,
        add_bos_token=False,
        end_tokens=[0, 2],
        chat_template=TEMPLATE,
    )


def test_the_file_itself_is_left_as_it_is(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    before = path.read_bytes(), path.stat().st_mtime_ns
    prepare(path, cache)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_model_is_prepared_once(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    prepare(path, cache)
    before = prepared_files(cache)
    prepare(path, cache)
    assert prepared_files(cache) == before


def test_a_changed_file_is_prepared_anew_in_the_old_ones_place(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache)
    write_tiny_gguf(path, context_length=64)
    second = prepare(path, cache)
    assert second.facts.context_length == 64
    assert second.folder == first.folder


def test_a_file_of_another_time_is_prepared_anew(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache).facts.identity
    os.utime(path, (1, 1))
    assert prepare(path, cache).facts.identity != first


def test_models_of_one_name_in_two_folders_are_kept_apart(tmp_path: Path, cache: Path) -> None:
    for name, context_length in (("one", 64), ("two", 128)):
        (tmp_path / name).mkdir()
        write_tiny_gguf(tmp_path / name / "a.gguf", context_length=context_length)
    lengths = [
        prepare(tmp_path / name / "a.gguf", cache).facts.context_length
        for name in ("one", "two", "one")
    ]
    assert lengths == [64, 128, 64]


def test_a_deleted_cache_is_made_again(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    weights = prepare(path, cache).weights
    for file in sorted(cache.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    assert prepare(path, cache).weights == weights
    assert weights.is_file()


@pytest.mark.parametrize("name", ["facts.json", "tokenizer.json", "weights.gguf"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: Path, name: str, damage: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache)
    whole = {file: file.read_bytes() for file in first.folder.iterdir()}
    if damage == "missing":
        (first.folder / name).unlink()
    else:
        (first.folder / name).write_bytes(whole[first.folder / name][:50])
    assert prepare(path, cache) == first
    assert {file: file.read_bytes() for file in first.folder.iterdir()}.keys() == whole.keys()
    assert (first.folder / name).stat().st_size > 50


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "{", '{"identity": 5}'])
def test_facts_that_are_none_are_made_again(tmp_path: Path, cache: Path, text: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache)
    (first.folder / "facts.json").write_text(text)
    assert prepare(path, cache) == first


def test_a_tokenizer_that_is_none_is_named(tmp_path: Path, cache: Path) -> None:
    prepared = prepare(write_tiny_gguf(tmp_path / "a.gguf"), cache)
    tokenizer = prepared.folder / "tokenizer.json"
    tokenizer.write_bytes(b"x" * tokenizer.stat().st_size)
    with pytest.raises(ModelError, match=r"tokenizer\.json is damaged; delete it"):
        prepared.tokenizer()


def test_what_is_in_the_way_is_removed(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    folder = prepare(path, cache).folder
    shutil.rmtree(folder)
    folder.touch()
    (cache / ".new-x").touch()
    assert prepare(path, cache).folder.is_dir()
    assert not (cache / ".new-x").exists()


def test_a_file_of_the_same_size_and_time_is_told_by_its_header(
    tmp_path: Path, cache: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", context_length=64)
    status = path.stat()
    assert prepare(path, cache).facts.context_length == 64
    write_tiny_gguf(path, context_length=65)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert prepare(path, cache).facts.context_length == 65


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a[1]*.gguf", context_length=64)
    prepare(path, cache)
    write_tiny_gguf(path, context_length=128)
    assert prepare(path, cache).facts.context_length == 128


def test_two_who_prepare_one_model_at_once_do_it_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, together, made = write_tiny_gguf(tmp_path / "a.gguf"), threading.Barrier(2), []

    def record(file: object) -> Tokenizer:
        made.append(file)
        return build_tokenizer(file)

    def work() -> Path:
        together.wait(10)
        return prepare(path, cache).folder

    monkeypatch.setattr("app.inference.adapt.build_tokenizer", record)
    with ThreadPoolExecutor() as pool:
        first, second = (pool.submit(work) for _ in range(2))
    assert first.result() == second.result()
    assert len(made) == 1


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path, cache: Path) -> None:
    (cache / ".new-killed").mkdir(parents=True)
    (cache / ".new-killed" / "weights.gguf").write_bytes(b"half")
    prepare(write_tiny_gguf(tmp_path / "a.gguf"), cache)
    assert not (cache / ".new-killed").exists()


def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A full disk cannot be had on demand.
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    path = write_tiny_gguf(tmp_path / "a.gguf")
    monkeypatch.setattr("gguf.GGUFWriter.write_tensors_to_file", full)
    with pytest.raises(ModelError, match=r"a\.gguf cannot be prepared: .*No space left"):
        prepare(path, cache)
    assert [path.name for path in cache.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"tokenizer.ggml.model": "t5"}, "its tokenizer is 't5'"),
        (
            {"tokenizer.ggml.model": "llama", "tokenizer.ggml.merges": None},
            "its tokenizer is 'llama'",
        ),
        ({"tokenizer.ggml.pre": "other"}, "pre-tokenizer 'other'; supported: 'gpt2' with 'smollm'"),
        ({"tokenizer.ggml.merges": ["x yz"]}, "its vocabulary is broken"),
    ],
)
def test_a_vocabulary_that_is_not_supported_is_refused(
    tmp_path: Path, cache: Path, metadata: dict[str, str], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        prepare(write_tiny_gguf(tmp_path / "a.gguf", metadata=metadata), cache)


def test_an_output_of_its_own_is_kept(tmp_path: Path, cache: Path) -> None:
    output = np.full((len(TOKENS), EMBEDDING), 0.5, dtype=np.float32)
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors={"output.weight": output})
    tensors = {t.name: t.data for t in read_gguf(path).tensors}
    rewritten = {t.name: t.data for t in GGUFReader(prepare(path, cache).weights).tensors}
    assert rewritten.keys() == tensors.keys()
    for name, data in tensors.items():
        np.testing.assert_array_equal(rewritten[name], data)


def test_tied_embeddings_become_the_output(tmp_path: Path, cache: Path) -> None:
    prepared = prepare(write_tiny_gguf(tmp_path / "a.gguf"), cache)
    tensors = {t.name: t.data for t in GGUFReader(prepared.weights).tensors}
    np.testing.assert_array_equal(tensors["output.weight"], tensors["token_embd.weight"])
