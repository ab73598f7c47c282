"""Pytest in Wine: one run, and what it said. Unasked for, or without the rig, the test is skipped with the reason."""

import os
import subprocess
import tempfile
import xml.etree.ElementTree as Tree
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.windows.places import ENGINE, rig_places
from tests.windows.rig import PYTEST, missing, whole
from tests.windows.wine import Setting, prefix_folder, windows_command

WANTED = "CARAVAN_WINDOWS_TESTS"
"""The environment variable that asks for these tests."""

ENGINE_VARIABLES = {"CARAVAN_LLAMA_SERVER_PATH": ENGINE}


@dataclass(frozen=True)
class Report:
    """What pytest said in Wine. `skipped` holds each skipped test with its reason."""

    passed: int
    failed: int
    skipped: tuple[str, ...]
    output: str


def windows_pytest(*arguments: str, deadline: float, user: str = "root") -> Report:
    """Run pytest with Windows Python in a throw-away prefix, at most `deadline` seconds."""
    if WANTED not in os.environ:
        pytest.skip(f"takes six minutes under Wine: set {WANTED}=1, after `python -m tests.windows.rig build`")
    rig = rig_places()
    why = missing(rig)
    if why is not None:
        pytest.skip(f"no Windows rig: {why}")
    with tempfile.TemporaryDirectory() as folder, prefix_folder(rig, None) as prefix:
        report = "--junitxml=Z:\\out\\report.xml"
        program = whole(["python", *PYTEST, "-q", "--no-header", "--tb=short", report, *arguments])
        setting = Setting(user=user, writable=Path(folder), environment=ENGINE_VARIABLES)
        argv = windows_command(rig, program, setting, prefix)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline, check=False)
        output = (done.stdout + done.stderr).decode("utf-8", "replace")
        file = Path(folder) / "report.xml"
        assert file.exists(), output[-6000:]
        return _read(file, output)


def _read(file: Path, output: str) -> Report:
    suite = Tree.parse(file).getroot().find("testsuite")
    assert suite is not None
    count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    skipped = tuple(
        f"{case.get('classname')}.{case.get('name')}: {reason.get('message')}"
        for case in suite.iter("testcase")
        for reason in case.findall("skipped")
    )
    return Report(count["tests"] - failed - count["skipped"], failed, skipped, output)
