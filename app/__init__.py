"""GPT4All's local API server without the desktop program."""
