"""The addresses of links, as far as they say something."""

from urllib.parse import urlsplit

_LONGEST, _LONGEST_QUERY = 120, 40  # characters; longer ones are for programs


def shown_address(address: str, text: str) -> str:
    """What is shown of the ``address`` of a link on ``text``: where mail or a browser goes.

    Empty for links in the page and to scripts, for what ``text`` shows already, and for what is
    too long to be read. Long queries and fragments are left out.
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
