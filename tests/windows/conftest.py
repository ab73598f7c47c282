"""What runs where: `inside/` with Windows Python only, everything else here on Linux only."""

import sys

collect_ignore = ["test_on_windows.py"] if sys.platform == "win32" else ["inside"]
