"""Text in, deltas out: the model, without HTTP, Flask or LocalDocs."""
