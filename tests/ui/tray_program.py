"""The tray as a program, over a small node: `python -m tests.ui.tray_program FOLDER [--without-tray]`."""

import sys
from pathlib import Path

from app.system.paths import Paths
from app.ui.desktop import make_application, serve, starting_icon
from tests.ui import small_node

WITHOUT_TRAY = "--without-tray"

if __name__ == "__main__":
    command = [sys.executable, "-m", small_node.__name__, "--data-dir", sys.argv[1]]
    application = make_application()
    icon = None if WITHOUT_TRAY in sys.argv else starting_icon()
    sys.exit(serve(application, Paths.under(Path(sys.argv[1])), command, icon))
