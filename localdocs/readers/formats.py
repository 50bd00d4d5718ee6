"""Which files can be read, and what reads them."""

from pathlib import PurePath

_PROSE = ".txt .text .log .adoc .asciidoc .org .textile .wiki .tex .bib .srt .vtt .ics .vcf .diff"
_CODE = """
.asm .bas .bash .bat .c .cc .clj .cmake .cmd .cpp .cs .cxx .dart .el .elm .erl .ex .exs .f90 .fish
.fs .go .gradle .graphql .groovy .h .hh .hpp .hs .java .jl .js .jsx .kt .kts .lisp .lua .m .mjs .ml
.mk .nix .pas .patch .php .pl .pm .proto .ps1 .psm1 .py .pyi .r .rb .rs .scala .sh .sql .svelte
.swift .tf .ts .tsx .vb .vbs .vue .zsh
"""
_SETTINGS = ".yaml .yml .toml .ini .cfg .conf .properties"

# The function that reads each format, as ``module.function`` of this package.
_SUFFIXES = {
    "plain.text": f"{_PROSE} {_CODE} {_SETTINGS}",
    "delimited.delimited": ".csv .tsv .tab",
    "data.json_": ".json .geojson",
    "data.json_lines": ".jsonl .ndjson",
    "data.xml": ".xml .rss .atom .opml",
    "notebook.notebook": ".ipynb",
    "markdown.markdown": ".md .markdown",
    "rst.rst": ".rst .rest",
    "html.html": ".html .htm",
    "pdf.pdf": ".pdf",
    "ooxml.docx": ".docx .docm",
    "ooxml.pptx": ".pptx .pptm .ppsx",
    "opendocument.odt": ".odt",
    "opendocument.odp": ".odp",
    "spreadsheets.spreadsheet": ".xlsx .xlsm .xlsb .xls .ods",
    "rtf.rtf": ".rtf",
    "epub.epub": ".epub",
    "mail.eml": ".eml",
    "mail.mbox": ".mbox",
}
READERS = {suffix: reader for reader, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
# Names without a suffix, in lower case.
_NAMES = """
authors changelog changes containerfile contributors copying dockerfile gemfile install jenkinsfile
justfile licence license makefile news notice procfile rakefile readme todo vagrantfile
"""
NAMES = frozenset(_NAMES.split())


def is_readable(name: str) -> bool:
    """Whether a file of that name is in a format that can be read."""
    path = PurePath(name)
    return path.suffix.lower() in READERS or path.name.lower() in NAMES


def reader_of(name: str) -> str:
    """The function that reads files of that name, as ``module.function``."""
    return "plain.text" if name.lower() in NAMES else READERS[PurePath(name).suffix.lower()]
