"""``flask --app wsgi localdocs ...``: the collections of LocalDocs."""

import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from flask.cli import AppGroup

from localdocs.collections import Collection, Source
from localdocs.contents import Contents
from localdocs.errors import CollectionBusy, LocalDocsError
from localdocs.names import readable
from localdocs.prompt import reference
from localdocs.refreshing import refresh

from ..service import service
from . import shown_errors

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_KINDS = 5  # how many suffixes of unread files are named

_errors = partial(shown_errors, LocalDocsError, OSError)


def _show_any_letter() -> None:
    """Writes "?" for what the output cannot encode, as on Windows pipes have an old encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


command = AppGroup(
    "localdocs", help="Manage the folders that chats can quote.", callback=_show_any_letter
)


@command.command("create")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
def create_command(name: str, folder: Path) -> None:
    """Make a collection from a folder and read its documents."""
    with _errors():
        _refresh(service().collections.create(name, folder))


@command.command("list")
def list_command() -> None:
    """List all collections."""
    with _errors():
        collections = service().collections.all()
        if not collections:
            click.echo("There are none yet. Try: flask --app wsgi localdocs create NAME FOLDER")
        width = max((len(collection.name) for collection in collections), default=0)
        for collection in collections:
            state = "active" if collection.active else "inactive"
            try:
                counts = _counts(service().collections.contents(collection.name))
            except LocalDocsError as error:
                counts = str(error)
            folder = readable(collection.folder)
            click.echo(f"{collection.name:{width}}  {state:8}  {counts}, {folder}")


@command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """List the files of a collection."""
    with _errors():
        collection = service().collections.find(name)
        contents = service().collections.contents(name)
        state = "active" if collection.active else "inactive"
        click.echo(
            f"{collection.name}, {state}, {readable(collection.folder)}\n{_counts(contents)}"
        )
        if contents is None:
            return
        for file, known in sorted(contents.files.items()):
            told = known.problem or (
                f"{_number(known.snippets, 'snippet')}, {_number(known.words, 'word')}"
            )
            click.echo(f"  {readable(file)}  {told}")
        _show_others(contents)


@command.command("activate")
@click.argument("name")
def activate_command(name: str) -> None:
    """Let chats quote a collection."""
    with _errors():
        service().collections.activate(name, True)
    click.echo(f"{name} is active.")


@command.command("deactivate")
@click.argument("name")
def deactivate_command(name: str) -> None:
    """Stop chats from quoting a collection, but keep it."""
    with _errors():
        service().collections.activate(name, False)
    click.echo(f"{name} is inactive.")


@command.command("refresh")
@click.argument("name", required=False)
def refresh_command(name: str | None) -> None:
    """Read what has changed in a collection, or in all of them."""
    with _errors():
        collections = service().collections
        if name is not None:
            _refresh(collections.find(name))
            return
    refreshed = [_is_refreshed(collection) for collection in collections.all()]
    if not all(refreshed):
        raise click.exceptions.Exit(1)


@command.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Forget a collection. Its folder is not touched."""
    with _errors():
        folder = service().collections.find(name).folder
        service().collections.remove(name)
    click.echo(f"{name} is removed. Its folder {readable(folder)} is unchanged.")


@command.command("search")
@click.argument("name")
@click.argument("question", required=False)
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per question.")
@click.option(
    "--questions",
    type=click.File(encoding="utf-8", errors="replace"),
    help="A file with one question per line.",
)
def search_command(
    name: str, question: str | None, limit: int, as_json: bool, questions: TextIO | None
) -> None:
    """Search a collection and show the best matches first."""
    lines = [question or "", *(questions or ())]
    if (not (question or "").strip()) == (questions is None):
        raise click.UsageError("Give either a QUESTION or --questions FILE.")
    with _errors():
        collection = service().collections.find(name)
        size = service().settings.localdocs.snippet_size
        for line in filter(None, map(str.strip, lines)):
            found = service().collections.search([collection], line, limit, size)
            if as_json:
                references = [{**reference(s), "score": round(s.hit.score, 3)} for s in found]
                click.echo(
                    json.dumps({"question": line, "references": references}, ensure_ascii=False)
                )
                continue
            if questions is not None:
                click.echo(f"# {line}\n")
            for source in found:
                _show(source)
            if not found:
                click.echo("Nothing found.")


def _show(source: Source) -> None:
    snippet = source.hit.snippet
    place = f", page {snippet.page}" if snippet.page is not None else ""
    if snippet.first_line is not None:
        place += f", lines {snippet.first_line}-{snippet.last_line}"
    note = "" if source.hit.relates else "  (too weak a match for a chat)"
    click.echo(f"{readable(source.hit.file.name)}{place}  score {source.hit.score:.2f}{note}")
    click.echo("".join(f"    {line}\n" for line in snippet.text.splitlines()))


def _is_refreshed(collection: Collection) -> bool:
    """Refreshes one of several collections. If it fails, this shows why, and the others go on."""
    try:
        _refresh(collection)
    except (LocalDocsError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        return False
    return True


def _refresh(collection: Collection) -> None:
    service_ = service()
    bar: ProgressBar[int]
    with click.progressbar(length=1, label=f"Reading {readable(collection.folder)}") as bar:

        def progress(done: int, all_: int) -> None:
            bar.length = all_
            bar.update(done - bar.pos)

        arguments = (service_.collections, collection.name, service_.settings.localdocs, progress)
        try:
            contents = refresh(*arguments, wait=False)
        except CollectionBusy as error:
            click.echo(f"{error} Waiting for it.", err=True)
            contents = refresh(*arguments)
    click.echo(f"{collection.name}: {_counts(contents)}.")
    for file, problem in sorted(contents.problems.items()):
        click.echo(f"  {readable(file)}: {problem}")
    _show_others(contents)


def _show_others(contents: Contents) -> None:
    """Shows how many files were left out because of their format."""
    if contents.others:
        kinds = [
            f"{n} {readable(kind) or 'without a suffix'}" for kind, n in contents.others.items()
        ]
        named = ", ".join(kinds[:_KINDS]) + (", …" if len(kinds) > _KINDS else "")
        click.echo(f"{_number(sum(contents.others.values()), 'file')} in other formats: {named}")


def _counts(contents: Contents | None) -> str:
    if contents is None:
        return "not read yet"
    failed = len(contents.problems)
    files = len(contents.files) - failed
    return (
        f"{_number(files, 'file')}, {_number(contents.snippets, 'snippet')}, "
        f"{_number(contents.words, 'word')}, {failed} failed"
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
