"""How to start this very program again in another role."""

import sys


def own_command(*arguments: str) -> list[str]:
    """The argument list that starts Caravan with `arguments`: the frozen executable, or this Python and package."""
    if getattr(sys, "frozen", False):
        return [sys.executable, *arguments]
    return [sys.executable, "-m", "app", *arguments]
