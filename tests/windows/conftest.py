"""What runs where: `inside/` and `installed/` with Windows Python only, everything else here on Linux only."""

import sys

collect_ignore = ["test_on_windows.py", "test_installed.py"] if sys.platform == "win32" else ["inside", "installed"]
