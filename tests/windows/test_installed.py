"""The built installer in Wine: installed, used, upgraded, removed; the tray seen on a screen."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from installer.program import SIZE_LIMIT, sizes
from installer.setup import ENGINE_FOLDER
from tests.windows import chroot
from tests.windows.chroot import Inside, Mount
from tests.windows.in_wine import PROGRAM, Room, install, wanted_rig, windows_pytest
from tests.windows.places import PYTHON, Places
from tests.windows.wine import Setting, prefix_folder, screenshot_command

RECORDING = {"WINEDLLOVERRIDES": "mscoree,mshtml=;netsh.exe=n"}
"""Lets Wine take a netsh that is not its own."""

USER = "Jörg 测试"

COLOURS = 8
"""More than a window has that is still empty."""
_HERE = Path(__file__).parent


def recording_netsh(rig: Places, prefix: Path) -> None:
    """Replace Wine's netsh, which does nothing, by one that writes down what it is asked."""
    system = prefix / "drive_c" / "windows" / "system32"
    mounts = (Mount(_HERE, "/source"), Mount(system, "/made", writable=True))
    compiler = "x86_64-w64-mingw32-gcc-posix -municode -O1 -static -s"
    chroot.run(rig, f"rm -f /made/netsh.exe && {compiler} /source/netsh_recorder.c -o /made/netsh.exe", Inside(mounts))


@pytest.mark.timeout(1500)
def test_the_program_stays_small(setup: Path) -> None:
    found = sizes(setup.parent / "Caravan")
    own = sum(size for path, size in found.items() if path.parts[0] != ENGINE_FOLDER)
    sys.stdout.write(f"installed without an engine: {own / (1 << 20):.1f} MB; installer with the rig's engine: ")
    sys.stdout.write(f"{setup.stat().st_size / (1 << 20):.1f} MB\n")
    assert own <= SIZE_LIMIT


@pytest.mark.timeout(2000)
def test_install_use_upgrade_uninstall(setup: Path) -> None:
    rig = wanted_rig()
    room = Room(
        user=USER,
        screen=True,
        engine=False,
        environment={"CARAVAN_TEST_SETUP": f"Z:\\out\\{setup.name}", **RECORDING},
        prepare=lambda prefix: recording_netsh(rig, prefix),
        fill=lambda folder: shutil.copyfile(setup, folder / setup.name) and None,
    )
    report = windows_pytest("tests/windows/installed", "-s", "--timeout=500", deadline=1900, room=room)
    sys.stdout.write("\n".join(line for line in report.output.splitlines() if "installed demo:" in line) + "\n")
    assert report.failed == 0, report.trouble
    assert report.skipped == ()
    assert report.passed > 0


@pytest.mark.timeout(600)
def test_the_tray_is_seen(setup: Path, tmp_path: Path) -> None:
    """Wine draws a tray icon into a small window of its own; an empty screen has one colour."""
    rig = wanted_rig()
    with prefix_folder(rig, None) as prefix:
        install(rig, setup, Setting(user=USER), prefix)
        empty = seen(rig, prefix, [PYTHON, "-c", "import time; time.sleep(9)"], tmp_path / "empty", 3)
        assert colours(empty) == 1
        # A busy machine takes longer; what is there at once need not be waited for.
        waits = (10, 30, 60)
        pictures = (seen(rig, prefix, [PROGRAM], tmp_path / f"after {each}", each) for each in waits)
        assert any(colours(picture) > COLOURS for picture in pictures)


def seen(rig: Places, prefix: Path, program: Sequence[str], folder: Path, seconds: float) -> Path:
    """A picture of what a Windows program has on the screen some seconds after its start."""
    folder.mkdir()
    argv = screenshot_command(rig, program, Setting(user=USER), prefix, folder, seconds)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done
    return folder / "screen.png"


def colours(picture: Path) -> int:
    image = QImage(str(picture))
    assert not image.isNull()
    return len({image.pixel(x, y) for x in range(image.width()) for y in range(0, image.height())})
