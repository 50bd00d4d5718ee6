from pathlib import Path
from typing import cast

import pytest

from app.exceptions import ModelError, NoModel
from app.models.facts import Facts, Judgement, Plan
from app.models.library import Library, ModelSettings


def library(
    folder: Path,
    default_name: str | None = None,
    engine: str | None = None,
    b_engine: str | None = None,
) -> Library:
    """The models folder. Only its file "bad.gguf" cannot be used, and nothing by llama-cpp."""

    def judge(path: Path) -> Judgement:
        if path.name == "bad.gguf":
            raise ModelError("bad.gguf is bad.")
        plan = Plan("ctransformers", context_length=64, copy_bytes=0, token_bytes=1)
        return Judgement(cast(Facts, None), (plan,), {"llama-cpp": "It is not for llama.cpp."})

    def read_settings(path: Path) -> ModelSettings:
        return ModelSettings(engine=b_engine if path.name == "b.json" else None)

    return Library(folder, judge, read_settings, default_name, engine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.gguf",
        "A v1.5.GGUF",
        "sub/c.gguf",
        "notes.txt",
        "b.gguf.part",
        "._b.gguf",
        ".new/d.gguf",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "folder.gguf").mkdir()
    return tmp_path


def test_models_are_the_gguf_files_below_the_folder(folder: Path) -> None:
    names = [model.name for model in library(folder).models()]
    assert names == ["A v1.5", "b", "sub/c"]


@pytest.mark.parametrize("name", ["sub/c", "c", "c.gguf"])
def test_a_model_has_three_names(folder: Path, name: str) -> None:
    assert library(folder).find(name).path == folder / "sub" / "c.gguf"


@pytest.mark.parametrize("name", ["", "d", "sub", "../b", "notes.txt"])
def test_other_names_find_nothing(folder: Path, name: str) -> None:
    assert library(folder).find(name) is None


def test_a_display_name_comes_before_a_file_name_and_that_before_a_stem(tmp_path: Path) -> None:
    for name in ("c.gguf", "a/c.gguf", "b/c.gguf.gguf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    models = library(tmp_path)
    assert models.find("c").name == "c"
    assert models.find("c.gguf").name == "a/c"
    assert models.find("a/c").name == "a/c"


def test_only_regular_files_are_models(tmp_path: Path) -> None:
    (tmp_path / "dangling.gguf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    assert library(tmp_path).models() == []


def test_the_first_model_is_the_default(folder: Path) -> None:
    assert library(folder).default().name == "A v1.5"


def test_a_setting_names_the_default(folder: Path) -> None:
    assert library(folder, "c.gguf").default().name == "sub/c"


def test_a_missing_default_is_an_error(folder: Path) -> None:
    with pytest.raises(NoModel, match=r"GPT4ALL_MODEL names 'd'.*Installed: A v1.5, b, sub/c"):
        library(folder, "d").default()


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"no usable model in .*flask --app wsgi models default"):
        library(tmp_path).default()


def test_an_unusable_file_is_not_a_model_but_has_a_reason(folder: Path) -> None:
    (folder / "bad.gguf").touch()
    assert "bad" not in [model.name for model in library(folder).models()]
    problems = {file.name: file.problem for file in library(folder).files()}
    assert problems == {"A v1.5": None, "b": None, "bad": "bad.gguf is bad.", "sub/c": None}


def test_an_unusable_file_is_found_by_its_name(folder: Path) -> None:
    (folder / "bad.gguf").touch()
    found = library(folder).find("bad.gguf")
    assert found is not None
    assert found.problem == "bad.gguf is bad."


def test_usable_files_are_found_before_unusable_ones(folder: Path) -> None:
    (folder / "a").mkdir()
    for name in ("a/bad.gguf", "sub/bad.GGUF"):
        (folder / name).touch()
    found = library(folder).find("bad")
    assert found is not None
    assert found.problem is None


def test_the_default_is_usable(tmp_path: Path) -> None:
    for name in ("bad.gguf", "good.gguf"):
        (tmp_path / name).touch()
    assert library(tmp_path).default().name == "good"


def test_an_engine_that_cannot_run_a_file_is_its_problem(folder: Path) -> None:
    files = {file.path.name: file for file in library(folder, engine="llama-cpp").files()}
    problem = "The engine llama-cpp cannot run the model: It is not for llama.cpp."
    assert files["b.gguf"].problem == problem


def test_a_files_own_engine_goes_first(folder: Path) -> None:
    files = {file.path.name: file for file in library(folder, b_engine="llama-cpp").files()}
    assert files["b.gguf"].engine == "llama-cpp"
    assert files["b.gguf"].problem is not None
    assert files["A v1.5.GGUF"].problem is None
