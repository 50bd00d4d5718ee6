"""GPT4All's local API server without the desktop program."""

__version__ = "0.1.0"
