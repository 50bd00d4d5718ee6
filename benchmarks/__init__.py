"""How good and how fast LocalDocs is, and how fast the server (`speed`)."""
