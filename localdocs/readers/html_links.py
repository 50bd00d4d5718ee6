"""The addresses of links that are worth quoting."""

from urllib.parse import urlsplit

_LONGEST, _LONGEST_QUERY = 120, 40  # characters; longer ones are for programs


def shown_address(address: str, text: str) -> str:
    """Returns what to show of the ``address`` of a link on ``text``, for web, mail and phone.

    Returns nothing for other links, and for an address that ``text`` contains or that is too
    long to read. Fragments and long queries are left out.
    """
    address = "".join(address.split())
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme in ("mailto", "tel"):
        shown, said = f"{parts.scheme}:{parts.path}", parts.path
    elif parts.scheme in ("http", "https"):
        query = parts.query if len(parts.query) <= _LONGEST_QUERY else ""
        shown = parts._replace(query=query, fragment="").geturl()
        said = shown.partition("://")[2].rstrip("/")
    else:
        return ""
    return "" if len(shown) > _LONGEST or said in "".join(text.split()) else shown
