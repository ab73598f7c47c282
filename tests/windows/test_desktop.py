"""The main path under Wine: Windows Python, Qt's own `windows` platform on a screen, the Windows engine."""

import sys
import time

import pytest

pytest.importorskip("fcntl", reason="on Windows run tests/ui/test_main_path.py directly")

from tests.windows.in_wine import Room, windows_pytests

FILE = "tests/ui/test_main_path.py"
FIRST = f"{FILE}::test_the_main_path"
STORIES = 2


@pytest.mark.timeout(1220)
def test_the_main_path() -> None:
    """With a tray, which the Linux run has not, and for a user whose name has letters of two scripts.

    Both stories go on beside each other, each on a screen and in a Wine of its own.
    """
    began = time.monotonic()
    room = Room(user="Jörg 测试", screen=True)
    reports = windows_pytests([FIRST], [FILE, f"--deselect={FIRST}"], deadline=1200, room=room)
    sys.stdout.write(f"main path under Wine: {time.monotonic() - began:.0f} s\n")
    for report in reports:
        assert report.failed == 0, report.trouble
        assert report.skipped == ()
    assert sum(report.passed for report in reports) == STORIES
