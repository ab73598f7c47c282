"""The built installer in Wine: installed, used, upgraded, removed; the tray seen on a screen."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from installer.setup import setup_name
from tests.windows import chroot, package
from tests.windows.chroot import Inside, Mount
from tests.windows.in_wine import Room, wanted_rig, windows_pytest
from tests.windows.places import Places
from tests.windows.rig import screenshot
from tests.windows.wine import Setting, prefix_folder, windows_command

BUILT = "CARAVAN_WINDOWS_PACKAGE"
"""The environment variable that names a folder where `rig package` has built already; else it is built anew."""

RECORDING = {"WINEDLLOVERRIDES": "mscoree,mshtml=;netsh.exe=n"}
"""Lets Wine take a netsh that is not its own."""

USER = "测试"
"""Not longer: in a program whose code page is UTF-8, Wine 10 asks for the user's name with room for its characters but
not its bytes, and with `Jörg 测试` what DPAPI protects cannot be read back. Windows Python, without that code page, has
no such trouble, so the other tests use longer names.
"""
_HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def setup() -> Iterator[Path]:
    rig = wanted_rig()
    built = os.environ.get(BUILT)
    if built:
        yield Path(built) / setup_name()
        return
    with tempfile.TemporaryDirectory(prefix="caravan-package-") as folder:
        yield package.make(rig, Path(folder), with_engine=False)


def recording_netsh(rig: Places, prefix: Path) -> None:
    """Replace Wine's netsh, which does nothing, by one that writes down what it is asked."""
    system = prefix / "drive_c" / "windows" / "system32"
    mounts = (Mount(_HERE, "/source"), Mount(system, "/made", writable=True))
    compiler = "x86_64-w64-mingw32-gcc-posix -municode -O1 -static -s"
    chroot.run(rig, f"rm -f /made/netsh.exe && {compiler} /source/netsh_recorder.c -o /made/netsh.exe", Inside(mounts))


@pytest.mark.timeout(1500)
def test_install_use_upgrade_uninstall(setup: Path) -> None:
    rig = wanted_rig()
    room = Room(
        user=USER,
        screen=True,
        environment={"CARAVAN_TEST_SETUP": f"Z:\\out\\{setup.name}", **RECORDING},
        prepare=lambda prefix: recording_netsh(rig, prefix),
        fill=lambda folder: shutil.copyfile(setup, folder / setup.name) and None,
    )
    report = windows_pytest("tests/windows/installed", "-s", deadline=900, room=room)
    sys.stdout.write("\n".join(line for line in report.output.splitlines() if "installed demo:" in line) + "\n")
    assert report.failed == 0, report.output[-8000:]
    assert report.skipped == ()
    assert report.passed > 0


@pytest.mark.timeout(300)
def test_the_tray_is_seen(setup: Path) -> None:
    """Wine draws a tray icon into a small window of its own; an empty screen has one colour."""
    rig = wanted_rig()
    name = f"caravan-test-{os.getpid()}"
    setting = Setting(prefix=name, user=USER, writable=setup.parent, screen=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with prefix_folder(rig, name) as prefix:
                install = windows_command(rig, [f"Z:\\out\\{setup.name}", "/S", "/AllUsers"], setting, prefix)
                assert subprocess.run(install, stdin=subprocess.DEVNULL, check=False).returncode == 0
            empty, tray = Path(folder) / "empty.png", Path(folder) / "tray.png"
            screenshot(rig, empty, ["python", "-c", "import time; time.sleep(9)"], setting, 3.0)
            screenshot(rig, tray, ["C:\\Program Files\\Caravan\\Caravan.exe"], setting, 15.0)
            assert colours(empty) == 1
            assert colours(tray) > 8
        finally:
            shutil.rmtree(rig.prefixes / name, ignore_errors=True)
            (rig.prefixes / f"{name}.lock").unlink(missing_ok=True)


def colours(picture: Path) -> int:
    image = QImage(str(picture))
    assert not image.isNull()
    return len({image.pixel(x, y) for x in range(image.width()) for y in range(0, image.height())})
