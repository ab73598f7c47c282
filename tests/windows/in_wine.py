"""Pytest in Wine: one run, and what it said. Unasked for, or without the rig, the test is skipped with the reason."""

import os
import subprocess
import tempfile
import xml.etree.ElementTree as Tree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.windows.places import ENGINE, Places, rig_places
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


def _nothing(folder: Path) -> None:
    """What most runs need to be ready."""


@dataclass(frozen=True)
class Room:
    """What a run has beside the rig. `prepare` gets the prefix's folder, `fill` the one seen at `Z:\\out`."""

    user: str = "root"
    screen: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = _nothing
    fill: Callable[[Path], None] = _nothing


def wanted_rig() -> Places:
    """The rig; skips the test when nobody asked for these tests or the rig is not there."""
    if WANTED not in os.environ:
        pytest.skip(f"takes minutes under Wine: set {WANTED}=1, after `python -m tests.windows.rig build`")
    rig = rig_places()
    why = missing(rig)
    if why is not None:
        pytest.skip(f"no Windows rig: {why}")
    return rig


def windows_pytest(*arguments: str, deadline: float, room: Room | None = None) -> Report:
    """Run pytest with Windows Python in a throw-away prefix, at most `deadline` seconds."""
    rig, room = wanted_rig(), room or Room()
    with tempfile.TemporaryDirectory() as folder, prefix_folder(rig, None) as prefix:
        report = "--junitxml=Z:\\out\\report.xml"
        program = whole(["python", *PYTEST, "-q", "--no-header", "--tb=short", report, *arguments])
        variables = {**ENGINE_VARIABLES, **room.environment}
        setting = Setting(user=room.user, writable=Path(folder), screen=room.screen, environment=variables)
        room.prepare(prefix)
        room.fill(Path(folder))
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
