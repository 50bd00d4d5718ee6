import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.application import create_app
from localdocs.collections import Collections

from .server import ROOT

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("apples and pears\n\nmore apples")
    (folder / "sub/b.md").write_text("# Fruit\n\nplums")
    (folder / "empty.txt").write_text("")
    return folder


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return create_app({"DATA_DIR": str(tmp_path / "data")})


@pytest.fixture
def run(app: Flask) -> Run:
    def run(*arguments: str, code: int = 0, **how: Any) -> str:
        result = app.test_cli_runner().invoke(args=["localdocs", *arguments], **how)
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output

    return run


def test_create_reads_the_folder_and_counts(run: Run, folder: Path) -> None:
    lines = run("create", "Fruit", str(folder)).splitlines()
    assert lines[0] == f"Reading {folder}"
    assert lines[1] == "Fruit: 2 files, 2 snippets, 8 words, 1 failed."
    assert lines[2] == "  empty.txt: there is no text in it"


def test_list_show_and_remove(run: Run, folder: Path) -> None:
    assert "localdocs create NAME FOLDER" in run("list")
    run("create", "Fruit", str(folder))
    counts = "2 files, 2 snippets, 8 words, 1 failed"
    assert run("list") == f"Fruit  active    {counts}, {folder}\n"
    assert run("show", "Fruit").splitlines() == [
        f"Fruit, active, {folder}",
        counts,
        "  a.txt  1 snippet, 5 words",
        "  empty.txt  there is no text in it",
        "  sub/b.md  1 snippet, 3 words",
    ]
    assert "is unchanged" in run("remove", "Fruit")
    assert "There are none" in run("list")
    assert (folder / "a.txt").exists()


def test_activate_and_deactivate(run: Run, folder: Path) -> None:
    run("create", "Fruit", str(folder))
    assert run("deactivate", "Fruit") == "Fruit is inactive.\n"
    assert "inactive" in run("list")
    assert run("activate", "Fruit") == "Fruit is active.\n"
    assert "inactive" not in run("list")


def test_refresh_reads_what_has_changed(run: Run, folder: Path) -> None:
    run("create", "Fruit", str(folder))
    run("create", "Other", str(folder / "sub"))
    (folder / "sub/c.txt").write_text("cherries")
    output = run("refresh")
    assert "Fruit: 3 files" in output
    assert "Other: 2 files" in output
    (folder / "sub/c.txt").unlink()
    output = run("refresh", "Other")
    assert "Fruit" not in output
    assert "Other: 1 file," in output


def test_search_shows_snippets_with_their_places(run: Run, folder: Path) -> None:
    run("create", "Fruit", str(folder))
    lines = run("search", "Fruit", "where are the plums").splitlines()
    assert lines[0].startswith("sub/b.md, lines 1-3  score ")
    assert lines[1:] == ["    # Fruit", "    ", "    plums", ""]
    assert run("search", "Fruit", "cars") == "Nothing found.\n"


def test_search_says_what_is_too_little_for_a_chat(run: Run, folder: Path) -> None:
    run("create", "Fruit", str(folder))
    assert "too weak" in run("search", "Fruit", "apples of Charlotte Brontë")
    assert "too weak" not in run("search", "Fruit", "apples")


def test_search_has_a_limit(run: Run, folder: Path) -> None:
    for i in range(9):
        (folder / f"{i}.txt").write_text(f"cherries {i}")
    run("create", "Fruit", str(folder))
    assert run("search", "Fruit", "cherries").count("score") == 5
    assert run("search", "Fruit", "cherries", "--limit", "2").count("score") == 2
    assert "Invalid value" in run("search", "Fruit", "cherries", "--limit", "0", code=2)


def test_search_gives_references_as_json(run: Run, folder: Path) -> None:
    run("create", "Fruit", str(folder))
    data = json.loads(run("search", "Fruit", "plums", "--json"))
    assert data["question"] == "plums"
    [found] = data["references"]
    assert found.pop("score") > 0
    assert found.pop("date")
    text = "# Fruit\n\nplums"
    place = {"page": -1, "from": 1, "to": 3}
    assert found == {"file": "b.md", "title": "", "author": "", "text": text, **place}


