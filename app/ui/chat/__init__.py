"""The chat pane: conversations in SQLite, answers as they stream, Markdown in blocks, and their view."""
