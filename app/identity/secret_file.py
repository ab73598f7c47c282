"""Secrets kept in private files, such as the token of the local API."""

import secrets
from pathlib import Path

from app.system.files import write_atomically

KEY_BYTES = 32


def secret(path: Path) -> str:
    """The secret in `path` as hex, made at first use; a damaged one is replaced."""
    try:
        text = path.read_text("ascii").strip()
        if len(bytes.fromhex(text)) == KEY_BYTES:
            return text
    except (FileNotFoundError, ValueError):
        pass
    text = new_secret()
    write_atomically(path, text.encode("ascii"), private=True)
    return text


def new_secret() -> str:
    """A fresh random secret as hex."""
    return secrets.token_hex(KEY_BYTES)