def test_search_takes_a_file_of_questions(run: Run, folder: Path, tmp_path: Path) -> None:
    run("create", "Fruit", str(folder))
    questions = tmp_path / "questions.txt"
    questions.write_bytes("apples\n\nplüms?\n".encode() + b"\xff\n")
    lines = run("search", "Fruit", "--questions", str(questions), "--json").splitlines()
    assert [json.loads(line)["question"] for line in lines] == ["apples", "plüms?", "\ufffd"]
    assert "# apples" in run("search", "Fruit", "--questions", str(questions))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["create", "Fruit", "{folder}"], 1, "There is already a collection 'Fruit'."),
        (["create", "New", "{folder}/gone"], 1, "There is no folder"),
        (["create", "New", "{folder}/a.txt"], 1, "There is no folder"),
        (["create", " ", "{folder}"], 1, "1 to 200 printable characters"),
        (["create", "a\nb", "{folder}"], 1, "1 to 200 printable characters"),
        (["show", "Gone"], 1, "There is no collection 'Gone'. Existing collections: Fruit."),
        (["activate", "Gone"], 1, "There is no collection 'Gone'"),
        (["deactivate", "Gone"], 1, "There is no collection 'Gone'"),
        (["refresh", "Gone"], 1, "There is no collection 'Gone'"),
        (["remove", "Gone"], 1, "There is no collection 'Gone'"),
        (["search", "Gone", "x"], 1, "There is no collection 'Gone'"),
        (["search", "Fruit"], 2, "Give either a QUESTION or --questions FILE."),
        (["search", "Fruit", " "], 2, "Give either a QUESTION or --questions FILE."),
        (["search", "Fruit", "--questions", "{folder}/gone"], 2, "No such file"),
    ],
)
def test_what_is_wrong_is_said(
    run: Run, folder: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    Collections(tmp_path / "data/localdocs").create("Fruit", folder)
    assert message in run(*(a.format(folder=folder) for a in arguments), code=code)


def test_any_printable_name_will_do(run: Run, tmp_path: Path) -> None:
    names = ["ü 日本", "../up", "a/b", "A", "a", "." * 9, "🙂", "x" * 200]
    (tmp_path / "empty").mkdir()
    for name in names:
        run("create", name, str(tmp_path / "empty"))
    assert {line.split("  ")[0].rstrip() for line in run("list").splitlines()} == set(names)
    for name in names:
        run("remove", name)


def test_a_damaged_collection_is_named_and_stops_no_other(
    run: Run, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run("create", "Fruit", str(folder))
    run("create", "Other", str(folder))
    [path] = (tmp_path / "data/localdocs").glob("Other-*/collection.json")
    path.write_text("{")
    assert run("list").startswith("Fruit")
    assert f"{path} is damaged" in caplog.text
    assert f"{path} is damaged; delete its folder." in run("show", "Other", code=1)


def test_a_collection_that_is_just_read_is_waited_for(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    run("create", "Fruit", str(folder))
    collections = Collections(tmp_path / "data/localdocs")
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "localdocs", "refresh", "Fruit"]
    with collections.locked("Fruit", wait=True):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"GPT4ALL_DATA_DIR": str(tmp_path / "data")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "is already reading 'Fruit'. Waiting for it." in process.stderr.readline()
        assert process.poll() is None
        assert "is already reading" in run("remove", "Fruit", code=1)
    output, _ = process.communicate()
    assert "Fruit: 2 files" in output


def test_files_of_other_kinds_are_counted(run: Run, folder: Path) -> None:
    for i, suffix in enumerate((".mp4", ".zip", "", ".x", ".y", ".z")):
        for n in range(9 - i):
            (folder / f"{n}{suffix}").write_bytes(b"x")
    line = "39 files in other formats: 9 .mp4, 8 .zip, 7 without a suffix, 6 .x, 5 .y, …"
    assert run("create", "Fruit", str(folder)).splitlines()[-1] == line
    assert run("refresh", "Fruit").splitlines()[-1] == line
    assert run("show", "Fruit").splitlines()[-1] == line


@pytest.mark.skipif(sys.platform == "win32", reason="has no such names")
def test_names_that_are_no_text_are_shown_and_quoted(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f\xe9")
    (folder / os.fsdecode(b"s\xfcb")).mkdir(parents=True)
    (folder / os.fsdecode(b"s\xfcb/caf\xe9.txt")).write_text("apples and pears")
    (folder / os.fsdecode(b"\xe9.\xe9")).write_text("")
    create = [sys.executable, "-m", "flask", "--app", "wsgi", "localdocs", "create", "Fruit"]
    environment = {"GPT4ALL_DATA_DIR": str(tmp_path / "data"), "PYTHONIOENCODING": "utf-8"}
    output = subprocess.check_output([*create, os.fsencode(folder)], cwd=ROOT, env=environment)
    assert "Fruit: 1 file," in output.decode()
    assert f"{tmp_path}/f\ufffd" in run("list")
    shown = run("show", "Fruit")
    assert "  s\ufffdb/caf\ufffd.txt  1 snippet," in shown
    assert "1 file in other formats: 1 .\ufffd" in shown
    assert "Fruit: 1 file," in run("refresh")
    assert "s\ufffdb/caf\ufffd.txt, lines 1-1" in run("search", "Fruit", "apples")
    [found] = json.loads(run("search", "Fruit", "apples", "--json"))["references"]
    assert found["file"] == "caf\ufffd.txt"
    assert "f\ufffd is unchanged" in run("remove", "Fruit")


def test_what_cannot_be_read_stops_no_other(run: Run, folder: Path, tmp_path: Path) -> None:
    run("create", "Fruit", str(folder))
    run("create", "Berries", str(folder))
    [index] = (tmp_path / "data/localdocs").glob("Berries-*/index-*")
    index.rename(tmp_path / "away")
    index.write_text("")
    berries, fruit = run("list").splitlines()
    assert "The index of 'Berries' cannot be read: Not a directory" in berries
    assert "2 files" in fruit
    output = run("refresh", code=1)
    assert "Error: The index of 'Berries' cannot be read" in output
    assert "Fruit: 2 files" in output


def test_output_takes_any_letter(run: Run, app: Flask, folder: Path) -> None:
    (folder / "ü 日本.txt").write_text("apples from 日本", encoding="utf-8")
    run("create", "Fruit", str(folder))
    old = app.test_cli_runner(charset="cp1252")
    assert "  ü ??.txt  1 snippet," in old.invoke(args=["localdocs", "show", "Fruit"]).output


def test_output_may_end_early(run: Run, folder: Path, tmp_path: Path) -> None:
    for number in range(500):  # more than a pipe holds
        (folder / f"{number:0200}.txt").touch()
    run("create", "Fruit", str(folder))
    environment = {"GPT4ALL_DATA_DIR": str(tmp_path / "data")}
    show = [sys.executable, "-m", "flask", "--app", "wsgi", "localdocs", "show", "Fruit"]
    pipe = subprocess.PIPE
    with subprocess.Popen(show, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"Fruit, active")
        process.stdout.close()
        assert process.stderr.read() == b""
