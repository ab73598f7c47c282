"""Programs inside the chroot, in namespaces of their own: after the command, or after our end, nothing of it stays.

`unshare` makes the mount and process-id namespaces; its first process is a shell whose end kills everything else there.
"""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.windows.places import Places

_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
_UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
_ENVIRONMENT = {"HOME": "/root", "USER": "root", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine at `inside`, an absolute path in the chroot."""

    outside: Path
    inside: str
    writable: bool = False


@dataclass(frozen=True)
class Inside:
    """How a script runs in the chroot. `netns` is a network namespace that `ip netns` knows."""

    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    netns: str | None = None


def command(places: Places, script: str, inside: Inside) -> list[str]:
    """The argument list that runs a bash script in the chroot."""
    chroot = shlex.quote(str(places.chroot))
    lines = [
        "set -e",
        f"mount --rbind /dev {chroot}/dev",
        f"mount -t proc proc {chroot}/proc",
        f"mount -t tmpfs tmpfs {chroot}/tmp",
        *(line for mount in inside.mounts for line in _mounting(chroot, mount)),
        shlex.join(_entering(places, script, inside)),
    ]
    network = ["ip", "netns", "exec", inside.netns] if inside.netns else []
    return [*_DIES_WITH_US, *network, *_UNSHARE, "bash", "-c", "\n".join(lines)]


def _entering(places: Places, script: str, inside: Inside) -> list[str]:
    variables = {**_ENVIRONMENT, **inside.environment}
    settings = [f"{name}={value}" for name, value in variables.items()]
    return ["exec", "chroot", str(places.chroot), "env", "-i", *settings, "bash", "-c", script]


def _mounting(chroot: str, mount: Mount) -> list[str]:
    outside, target = shlex.quote(str(mount.outside)), chroot + shlex.quote(mount.inside)
    make = f"mkdir -p {target}" if mount.outside.is_dir() else f"touch {target}"
    lines = [make, f"mount --bind {outside} {target}"]
    return lines if mount.writable else [*lines, f"mount -o remount,bind,ro {target}"]


def run(places: Places, script: str, inside: Inside | None = None, *, timeout: float | None = None) -> None:
    """Run a script to its end, its output kept for the error. Raises RuntimeError with the last lines of it."""
    argv = command(places, script, inside or Inside())
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        raise RuntimeError("\n".join([f"exit code {done.returncode} of: {script[:200]}", *said[-30:]]))
