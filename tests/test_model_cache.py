import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader

from app.application import create_app
from app.engines.ctransformers.adapt import write_adapted
from app.exceptions import CacheError, ModelError
from app.inference.model import Model
from app.models.cache import ModelCache, PreparedModel
from app.models.disk import ByVersion
from app.models.facts import Facts, Judgement, Plan
from app.models.gguf_file import read_gguf
from app.models.library import ModelFile

from .conftest import tokenizer_of
from .server import ROOT
from .tiny_gguf import (
    EMBEDDING,
    TEMPLATE,
    TOKENS,
    damage_in_the_middle,
    write_large_vocabulary,
    write_tiny_gguf,
    write_tiny_sentencepiece,
)

pytestmark = pytest.mark.usefixtures("without_llama_cpp")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def prepare(path: Path, cache: Path) -> PreparedModel:
    """Prepares a model like a new process, which has nothing in memory."""
    return ModelCache(cache).prepare(path)


def judge(path: Path, cache: Path) -> Judgement:
    return ModelCache(cache).judge(path)


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> None:
        pytest.fail(f"{path} is read again")

    monkeypatch.setattr("app.models.gguf_file.read_gguf", read)


def prepared_files(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def test_the_facts_are_those_of_the_file(tmp_path: Path, cache: Path) -> None:
    judgement = judge(write_tiny_gguf(tmp_path / "a.gguf"), cache)
    weights = judgement.plan().copy_bytes // 4
    assert judgement.facts == Facts(
        architecture="llama",
        weight_type="F32",
        parameters=weights - len(TOKENS) * EMBEDDING,  # embeddings and output are one
        chat_template=TEMPLATE,
        vocabulary=judgement.facts.vocabulary,
    )
    # Two blocks with two heads of eight dimensions, a key and a value each, in F16.
    token_bytes = 2 * 2 * 8 * 2 * 2
    assert judgement.plan() == Plan("ctransformers", 256, 4 * weights, token_bytes)


def test_a_judgement_is_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    facts = judge(path, cache)
    forbid_reading(monkeypatch)
    assert judge(path, cache) == facts


def test_a_reason_is_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", architecture="qwen2")
    for _ in range(2):
        with pytest.raises(ModelError, match="its architecture is 'qwen2'"):
            judge(path, cache)
        forbid_reading(monkeypatch)


def test_a_judged_file_is_checked_only_for_size_and_time(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    models = ModelCache(cache)
    facts = models.judge(path)
    shutil.rmtree(cache)
    assert models.judge(path) is facts


def test_a_changed_file_is_judged_again(tmp_path: Path, cache: Path) -> None:
    path, models = write_tiny_gguf(tmp_path / "a.gguf"), ModelCache(cache)
    assert models.judge(path).plan().context_length == 256
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged, truncated or not a GGUF"):
        models.judge(path)


def test_a_missing_file_is_an_error(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.gguf cannot be read: No such file"):
        judge(tmp_path / "a.gguf", cache)


def test_judging_needs_no_writable_cache(tmp_path: Path, cache: Path) -> None:
    cache.write_text("in the way")
    assert judge(write_tiny_gguf(tmp_path / "a.gguf"), cache).plan().context_length == 256


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


def test_a_changed_file_is_prepared_again_and_the_old_entry_deleted(
    tmp_path: Path, cache: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache)
    write_tiny_gguf(path, context_length=64)
    second = prepare(path, cache)
    assert second.plan.context_length == 64
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == [second.weights.parent.parent]
    assert first.weights != second.weights


def test_what_was_made_from_a_deleted_file_is_deleted(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    deleted = prepare(path, cache).weights
    path.unlink()
    prepare(write_tiny_gguf(tmp_path / "b.gguf"), cache)
    assert not deleted.exists()


def test_forgetting_deletes_at_once(tmp_path: Path, cache: Path) -> None:
    kept, path = (write_tiny_gguf(tmp_path / name) for name in ("a.gguf", "b.gguf"))
    weights = [prepare(p, cache).weights for p in (kept, path)]
    ModelCache(cache).forget(path)
    assert [w.exists() for w in weights] == [True, False]


def test_a_file_with_another_time_is_prepared_again(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache).weights
    os.utime(path, (1, 1))
    assert prepare(path, cache).weights != first


def test_models_with_the_same_name_in_two_folders_are_kept_apart(
    tmp_path: Path, cache: Path
) -> None:
    for name, context_length in (("one", 64), ("two", 128)):
        (tmp_path / name).mkdir()
        write_tiny_gguf(tmp_path / name / "a.gguf", context_length=context_length)
    lengths = [
        prepare(tmp_path / name / "a.gguf", cache).plan.context_length
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


def test_a_cache_deleted_at_runtime_is_made_again(tmp_path: Path, cache: Path) -> None:
    path, models = write_tiny_gguf(tmp_path / "a.gguf"), ModelCache(cache)
    models.prepare(path)
    shutil.rmtree(cache)
    assert models.prepare(path).weights.is_file()


@pytest.mark.parametrize("name", ["judgement.json", "checksums.json", "tokenizer", "weights.gguf"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "first byte", "last byte"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: Path, name: str, damage: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache)
    whole = {file: file.read_bytes() for file in cache.rglob("*[a-z]") if file.is_file()}
    [damaged] = cache.rglob(name)
    data = damaged.read_bytes()
    match damage:
        case "missing":
            damaged.unlink()
        case "truncated":
            damaged.write_bytes(data[:10])
        case "first byte":
            damaged.write_bytes(b"?" + data[1:])
        case "last byte":
            damaged.write_bytes(data[:-1] + b"?")
    assert prepare(path, cache) == first
    assert {file: file.read_bytes() for file in cache.rglob("*[a-z]") if file.is_file()} == whole


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "{", '{"facts": {"a": 5}}'])
def test_a_damaged_judgement_is_made_again(tmp_path: Path, cache: Path, text: str) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    first = prepare(path, cache)
    (first.weights.parent.parent / "judgement.json").write_text(text)
    assert prepare(path, cache) == first


def test_what_the_engine_refuses_is_discarded_only_if_it_is_damaged(
    tmp_path: Path, cache: Path
) -> None:
    models = ModelCache(cache)
    prepared = models.prepare(write_large_vocabulary(tmp_path / "a.gguf"))
    assert not models.discard_damaged(prepared)
    assert models.is_prepared(tmp_path / "a.gguf")
    damage_in_the_middle(prepared.tokenizer)
    assert models.is_prepared(tmp_path / "a.gguf")  # that is not checked each time
    with pytest.raises(ModelError, match="tokenizer is damaged; delete it"):
        tokenizer_of(prepared)
    assert models.discard_damaged(prepared)
    assert not models.is_prepared(tmp_path / "a.gguf")


def a_file(cache: Path) -> None:
    cache.write_text("in the way")


def a_loop(cache: Path) -> None:
    cache.symlink_to(cache)


@pytest.mark.parametrize("break_", [a_file, a_loop])
@pytest.mark.parametrize("stream", [False, True])
def test_a_cache_that_cannot_be_written_is_a_503_that_names_it(
    tmp_path: Path, cache: Path, break_: Callable[[Path], None], stream: bool
) -> None:
    (tmp_path / "models").mkdir()
    write_tiny_gguf(tmp_path / "models" / "tiny.gguf")
    break_(cache)
    client = create_app({"DATA_DIR": str(tmp_path)}).test_client()
    body = {"model": "tiny", "prompt": "a", "max_tokens": 1, "stream": stream}
    response = client.post("/v1/completions", json=body)
    assert response.status_code == 503
    error = response.json["error"]
    assert f"cannot be prepared in the cache folder {cache}" in error["message"]
    assert error["code"] == "cache_not_writable"
    cache.unlink()
    assert client.post("/v1/completions", json=body).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_a_read_only_cache_is_told_of(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    cache.mkdir()
    script = (
        f'mount --bind "{cache}" "{cache}" && mount -o remount,ro,bind "{cache}" || exit 77; '
        f'"{sys.executable}" -c "from pathlib import Path; '
        f"from app.models.cache import ModelCache; ModelCache(Path('{cache}')).prepare("
        f"Path('{path}'))\""
    )
    command = ["unshare", "-Urm", "sh", "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode != 1:
        pytest.skip("cannot mount here")
    assert f"CacheError: a.gguf cannot be prepared in the cache folder {cache}: Read-only" in (
        run.stderr
    )


def test_files_of_the_same_size_and_time_are_told_apart_by_their_headers(
    tmp_path: Path, cache: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf", context_length=64)
    status = path.stat()
    assert prepare(path, cache).plan.context_length == 64
    write_tiny_gguf(path, context_length=65)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert prepare(path, cache).plan.context_length == 65


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a[1]*.gguf", context_length=64)
    prepare(path, cache)
    write_tiny_gguf(path, context_length=128)
    assert prepare(path, cache).plan.context_length == 128


def test_two_requests_at_once_prepare_a_model_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, together = write_tiny_gguf(tmp_path / "a.gguf"), threading.Barrier(2)
    made: list[Path] = []

    def record(sizes: Any, tensors: Any, source: Path, target: Path, progress: Any) -> None:
        made.append(source)
        write_adapted(sizes, tensors, source, target, progress)

    def work() -> Path:
        together.wait(10)
        return prepare(path, cache).weights

    monkeypatch.setattr("app.engines.ctransformers.write_adapted", record)
    with ThreadPoolExecutor() as pool:
        first, second = (pool.submit(work) for _ in range(2))
    assert first.result() == second.result()
    assert made == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_unfinished_entry_does_not_count(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    # A test cannot fill the disk, or kill a process at the right moment.
    def write_half(sizes: Any, tensors: Any, source: Path, target: Path, progress: Any) -> None:
        target.write_bytes(b"half")
        raise error

    path = write_tiny_gguf(tmp_path / "a.gguf")
    with monkeypatch.context() as broken:
        broken.setattr("app.engines.ctransformers.write_adapted", write_half)
        with pytest.raises((CacheError, KeyboardInterrupt)):
            prepare(path, cache)
    assert not list(cache.rglob("weights.gguf"))
    assert prepare(path, cache).weights.stat().st_size > 1000


def test_leftovers_of_a_killed_run_are_deleted(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    judge(path, cache)
    (entry,) = (folder for folder in cache.iterdir() if folder.is_dir())
    (entry / ".new-killed").write_bytes(b"half")
    prepare(path, cache)
    assert not (entry / ".new-killed").exists()


def test_too_small_a_disk_is_reported_before_anything_is_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(0, 0, 5 << 20))
    with pytest.raises(CacheError, match=r"which takes 0 MiB, but the disk .* has only 5 MiB"):
        prepare(write_tiny_gguf(tmp_path / "a.gguf"), cache)
    assert not list(cache.rglob("weights.gguf"))


def test_a_file_of_2023s_form_is_used_in_place(tmp_path: Path, cache: Path) -> None:
    path = write_tiny_sentencepiece(tmp_path / "a.gguf")
    prepared = prepare(path, cache)
    assert not prepared.plan.copy_bytes
    assert prepared.weights == path
    assert not list(cache.rglob("weights.gguf"))


def test_a_file_used_in_place_works_like_its_adapted_copy(tmp_path: Path, cache: Path) -> None:
    in_place = write_tiny_sentencepiece(tmp_path / "a.gguf")
    # A wider integer is enough for the engine to refuse the file itself.
    adapted = write_tiny_sentencepiece(tmp_path / "b.gguf", wide_context_length=True)
    logits = []
    for path in (in_place, adapted):
        prepared = prepare(path, cache)
        assert (not prepared.plan.copy_bytes) == (path is in_place)
        model = Model.load(ModelFile("a", path), prepared, 64, threads=1)
        model.session.prefill(model.text_prompt("hello world"), exact=True, check=lambda: None)
        logits.append(model.session.logits.copy())
        model.close()
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"tokenizer.ggml.model": "t5"}, "its tokenizer is 't5'"),
        ({"tokenizer.ggml.model": "llama"}, "its vocabulary lacks the byte token <0x00>"),
        ({"tokenizer.ggml.pre": "other"}, "its pre-tokenizer is 'other'; only these run here"),
        ({"tokenizer.ggml.merges": ["x yz"]}, "its vocabulary lacks a token for the merge"),
    ],
)
def test_an_unsupported_vocabulary_is_refused(
    tmp_path: Path, cache: Path, metadata: dict[str, str], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        prepare(write_tiny_gguf(tmp_path / "a.gguf", metadata=metadata), cache)


def test_an_output_of_its_own_is_kept(tmp_path: Path, cache: Path) -> None:
    output = np.full((len(TOKENS), EMBEDDING), 0.5, dtype=np.float32)
    path = write_tiny_gguf(tmp_path / "a.gguf", tensors={"output.weight": output})
    tensors = {t.name: t.data for t in read_gguf(path).tensors.values()}
    rewritten = {t.name: t.data for t in GGUFReader(prepare(path, cache).weights).tensors}
    assert rewritten.keys() == tensors.keys()
    for name, data in tensors.items():
        np.testing.assert_array_equal(rewritten[name], data)


def test_tied_embeddings_become_the_output(tmp_path: Path, cache: Path) -> None:
    prepared = prepare(write_tiny_gguf(tmp_path / "a.gguf"), cache)
    tensors = {t.name: t.data for t in GGUFReader(prepared.weights).tensors}
    np.testing.assert_array_equal(tensors["output.weight"], tensors["token_embd.weight"])


def test_a_judgement_is_made_again_when_an_engine_was_installed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_gguf(tmp_path / "a.gguf")
    before = judge(path, cache)
    assert "is not installed: `make llama-cpp`" in before.refusals["llama-cpp"]
    entries = len(list(cache.iterdir()))
    monkeypatch.setattr("app.models.cache.installed", lambda: "somewhere 1")
    judge(path, cache)
    assert len(list(cache.iterdir())) == entries + 1


def test_a_new_file_is_judged_once_however_many_ask(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    read = []

    def slowly(path: Path) -> str:
        read.append(path)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.3)  # for another one, who must not come
        return path.name

    (tmp_path / "a").touch()
    known = ByVersion(slowly)
    with ThreadPoolExecutor() as pool:
        assert set(pool.map(known.get, [tmp_path / "a"] * 5)) == {"a"}
    assert len(read) == 1
