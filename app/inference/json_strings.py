"""Strings in JSON that comes in pieces."""


class JsonStrings:
    """Knows of each character of a JSON text whether it belongs to a string."""

    def __init__(self) -> None:
        self._inside = self._escaped = False

    def takes(self, character: str) -> bool:
        """Whether the next ``character`` belongs to a string, as its quotes do."""
        if not self._inside:
            self._inside = character == '"'
            return self._inside
        self._inside = self._escaped or character != '"'
        self._escaped = not self._escaped and character == "\\"
        return True
