"""ZIP archives of XML files, which most office formats are."""

import posixpath
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..errors import UnreadableFile
from .cleaning import day

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


class Properties(NamedTuple):
    """What a document says about itself, in the order in which `Document` takes it."""

    title: str = ""
    author: str = ""
    date: str = ""
    tags: str = ""


class Archive:
    """A ZIP archive with XML files in it. Raises `UnreadableFile` for any other file."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise UnreadableFile(_what_it_is(path)) from error
        # What to say if a part is missing.
        self.wrong = f"it is not a {path.suffix.lower()} file, or damaged"

    def xml(self, name: str) -> Element:
        """The root of the XML file ``name``. Raises `UnreadableFile` when it is not there."""
        return ElementTree.fromstring(self.read(name))

    def read(self, name: str) -> bytes:
        """The file ``name``. Raises `UnreadableFile` when it is not there."""
        if not self.has(name):
            raise UnreadableFile(self.wrong)
        return self.zip.read(self._names[_key(name)])

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return _key(name) in self._names

    @cached_property
    def _names(self) -> dict[str, str]:
        return {_key(name): name for name in self.zip.namelist()}


class Package(Archive):
    """A Microsoft Office file, whose parts refer to each other (ECMA-376, part 2).

    ``root`` is the root element that the main part must have.
    """

    def __init__(self, path: Path, root: str = "") -> None:
        super().__init__(path)
        # The document itself, as opposed to its styles and pictures.
        self.main = next(iter(self.related("", "officeDocument")), "")
        if root and local_name(self.xml(self.main).tag) != root:
            raise UnreadableFile(self.wrong)

    def related(self, part: str, kind: str) -> list[str]:
        """The names of the parts of a ``kind`` that ``part`` refers to ("" is the package)."""
        return [name for its_kind, name in self.relations(part).values() if its_kind == kind]

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """The kind and name of each part that ``part`` refers to, by the id of the reference."""
        folder, name = posixpath.split(part)
        place = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(place):
            return {}
        relations = {}
        for relation in self.xml(place):
            target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
            if relation.get("TargetMode") != "External" and self.has(target[1:]):
                kind = relation.get("Type", "").rpartition("/")[2]
                relations[relation.get("Id", "")] = (kind, target[1:])
        return relations

    def properties(self) -> Properties:
        """The title, the author, the day of the last change, and the keywords."""
        for name in self.related("", "core-properties"):
            core = self.xml(name)
            date = day(first(core, "modified", "created"))
            return Properties(
                first(core, "title"), first(core, "creator"), date, first(core, "keywords")
            )
        return Properties()


def in_any_namespace(names: str) -> str:
    """Returns a path such as ``a/b`` in the form that makes ElementTree ignore namespaces."""
    return "/".join(f"{{*}}{name}" for name in names.split("/"))


def texts(element: Element, *paths: str) -> Iterator[str]:
    """The texts at ``paths``, without the empty ones."""
    for names in paths:
        for found in element.iterfind(in_any_namespace(names)):
            if text := (found.text or "").strip():
                yield text


def first(element: Element, *paths: str) -> str:
    """The first text at ``paths`` that is not empty, or an empty string."""
    return next(texts(element, *paths), "")


def local_name(tag: str) -> str:
    """The name of an element or attribute without its namespace.

    Office files use two sets of namespaces, transitional and strict, with the same meaning.
    """
    return tag.rpartition("}")[2]


def attribute(element: Element | None, name: str) -> str:
    """The value of an attribute in any namespace; empty if it is missing."""
    attributes = {} if element is None else element.attrib
    return next((value for key, value in attributes.items() if local_name(key) == name), "")


def is_encrypted(path: Path) -> bool:
    """Whether the file at ``path`` is an Office file that is locked with a password."""
    content = path.read_bytes()
    return content.startswith(_OLE) and _ENCRYPTED in content


def _key(name: str) -> str:
    """The form in which names are compared, because some programs differ in slashes and case."""
    return name.replace("\\", "/").lower()


def _what_it_is(path: Path) -> str:
    """The reason why the file at ``path`` is not a ZIP archive."""
    if is_encrypted(path):
        return "it is encrypted"
    if path.read_bytes().startswith(_OLE):
        return "it is in Office 97's format, which cannot be read"
    return f"it is not a {path.suffix.lower()} file, or damaged"
