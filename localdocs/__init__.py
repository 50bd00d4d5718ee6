"""LocalDocs: folders of one's own, searched for what relates to a question."""
