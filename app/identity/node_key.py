"""This node's key and the cluster key, kept in private files.

A node's identity is the SHA-256 of its key. The cluster key is shared by nodes on one PC that were started together.
"""

import hashlib
import secrets
from pathlib import Path

from app.schema.record import NodeId
from app.system.files import write_atomically

KEY_BYTES = 32


def node_identity(path: Path) -> NodeId:
    """The identity for the key in `path`, which is made at first use. Raises OSError when it cannot be kept."""
    return NodeId(hashlib.sha256(bytes.fromhex(secret(path))).hexdigest())


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
