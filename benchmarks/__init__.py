"""How good and how fast LocalDocs is; each module prints tables."""
