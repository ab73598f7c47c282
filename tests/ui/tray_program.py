"""The tray as a program, over a small node: `python -m tests.ui.tray_program FOLDER`."""

import sys
from pathlib import Path

from app.system.paths import Paths
from app.ui.desktop import make_application, serve
from tests.ui import small_node

if __name__ == "__main__":
    command = [sys.executable, "-m", small_node.__name__, "--data-dir", sys.argv[1]]
    sys.exit(serve(make_application(), Paths.under(Path(sys.argv[1])), command))
