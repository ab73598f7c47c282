"""The installed program, as a person's PC has it: installed silently, used, upgraded, removed."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.windows.installed.traces import LOG, NAME, entry

SETUP = Path(os.environ.get("CARAVAN_TEST_SETUP", ""))
"""The installer under test; the rig sets the variable."""

FOLDER = Path(r"C:\Programme für 测试") / NAME
DEADLINE = 240.0


class Caravan:
    """One installation. `everyone` tells which way."""

    def __init__(self, folder: Path, everyone: bool = True) -> None:
        self.folder = folder
        self.everyone = everyone

    def install(self, *switches: str) -> int:
        """Run the installer silently, to its end; returns the exit code."""
        way = "/AllUsers" if self.everyone else "/CurrentUser"
        # NSIS wants the folder last and never in quotes.
        line = f"{subprocess.list2cmdline([str(SETUP), '/S', way, *switches])} /D={self.folder}"
        return subprocess.run(line, timeout=DEADLINE, check=False).returncode

    def uninstall(self, *switches: str) -> None:
        """Run the uninstaller silently; it goes on in a copy of itself, so wait for its last deed."""
        subprocess.run([str(self.folder / "uninstall.exe"), "/S", *switches], timeout=DEADLINE, check=True)
        wait_until(lambda: entry(self.everyone) is None and not running("Au_.exe", "Un_A.exe", "Un.exe"))

    def program(self, name: str = "Caravan.exe") -> str:
        """The path of a program."""
        return str(self.folder / name)

    def cli(self, *arguments: str, deadline: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        argv = [self.program("caravan-cli.exe"), *arguments]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline, encoding="utf-8", check=False
        )


def wait_until(reached: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something that other programs do. Raises AssertionError."""
    give_up = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < give_up, "it did not come"
        time.sleep(0.05)


def running(*names: str) -> list[psutil.Process]:
    """The programs of these names that run."""
    wanted = {name.lower() for name in names}
    return [each for each in psutil.process_iter() if _name(each) in wanted]


def _name(process: psutil.Process) -> str:
    try:
        return process.name().lower()
    except (psutil.Error, OSError):
        # The second is Wine's word, unknown to psutil, for one that is just ending.
        return ""


OURS = ("Caravan.exe", "caravan-cli.exe", "llama-server.exe", "ggml-rpc-server.exe", "llama-fit-params.exe")


@contextmanager
def started(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours that is ended whatever the test does."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        for each in running(*OURS):
            # One that was just ending is gone by now.
            with suppress(psutil.NoSuchProcess, OSError):
                each.kill()
        # Also one that could not tell its name.
        process.kill()
        process.wait()


@contextmanager
def installed() -> Iterator[Caravan]:
    """Caravan installed for everyone; at the end whatever is left of it is removed."""
    LOG.unlink(missing_ok=True)
    found = Caravan(FOLDER)
    assert found.install() == 0
    yield found
    if (found.folder / "uninstall.exe").exists():
        found.uninstall("/PURGE")


@pytest.fixture
def caravan() -> Iterator[Caravan]:
    """An installation of the test's own, which it may change."""
    with installed() as found:
        yield found
