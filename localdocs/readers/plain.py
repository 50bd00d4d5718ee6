"""Files that are quoted as they are."""

from pathlib import Path

from ..snippets import Document, Page
from .encodings import decoded

_PROSE = ".txt .text .log .adoc .asciidoc .org .textile .wiki .tex .bib .srt .vtt .ics .vcf .diff"
_CODE = """
.asm .bas .bash .bat .c .cc .clj .cmake .cmd .cpp .cs .cxx .dart .el .elm .erl .ex .exs .f90 .fish
.fs .go .gradle .graphql .groovy .h .hh .hpp .hs .java .jl .js .jsx .kt .kts .lisp .lua .m .mjs .ml
.mk .nix .pas .patch .php .pl .pm .proto .ps1 .psm1 .py .pyi .r .rb .rs .scala .sh .sql .svelte
.swift .tf .ts .tsx .vb .vbs .vue .zsh
"""
_SETTINGS = ".yaml .yml .toml .ini .cfg .conf .properties"

SUFFIXES = f"{_PROSE} {_CODE} {_SETTINGS}"
# Names without a suffix, in lower case.
_NAMES = """
authors changelog changes containerfile contributors copying dockerfile gemfile install jenkinsfile
justfile licence license makefile news notice procfile rakefile readme todo vagrantfile
"""
NAMES = frozenset(_NAMES.split())


def text(path: Path) -> Document:
    """Returns the text as it is."""
    return Document((Page(decoded(path.read_bytes())),))
