"""The main path under Wine: Windows Python, Qt's own `windows` platform on a screen, the Windows engine."""

import sys
import time

import pytest

pytest.importorskip("fcntl", reason="on Windows run tests/ui/test_main_path.py directly")

from tests.windows.in_wine import Room, windows_pytest

STORIES = 2


@pytest.mark.timeout(600)
def test_the_main_path() -> None:
    """With a tray, which the Linux run has not, and for a user whose name has letters of two scripts."""
    began = time.monotonic()
    report = windows_pytest("tests/ui/test_main_path.py", deadline=580, room=Room(user="Jörg 测试", screen=True))
    sys.stdout.write(f"main path under Wine: {time.monotonic() - began:.0f} s\n")
    assert report.failed == 0, report.output[-8000:]
    assert (report.passed, report.skipped) == (STORIES, ())
