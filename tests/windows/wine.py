"""Run Windows programs in Wine prefixes: a throw-away one for each run, or named ones that stay."""

import contextlib
import fcntl
import os
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.windows.chroot import Inside, Mount, command
from tests.windows.places import REPOSITORY, SCRATCH, Places

THROW_AWAY = ".throw-away-"
_PREFIX = "/prefix"

_ENVIRONMENT = {
    "WINEDEBUG": "-all",
    "WINEPREFIX": _PREFIX,
    # No browser engine and no .NET: Wine would offer to download them.
    "WINEDLLOVERRIDES": "mscoree,mshtml=",
    "XDG_RUNTIME_DIR": "/tmp",
    "PYTHONPYCACHEPREFIX": f"{SCRATCH}\\compiled",
    "PYTHONUNBUFFERED": "1",
    # The checkout is read-only here; without a folder of its own hypothesis tries for ever to write there.
    "HYPOTHESIS_STORAGE_DIRECTORY": f"{SCRATCH}\\hypothesis",
}

# Windows Python wants real standard handles, so output goes through `cat`, which ends when all holders of the pipe
# have. The server is asked to end and write the registry; killed with its namespace it would lose what a named prefix
# should keep.
_SCRIPT = """
cd {folder}
set +e
{{
{program} </dev/null 2>&1
code=$?
wineserver -k
timeout 20 wineserver -w
exit $code
}} | cat
exit ${{PIPESTATUS[0]}}
"""

# The X server takes a free number itself: several runs share the network namespace where its socket lives.
_WITH_SCREEN = """
Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp 3>/tmp/display >/dev/null 2>&1 &
timeout 20 bash -c 'until [ -s /tmp/display ]; do sleep 0.05; done'
export DISPLAY=:$(cat /tmp/display)
"""

_SHOT = """
cd {folder}
{program} </dev/null >/screen/output.txt 2>&1 &
sleep {seconds}
scrot --overwrite /screen/screen.png
code=$?
wineserver -k
timeout 20 wineserver -w
exit $code
"""


@dataclass(frozen=True)
class Setting:
    """Where a program runs.

    `prefix` is a named prefix (None: a throw-away one), `user` a Windows user name, `folder` the folder to start in,
    `writable` a folder of this machine seen at `Z:\\out`.
    """

    prefix: str | None = None
    netns: str | None = None
    user: str = "root"
    folder: str = "/caravan"
    writable: Path | None = None
    screen: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def windows_command(places: Places, program: Sequence[str], setting: Setting, prefix: Path) -> list[str]:
    """The argument list that runs a Windows program; its output, both streams, is the command's."""
    script = _SCRIPT.format(program=shlex.join(["wine", *program]), folder=shlex.quote(setting.folder))
    return command(places, (_WITH_SCREEN if setting.screen else "") + script, _inside(places, setting, prefix))


def screenshot_command(
    places: Places, program: Sequence[str], setting: Setting, prefix: Path, folder: Path, seconds: float
) -> list[str]:
    """The argument list that starts a Windows program on a screen, waits, and leaves `screen.png` in `folder`."""
    script = _SHOT.format(
        program=shlex.join(["wine", *program]), folder=shlex.quote(setting.folder), seconds=f"{seconds:g}"
    )
    inside = _inside(places, setting, prefix)
    shot = Inside((*inside.mounts, Mount(folder, "/screen", writable=True)), inside.environment, inside.netns)
    return command(places, _WITH_SCREEN + script, shot)


def _inside(places: Places, setting: Setting, prefix: Path) -> Inside:
    mounts = [
        Mount(places.windows, "/windows"),
        Mount(REPOSITORY, "/caravan"),
        Mount(places.scratch, "/scratch", writable=True),
        Mount(prefix, _PREFIX, writable=True),
    ]
    if setting.writable is not None:
        mounts.append(Mount(setting.writable, "/out", writable=True))
    if setting.user != "root":
        mounts.append(Mount(_accounts(prefix, setting.user), "/etc/passwd"))
    environment = {**_ENVIRONMENT, "USER": setting.user, **setting.environment}
    return Inside(mounts, environment, setting.netns)


def _accounts(prefix: Path, user: str) -> Path:
    """Wine takes the name of the Windows user from the system's accounts."""
    file = prefix / "passwd"
    file.write_text(f"{user}:x:0:0::/root:/bin/bash\n", "utf-8")
    return file


@contextlib.contextmanager
def prefix_folder(places: Places, name: str | None) -> Iterator[Path]:
    """The folder of a prefix, locked while it is used; a throw-away one is removed, also what a crash left behind."""
    places.prefixes.mkdir(parents=True, exist_ok=True)
    remove_abandoned(places)
    folder = places.prefixes / (name or f"{THROW_AWAY}{secrets.token_hex(4)}")
    with _locked(folder.with_name(f"{folder.name}.lock")) as lock:
        try:
            if not folder.exists():
                _copy(places.first_prefix, folder)
            yield folder
        finally:
            if name is None:
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    half = target.with_name(f"{target.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", str(source), str(half)], check=True)
    half.rename(target)


def remove_abandoned(places: Places) -> None:
    """Remove throw-away prefixes whose run is over: nobody holds their lock any more."""
    for lock in places.prefixes.glob(f"{THROW_AWAY}*.lock"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), _locked(lock, wait=False):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            shutil.rmtree(lock.with_suffix(".half"), ignore_errors=True)
            lock.unlink()


@contextlib.contextmanager
def _locked(path: Path, wait: bool = True) -> Iterator[Path]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield path
    finally:
        os.close(handle)
