"""Pytest in Wine: one run, and what it said. Unasked for, the test is skipped; asked for without the rig, it fails."""

import os
import subprocess
import tempfile
import xml.etree.ElementTree as Tree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
    """What a run has beside the rig. `prepare` gets the prefix's folder, `fill` the one seen at `Z:\\out`.

    `engine` tells it where the rig's llama.cpp is.
    """

    user: str = "root"
    screen: bool = False
    engine: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = _nothing
    fill: Callable[[Path], None] = _nothing


def wanted_rig() -> Places:
    """The rig. Skips the test when nobody asked for these tests, fails it when the rig is not there."""
    if WANTED not in os.environ:
        pytest.skip(f"takes minutes under Wine: set {WANTED}=1, after `python -m tests.windows.rig build`")
    rig = rig_places()
    why = missing(rig)
    if why is not None:
        pytest.fail(f"{WANTED} is set, but there is no Windows rig: {why}")
    return rig


def windows_pytest(*arguments: str, deadline: float, room: Room | None = None) -> Report:
    """Run pytest with Windows Python in a throw-away prefix, at most `deadline` seconds."""
    rig, room = wanted_rig(), room or Room()
    with tempfile.TemporaryDirectory() as folder, prefix_folder(rig, None) as prefix:
        report = "--junitxml=Z:\\out\\report.xml"
        program = whole(["python", *PYTEST, "-q", "--no-header", "--tb=short", report, *arguments])
        variables = {**(ENGINE_VARIABLES if room.engine else {}), **room.environment}
        setting = Setting(user=room.user, writable=Path(folder), screen=room.screen, environment=variables)
        room.prepare(prefix)
        room.fill(Path(folder))
        argv = windows_command(rig, program, setting, prefix)
        output = _run(argv, deadline)
        file = Path(folder) / "report.xml"
        assert file.exists(), output[-6000:]
        return _read(file, output)


def _run(argv: list[str], deadline: float) -> str:
    """What it says on both streams. Fails the test, with the last of it, when it does not end in time."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline, check=False)
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode("utf-8", "replace")
        pytest.fail(f"Pytest in Wine did not end within {deadline:g} s. It said:\n{said[-4000:]}")
    return (done.stdout + done.stderr).decode("utf-8", "replace")


PROGRAM = "C:\\Program Files\\Caravan\\Caravan.exe"
"""Where `install` puts it."""


def install(rig: Places, setup: Path, setting: Setting, prefix: Path) -> None:
    """Install Caravan silently for everyone on the PC that `prefix` is. Raises CalledProcessError."""
    there = replace(setting, writable=setup.parent, folder="/out", netns=None)
    argv = windows_command(rig, [f"Z:\\out\\{setup.name}", "/S", "/AllUsers"], there, prefix)
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)


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
