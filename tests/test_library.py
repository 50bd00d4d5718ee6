from pathlib import Path

import pytest

from app.inference.errors import NoModel
from app.inference.library import Library


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
    names = [model.name for model in Library(folder).models()]
    assert names == ["A v1.5", "b", "sub/c"]


@pytest.mark.parametrize("name", ["sub/c", "c", "c.gguf"])
def test_a_model_has_three_names(folder: Path, name: str) -> None:
    assert Library(folder).find(name).path == folder / "sub" / "c.gguf"


@pytest.mark.parametrize("name", ["", "d", "sub", "../b", "notes.txt"])
def test_other_names_find_nothing(folder: Path, name: str) -> None:
    assert Library(folder).find(name) is None


def test_a_display_name_comes_before_a_file_name_and_that_before_a_stem(tmp_path: Path) -> None:
    for name in ("c.gguf", "a/c.gguf", "b/c.gguf.gguf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    library = Library(tmp_path)
    assert library.find("c").name == "c"
    assert library.find("c.gguf").name == "a/c"
    assert library.find("a/c").name == "a/c"


def test_what_is_no_regular_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "dangling.gguf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    assert Library(tmp_path).models() == []


def test_the_first_model_is_the_default(folder: Path) -> None:
    assert Library(folder).default().name == "A v1.5"


def test_a_setting_names_the_default(folder: Path) -> None:
    assert Library(folder, "c.gguf").default().name == "sub/c"


def test_a_default_that_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(NoModel, match=r"GPT4ALL_MODEL names 'd'.*Installed: A v1.5, b, sub/c"):
        Library(folder, "d").default()


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"no model in .*flask --app wsgi models default"):
        Library(tmp_path).default()
