"""The composition root of the role `tunnel`: the peer link's process with the identity kept in a folder.

The node starts it and speaks to it over standard input and output; `app/cluster/design.md` tells what it does.
"""

import sys
from pathlib import Path

from app.cluster.link_process.main import run
from app.cluster.link_process.security import Security
from app.identity.certificate import FILE_NAME, load_or_create
from app.identity.contexts import Contexts, verified_peer


def main() -> int:
    """Run it until its input ends; returns the exit code."""
    return run(_load)


def _load(folder: str) -> Security:
    path = Path(folder)
    if not (path / FILE_NAME).exists():
        raise FileNotFoundError(f"no identity in {folder}")
    return Security(Contexts(load_or_create(path)), verified_peer)


if __name__ == "__main__":
    sys.exit(main())
