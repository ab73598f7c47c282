"""Pytest in Wine: runs, and what they said. Unasked for, the test is skipped; asked for without the rig, it fails."""

import os
import subprocess
import time
import xml.etree.ElementTree as Tree
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

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

    @property
    def trouble(self) -> str:
        """What it said of the first failures, and its last words."""
        begin = max(self.output.find("= ERRORS ="), self.output.find("= FAILURES ="), 0)
        return f"{self.output[begin:][:8000]}\n...\n{self.output[-4000:]}"


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
    (report,) = windows_pytests(arguments, deadline=deadline, room=room)
    return report


def windows_pytests(*runs: Sequence[str], deadline: float, room: Room | None = None) -> list[Report]:
    """Run pytest once for each list of arguments, beside each other, each in a prefix of its own.

    Not for tests that measure time. Each of several keeps to one core: Wine is its programs asking its server, and
    that is quicker where neither must wake another core.
    """
    rig, give_up, cores = wanted_rig(), time.monotonic() + deadline, sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        started = []
        for number, arguments in enumerate(runs):
            core = cores[number % len(cores)] if len(runs) > 1 else None
            started.append(stack.enter_context(_started(rig, arguments, room or Room(), core)))
        return [each.report(give_up) for each in started]


@dataclass(frozen=True)
class _Run:
    """Pytest in Wine, started. `said` is what it says on both streams, `folder` what it sees at `Z:\\out`."""

    program: "subprocess.Popen[bytes]"
    said: IO[bytes]
    folder: Path

    def report(self, give_up: float) -> Report:
        """Wait for its end. Fails the test, with the last of what it said, when that does not come in time."""
        try:
            self.program.wait(max(give_up - time.monotonic(), 0))
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"Pytest in Wine did not end within {late.timeout:.0f} s. It said:\n{self._output()[-4000:]}")
        file = self.folder / "report.xml"
        assert file.exists(), self._output()[-6000:]
        return _read(file, self._output())

    def _output(self) -> str:
        # The program writes on: the place in the file is its own.
        return os.pread(self.said.fileno(), os.fstat(self.said.fileno()).st_size, 0).decode("utf-8", "replace")


@contextmanager
def _started(rig: Places, arguments: Sequence[str], room: Room, core: int | None) -> Iterator[_Run]:
    """A run of pytest in a throw-away prefix, on one core if told; it ends with the block."""
    with TemporaryDirectory() as folder, prefix_folder(rig, None) as prefix, TemporaryFile() as said:
        report = "--junitxml=Z:\\out\\report.xml"
        program = whole(["python", *PYTEST, "-q", "--no-header", "--tb=short", report, *arguments])
        variables = {**(ENGINE_VARIABLES if room.engine else {}), **room.environment}
        setting = Setting(user=room.user, writable=Path(folder), screen=room.screen, environment=variables)
        room.prepare(prefix)
        room.fill(Path(folder))
        argv = windows_command(rig, program, setting, prefix)
        if core is not None:
            argv = ["taskset", "--cpu-list", str(core), *argv]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT) as running:
            try:
                yield _Run(running, said, Path(folder))
            finally:
                running.kill()


PROGRAM = "C:\\Program Files\\Caravan\\Caravan.exe"
"""Where `install` puts it."""


def install(rig: Places, setup: Path, setting: Setting, prefix: Path) -> None:
    """Install Caravan silently for everyone on the PC that `prefix` is. Raises CalledProcessError."""
    there = replace(setting, writable=setup.parent, folder="/out", netns=None)
    argv = windows_command(rig, [f"Z:\\out\\{setup.name}", "/S", "/AllUsers"], there, prefix)
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=True)


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
