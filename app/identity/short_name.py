"""A node's identity for people: 13 base32 characters (65 bits) and one that catches a wrong or swapped character.

The check character is Luhn's algorithm over 32 symbols, as Syncthing uses it for device IDs. For showing and for
telling PCs apart at the command line; trust always compares the whole identity.
"""

import base64
from collections.abc import Iterable

from app.schema.errors import InputError
from app.schema.record import NodeId

_SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CHARACTERS = 13


def short_name(node: NodeId) -> str:
    """The identity as `ABCDEFG-HIJKLMN`."""
    text = base64.b32encode(bytes.fromhex(node)).decode("ascii")[:_CHARACTERS]
    text += _check_character(text)
    return f"{text[:7]}-{text[7:]}"


def node_named(typed: str, nodes: Iterable[NodeId]) -> NodeId | None:
    """The node whose short name was typed (case, spaces and dashes do not matter), or None.

    Raises InputError when the check character says that it was mistyped.
    """
    text = "".join(typed.upper().replace("-", "").split())
    if len(text) != _CHARACTERS + 1 or set(text) - set(_SYMBOLS) or _check_character(text[:-1]) != text[-1]:
        raise InputError(f"{typed!r} is no short name of a PC.", "It reads like ABCDEFG-HIJKLMN: compare it again.")
    return next((node for node in nodes if short_name(node).replace("-", "") == text), None)


def _check_character(text: str) -> str:
    total = 0
    for place, character in enumerate(reversed(text)):
        value = _SYMBOLS.index(character) * (2 - place % 2)
        total += value // len(_SYMBOLS) + value % len(_SYMBOLS)
    return _SYMBOLS[-total % len(_SYMBOLS)]
