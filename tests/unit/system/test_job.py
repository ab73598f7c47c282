"""The Job Object: its effect exists on Windows only."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.system.job import enter_kill_on_close_job

HOLDER = """
import subprocess, sys
from app.system.job import enter_kill_on_close_job
jobs = [enter_kill_on_close_job(), enter_kill_on_close_job()]
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the no-op of other systems")
def test_nothing_to_enter_elsewhere() -> None:
    assert enter_kill_on_close_job() is None


@pytest.mark.skipif(sys.platform != "win32", reason="Job Objects are Windows")
def test_child_dies_with_a_killed_parent_in_nested_jobs() -> None:
    argv = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(timeout=60)
