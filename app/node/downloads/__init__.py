"""Downloads of models: a list that survives restarts, and one transfer at a time."""
