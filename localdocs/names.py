"""The names of files as texts. On Linux they are bytes."""

import os


def as_text(name: object) -> str:
    """A file's name or path, with U+FFFD for bytes that are not text, which Linux allows."""
    return os.fsencode(str(name)).decode(errors="replace")


def readable(name: object) -> str:
    """A file's name or path to be shown, with U+FFFD for what is not text or not printable."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in as_text(name))
