"""``flask --app wsgi models ...``: the models folder."""

import json
from functools import partial
from pathlib import Path

import click
from flask.cli import AppGroup

from ..engines import ENGINES
from ..exceptions import ModelError, NoModel
from ..models import downloads
from ..models.default_model import download_default_model
from ..models.downloads import DownloadError
from ..models.facts import Facts, Judgement, Plan
from ..models.library import ModelFile
from ..service import service
from . import shown_errors

_errors = partial(shown_errors, DownloadError, ModelError, NoModel, OSError)

command = AppGroup("models", help="The models folder.")


@command.command("default")
def default_command() -> None:
    """Download the default model if there is no usable model."""
    library = service().library
    if installed := library.models():
        click.echo(f"{len(installed)} model(s) in {library.folder}.")
        return
    with _errors():
        path = download_default_model(library.folder)
    click.echo(f"Downloaded {path}.")


@command.command("list")
def list_command() -> None:
    """List all model files, and say why some cannot be used."""
    files = service().library.files()
    if not files:
        with _errors():
            service().library.default()
    default = _default()
    width = max(len(file.name) for file in files)
    for file in files:
        click.echo(f"{file.name:{width}}  {_size(file.path):>8}  ", nl=False)
        if file.problem is not None:
            click.echo(file.problem)
            continue
        note = "  (default)" if file == default else ""
        click.echo(f"{_summary(service().cache.judge(file.path), file.engine)}{note}")


@command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Show what is known about a model, and its settings."""
    file = _file(name)
    click.echo(f"{file.name}\n  file           {file.path} ({_size(file.path)})")
    if file.problem is not None:
        click.echo(f"  problem        {file.problem}")
        return
    judgement = service().cache.judge(file.path)
    facts, plan = judgement.facts, judgement.plan(file.engine)
    tokens = facts.vocabulary
    ends = [text for text, token in tokens.control.items() if token in tokens.end_tokens]
    kinds = {"llama": "SentencePiece", "gpt2": f"byte-level BPE, {tokens.pre}"}
    tokenizer = kinds.get(tokens.kind, tokens.kind)
    rewritten = f"a copy of {_megabytes(plan.copy_bytes)}" if plan.copy_bytes else "the file itself"
    for title, value in (
        ("model", _kind(facts)),
        ("context", f"{plan.context_length} tokens"),
        ("tokenizer", f"{tokenizer}, {tokens.size} tokens"),
        ("ends answers", " ".join(ends)),
        ("chat template", "yes" if facts.chat_template else "none: completions only"),
        ("engine", plan.engine),
        *(("", reason) for reason in _why(judgement, plan)),
        ("engine loads", rewritten),
    ):
        click.echo(f"  {title:13}  {value}")
    if file.settings_path.exists():
        click.echo(f"  settings       {file.settings_path}")
        for key, value in json.loads(file.settings_path.read_text(encoding="utf-8")).items():
            click.echo(f"    {key}: {json.dumps(value, ensure_ascii=False)}")


@command.command("check")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_command(path: Path) -> None:
    """Say whether a GGUF, wherever it is, can be used."""
    with _errors():
        judgement = _judge(path)
    plan = judgement.plan()
    how = "after rewriting it once" if plan.copy_bytes else "as it is"
    click.echo(f"{path.name} can be used, {how}: {_summary(judgement)}.")
    for reason in _why(judgement, plan):
        click.echo(f"  {reason}")


@command.command("add")
@click.argument("source", metavar="FILE-OR-URL")
def add_command(source: str) -> None:
    """Copy or download a GGUF into the models folder."""
    folder = service().library.folder
    with _errors():
        if downloads.is_url(source):
            target = _target(downloads.name_in(source))
            _install(downloads.download(source, folder), target)
            return
        path = Path(source).expanduser()
        if not path.is_file():
            raise DownloadError(f"There is no file {path}.")
        target = _target(path.name)
        _judge(path)
        length = path.stat().st_size
        with click.progressbar(length=length, label=f"Copying {path.name}") as bar:
            copied = downloads.copy(path, folder, bar.update)
        _install(copied, target)


@command.command("pull")
@click.argument("repository", metavar="REPO")
@click.argument("filename", metavar="FILE")
def pull_command(repository: str, filename: str) -> None:
    """Download a GGUF from a repository on Hugging Face's hub."""
    with _errors():
        target = _target(Path(filename).name)
        _install(downloads.pull(repository, filename, service().library.folder), target)


@command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_command(name: str, yes: bool) -> None:
    """Delete a model, its settings and what was made from it."""
    file = _file(name)
    if not yes:
        click.confirm(f"Delete {file.path} ({_size(file.path)})?", abort=True)
    with _errors():
        file.path.unlink()
        file.settings_path.unlink(missing_ok=True)
        service().cache.forget(file.path)
    click.echo(f"Deleted {file.name}.")


def _install(path: Path, target: Path) -> None:
    """Moves a complete file to its place if it can be used."""
    try:
        judgement = _judge(path)
        path.replace(target)
    finally:
        downloads.discard(path)
    click.echo(f"Installed {target.stem}: {_summary(judgement)}.")


def _target(name: str) -> Path:
    """Where a new file goes. Raises `DownloadError` if it cannot go there."""
    target = service().library.folder / name
    if target.name != name or target.suffix.lower() != ".gguf" or name.startswith("."):
        raise DownloadError(f"{name!r} is not the name of a GGUF file, which ends in .gguf.")
    if target.exists():
        raise DownloadError(
            f"{target} already exists; run `flask --app wsgi models remove {target.stem}` first."
        )
    return target


def _judge(path: Path) -> Judgement:
    """Judges a file. Remembers the result only if the file is in the models folder."""
    service_ = service()
    try:
        return service_.cache.judge(path.resolve())
    finally:
        if path.resolve() not in {file.path.resolve() for file in service_.library.files()}:
            service_.cache.forget(path.resolve())


def _file(name: str) -> ModelFile:
    library = service().library
    if (file := library.find(name)) is not None:
        return file
    names = ", ".join(file.name for file in library.files()) or "none"
    raise click.ClickException(f"There is no model {name!r} in {library.folder}: {names}.")


def _default() -> ModelFile | None:
    try:
        return service().library.default()
    except NoModel:
        return None


def _summary(judgement: Judgement, engine: str | None = None) -> str:
    plan = judgement.plan(engine)
    return f"{_kind(judgement.facts)}, context {plan.context_length}, {plan.engine}"


def _why(judgement: Judgement, plan: Plan) -> list[str]:
    """Why the model does not run on an engine that is preferred to its own."""
    preferred = ENGINES[: ENGINES.index(plan.engine)]
    return [reason for engine, reason in judgement.refusals.items() if engine in preferred]


def _kind(facts: Facts) -> str:
    millions = facts.parameters / 1e6
    count = f"{millions / 1000:.1f} B" if millions >= 1000 else f"{millions:.0f} M"
    return f"{facts.architecture} {facts.weight_type}, {count} parameters"


def _size(path: Path) -> str:
    return _megabytes(path.stat().st_size)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
