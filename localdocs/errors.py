"""What can go wrong with collections and their files.

LocalDocsError
├── CollectionError   a collection that does not exist, or cannot be made
│   └── CollectionBusy  another process is writing it
├── DamagedIndex      an index whose files cannot be used
├── NoReader          the process that reads files cannot be started
└── UnreadableFile    a file without readable text
"""

from pathlib import Path


class LocalDocsError(Exception):
    """The base of all errors of this package. ``str(error)`` is a sentence for the user."""


class CollectionError(LocalDocsError):
    """A collection does not exist or cannot be made. The text says why."""


class CollectionBusy(CollectionError):
    """Another process is writing the collection. The text says which one."""


class DamagedIndex(LocalDocsError):
    """The files of the index in ``folder`` cannot be used; it must be built again."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"The index in {folder} is damaged: {reason}")
        self.folder = folder


class NoReader(LocalDocsError):
    """The process that reads files cannot be started. The text says why."""


class UnreadableFile(LocalDocsError):
    """No text can be read from a file. The message says why."""
