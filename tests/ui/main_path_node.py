"""The nodes of the main path: real ones, on this machine alone."""

import sys
from pathlib import Path

from app.system.files import write_atomically
from app.system.paths import Paths


def node_command(folder: Path) -> list[str]:
    """A node on ports of its own, seen by nobody outside."""
    here = ["--host", "127.0.0.1", "--peer-port", "0", "--pair-port", "0", "--api-port", "0"]
    return [sys.executable, "-m", "app", "node", "--data-dir", str(folder), *here]


def furnished(folder: Path, name: str) -> Paths:
    """A data folder of a PC of this name that knows the demo model only."""
    # The bench of the tray measures what `node_command` alone needs.
    from app.schema.settings import Settings

    paths = Paths.under(folder)
    paths.ensure()
    settings = Settings(name=name, use_known_folders=False, cpu_threads=1)
    write_atomically(paths.settings, settings.model_dump_json().encode())
    return paths
