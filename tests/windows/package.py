"""`installer.build` in the rig: PyInstaller with Windows Python under Wine, makensis in the chroot."""

import fcntl
import shlex
import subprocess
from pathlib import Path, PurePath, PurePosixPath

from installer import program
from installer.build import ROOT, Tools, package
from installer.setup import setup_name
from tests.windows import chroot
from tests.windows.chroot import Inside, Mount
from tests.windows.places import PACKAGING_PYTHON, Places
from tests.windows.wine import Setting, prefix_folder, windows_command

_OUT = "/out"
_CHECKOUT = "/caravan"
_LOCK = "being-built.lock"


def make(places: Places, folder: Path, with_engine: bool) -> Path:
    """Program and installer in `folder`, with the rig's llama.cpp inside if asked; returns the installer.

    Raises CalledProcessError or RuntimeError.
    """
    where = folder.absolute()
    where.mkdir(parents=True, exist_ok=True)
    with (where / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return package(where, tools(places, where), places.windows / "engine" if with_engine else None)


def made(folder: Path) -> Path:
    """The installer that `make` makes in `folder`, also by another process: waits for its end.

    Raises FileNotFoundError when it made none.
    """
    with (folder / _LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    installer = folder / setup_name()
    if not installer.exists():
        raise FileNotFoundError(f"The installer could not be built in {folder}.")
    return installer


def tools(places: Places, folder: Path) -> Tools:
    """How things are built into `folder` here. The uninstaller is not signed: no signing program is in the chroot."""

    def make_program(into: Path) -> None:
        _windows_python(places, into, "-m", "installer.program", "Z:\\out")

    def run_makensis(argv: list[str]) -> None:
        mounts = (Mount(ROOT, _CHECKOUT), Mount(folder, _OUT, writable=True))
        # makensis writes its temporary files beside its result.
        chroot.run(places, f"cd {_OUT} && {shlex.join(argv)}", Inside(mounts, {"SOURCE_DATE_EPOCH": _date()}))

    def seen(path: Path) -> PurePath:
        inside, base = (_OUT, folder) if path.is_relative_to(folder) else (_CHECKOUT, ROOT)
        return PurePosixPath(inside, path.relative_to(base).as_posix())

    return Tools(make_program, run_makensis, seen, None)


def _windows_python(places: Places, folder: Path, *arguments: str) -> None:
    setting = Setting(writable=folder, environment={"SOURCE_DATE_EPOCH": _date()})
    with prefix_folder(places, None) as prefix:
        argv = windows_command(places, [PACKAGING_PYTHON, *arguments], setting, prefix)
        subprocess.run(["nice", "-n", "10", *argv], stdin=subprocess.DEVNULL, check=True)


def _date() -> str:
    return str(program.source_date())
