"""HTTP, thin: local, peer, openai, exo."""
