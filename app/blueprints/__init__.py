"""One module per resource: parse, ask, shape the reply."""
