"""`tests.bench.desktop` with Windows Python under Wine, on a screen: the tray program beside a bare PySide6 tray icon.

Only with CARAVAN_WINDOWS_TESTS=1 and the rig, else there are no figures. Wine's times tell nothing of a real PC, the
ratio does.
"""

import os
import subprocess

from tests.windows.in_wine import WANTED
from tests.windows.places import PYTHON, rig_places
from tests.windows.rig import missing
from tests.windows.wine import Setting, prefix_folder, windows_command

DEADLINE = 1200.0


def measure() -> dict[str, float]:
    """Starts and memory, by the same names; empty where nobody asked or there is no rig."""
    rig = rig_places()
    if WANTED not in os.environ or missing(rig) is not None:
        return {}
    with prefix_folder(rig, None) as prefix:
        argv = windows_command(rig, [PYTHON, "-m", "tests.bench.desktop"], Setting(screen=True), prefix)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=True)
    lines = (line.rsplit(maxsplit=1) for line in done.stdout.decode("utf-8", "replace").splitlines())
    return {line[0].strip(): float(line[1]) for line in lines if len(line) == 2}
