"""E-mail."""

import email.policy
import mailbox
from collections.abc import Iterator
from contextlib import closing
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

from ..errors import UnreadableFile
from ..snippets import Document, Page
from .cleaning import day
from .encodings import decoded
from .html import html_document

_HEADERS = ("Subject", "From", "To", "Cc", "Date")


def _parser() -> "BytesParser[EmailMessage]":
    """A parser that does not parse addresses and dates, because it can fail on wrong ones."""
    registry = HeaderRegistry()
    for name in _HEADERS:
        registry.map_to_type(name, UnstructuredHeader)  # type: ignore[arg-type]
    return BytesParser(policy=email.policy.default.clone(header_factory=registry))


def eml(path: Path) -> Document:
    """Reads headers, text, attached texts and messages, and the names of other attachments."""
    with path.open("rb") as file:
        message = _parser().parse(file)
    if not any(message[name] for name in _HEADERS):
        raise UnreadableFile("it is not an e-mail")
    return Document(
        (Page("\n\n".join(_texts(message))),),
        _header(message, "Subject"),
        _header(message, "From"),
        _day(message),
        lines=False,
    )


def mbox(path: Path) -> Document:
    """Reads each message as a page."""
    with closing(mailbox.mbox(path, create=False)) as box:
        pages = tuple(
            Page("\n\n".join(_texts(_parser().parsebytes(box.get_bytes(key)))), number)
            for number, key in enumerate(box.iterkeys(), 1)
        )
    if not pages:
        raise UnreadableFile("it is not a mailbox")
    return Document(pages, lines=False)


def _texts(message: MIMEPart) -> Iterator[str]:
    yield "\n".join(f"{name}: {value}" for name in _HEADERS if (value := _header(message, name)))
    body = message.get_body(("plain", "html"))
    if body is not None:
        yield _text(body)
    if message.is_multipart():
        for part in message.iter_attachments():
            yield from _attached(part)


def _attached(part: MIMEPart) -> Iterator[str]:
    if part.get_content_type() == "message/rfc822":
        for message in part.iter_parts():
            yield from _texts(message)
        return
    if name := part.get_filename():
        yield f"Attachment: {name}"
    if part.get_content_maintype() == "text":
        yield _text(part)


def _text(part: MIMEPart) -> str:
    content = cast(bytes, part.get_payload(decode=True))  # this part has no parts itself
    text = decoded(content, part.get_content_charset(""))
    if part.get_content_subtype() == "html":
        # In UTF-16 because a charset declared in the HTML is not searched for there.
        return html_document(text.encode("utf-16")).pages[0].text
    return text.strip()


def _header(message: MIMEPart, name: str) -> str:
    return " ".join(str(message[name] or "").split())


def _day(message: MIMEPart) -> str:
    try:
        return day(parsedate_to_datetime(_header(message, "Date")).isoformat())
    except ValueError:
        return ""
