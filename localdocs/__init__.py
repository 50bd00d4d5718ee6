"""LocalDocs: searches your folders for text that relates to a question."""
