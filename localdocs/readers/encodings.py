"""From the bytes of a text file to its text, whatever its encoding."""

import charset_normalizer

from ..errors import UnreadableFile


def decoded(data: bytes) -> str:
    """The text in ``data``. Raises `UnreadableFile` when it is no text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        best = charset_normalizer.from_bytes(data).best()
        if best is None:
            raise UnreadableFile("it is no text, or in an unknown encoding") from error
        text = str(best)
    if "\0" in text:
        raise UnreadableFile("it is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
