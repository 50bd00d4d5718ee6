"""How good and how fast LocalDocs and the server are. Each module prints tables."""
