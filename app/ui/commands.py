"""How the desktop program starts its node, and how the system starts the program at sign-in."""

import os
import sys
from pathlib import Path

from app.system.program import own_command

HIDDEN = "--hidden"
"""The option that starts the tray without its window."""


def node_command(data_dir: Path | None) -> list[str]:
    """The argument list that starts this data folder's node."""
    return own_command("node", *(["--data-dir", os.path.abspath(data_dir.expanduser())] if data_dir else []))


def tray_command(data_dir: Path | None) -> list[str]:
    """The argument list that starts the tray of this data folder without its window."""
    folder = ["--data-dir", str(data_dir)] if data_dir else []
    if getattr(sys, "frozen", False):
        return own_command(HIDDEN, *folder)
    return [sys.executable, "-c", "from app.__main__ import tray; tray()", HIDDEN, *folder]
