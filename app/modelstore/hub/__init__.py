"""The hub: searching Hugging Face (or a mirror of it) for GGUF models, and what its repositories hold."""
