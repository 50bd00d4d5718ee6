"""Servers elsewhere with OpenAI's API, whose models answer as if they were here."""
