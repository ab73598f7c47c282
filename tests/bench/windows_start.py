"""A Windows program's start: our node until its API is ready, beside a bare Windows Python, in turn in one run.

Under Wine, so only the ratio tells something about a real PC. Both are started by one Windows Python inside, because
the start of Wine itself takes longer than either. The built program is taken from `CARAVAN_WINDOWS_PACKAGE`, a folder
of `python -m tests.windows.rig package`; without it, or without the rig, there are no figures.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from installer.contents import WINDOWED
from tests.windows.places import PYTHON, rig_places
from tests.windows.rig import missing
from tests.windows.wine import Setting, prefix_folder, windows_command

BUILT = "CARAVAN_WINDOWS_PACKAGE"
ROUNDS = 5
DEADLINE = 900.0

_SCRIPT = Path(__file__).with_name("windows_start_inside.py")


def measure() -> dict[str, float]:
    """Median seconds; empty where there is no rig or nothing built."""
    rig, built = rig_places(), os.environ.get(BUILT)
    if missing(rig) is not None or not built:
        return {}
    with tempfile.TemporaryDirectory() as folder, prefix_folder(rig, None) as prefix:
        subprocess.run(["cp", "--archive", f"{built}/{WINDOWED}", folder], check=True)
        program = [
            PYTHON,
            f"Z:\\caravan\\tests\\bench\\{_SCRIPT.name}",
            f"Z:\\out\\{WINDOWED}\\{WINDOWED}.exe",
            str(ROUNDS),
        ]
        argv = windows_command(rig, program, Setting(writable=Path(folder)), prefix)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=True)
    # Wine may say something of its own when its last program ends.
    (figures,) = (line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith("{"))
    found: dict[str, float] = json.loads(figures)
    return found
