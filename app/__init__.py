"""Caravan: run one GGUF model over the PCs of a LAN."""

__version__ = "0.1.0"
