"""How to start this very program again in another role."""

import sys
from pathlib import Path

BACKGROUND_PROGRAM = "Caravan.exe"
"""The one of the two frozen programs that has no console. Every role runs in it: firewall rules name one file."""


def own_command(*arguments: str) -> list[str]:
    """The argument list that starts Caravan with `arguments`: the frozen program, or this Python and package."""
    if getattr(sys, "frozen", False):
        return [str(Path(sys.executable).with_name(BACKGROUND_PROGRAM)), *arguments]
    return [sys.executable, "-m", "app", *arguments]
