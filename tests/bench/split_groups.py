"""Parts of a core for the hosts of the split bench (cgroups, version 1), and who else used the processor meanwhile.

The kernel counts a quota at its ticks, 4 ms apart, so that a host of a fifth of a core would run 4 ms and stand still
for 16; a stage that needs less than a burst would look faster than it is. Asking for a process's time makes the kernel
count at once: `keep_counting` asks often, and the quota holds within a millisecond.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CPU, ACCOUNT = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpuacct")
PERIOD = 5000
"""Microseconds in which a host may run its part: short beside a token, long beside a wake-up."""

SHARES = 262_144
"""Weight of a host against every other program, which has 1 024 or less: those wait for it."""

COUNT_SECONDS = 0.0003
LOOK_SECONDS = 0.05
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def why_not() -> str | None:
    """Why there can be no parts of a core here, for a person; None when there can be."""
    found = (CPU / "cpu.cfs_quota_us").exists() or (CPU / "tasks").exists()
    return None if found and ACCOUNT.exists() else "cgroups of version 1 with cpu and cpuacct are needed"


@dataclass(frozen=True)
class Group:
    """The processes of one host."""

    name: str
    cores: float

    @property
    def folder(self) -> Path:
        """Where the kernel keeps its quota."""
        return CPU / self.name

    def make(self) -> None:
        """Make it, without a limit yet."""
        for parent in (CPU, ACCOUNT):
            (parent / self.name).mkdir(exist_ok=True)
        (self.folder / "cpu.cfs_period_us").write_text(str(PERIOD))
        (self.folder / "cpu.shares").write_text(str(SHARES))

    def remove(self) -> None:
        """Take it away; its processes must have ended."""
        for parent in (CPU, ACCOUNT):
            with contextlib.suppress(FileNotFoundError):
                (parent / self.name).rmdir()

    def limit(self, limited: bool) -> None:
        """Hold its processes to their part of a core, or let them run, as while a model loads."""
        (self.folder / "cpu.cfs_quota_us").write_text(str(round(PERIOD * self.cores) if limited else -1))

    @property
    def entry(self) -> str:
        """What a shell runs to enter it."""
        places = " ".join(f"{parent / self.name}/cgroup.procs" for parent in (CPU, ACCOUNT))
        return f'for each in {places}; do echo $$ > "$each"; done'

    def entered(self, *argv: str) -> tuple[str, ...]:
        """The command line that enters the group and becomes `argv`. It comes before `ip netns exec`, which hides the
        groups.
        """
        return ("/bin/sh", "-c", f'{self.entry}; exec "$@"', "sh", *argv)

    def seconds(self) -> float:
        """Processor seconds it has used."""
        return int((ACCOUNT / self.name / "cpuacct.usage").read_text()) / 1e9


@dataclass(frozen=True)
class Usage:
    """Of a span of `seconds`: cores that programs of others used, and cores that the hypervisor gave to others."""

    seconds: float
    others: float
    stolen: float

    @property
    def is_disturbed(self) -> bool:
        """Whether figures of that span are to be taken again."""
        return self.others > 0.25 or self.stolen > 0.04


class Watch:
    """Looks at the whole machine: begin it before a measurement, end it after."""

    def __init__(self, ours: list[Group]) -> None:
        self._ours = ours
        self._began = self._now()

    def usage(self) -> Usage:
        """What others used since the beginning."""
        now = self._now()
        seconds = now[0] - self._began[0]
        return Usage(seconds, (now[1] - self._began[1]) / seconds, (now[2] - self._began[2]) / seconds)

    def _now(self) -> tuple[float, float, float]:
        everybody = int((ACCOUNT / "cpuacct.usage").read_text()) / 1e9
        stolen = int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / TICKS
        return time.monotonic(), everybody - sum(each.seconds() for each in self._ours), stolen


@contextlib.contextmanager
def groups(parts: dict[str, float], others: str) -> Iterator[dict[str, Group]]:
    """A group by name for each part of a core; this process and its children go to a group `others`, unlimited."""
    stem = f"caravan-split-{os.getpid()}"
    made = {name: Group(f"{stem}-{name}", cores) for name, cores in {**parts, others: 1.0}.items()}
    for each in made.values():
        each.make()
    (ACCOUNT / made[others].name / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield made
    finally:
        (ACCOUNT / "cgroup.procs").write_text(str(os.getpid()))
        for each in made.values():
            each.remove()


def keep_counting(folders: list[Path]) -> None:
    """Ask for the time of all processes of these groups again and again, for ever."""
    os.nice(-19)
    clocks: list[int] = []
    looked = 0.0
    while True:
        if (now := time.monotonic()) - looked > LOOK_SECONDS:
            found = [int(pid) for each in folders for pid in (each / "cgroup.procs").read_text().split()]
            # How the kernel writes "processor time of that process" (`man 3 clock_getcpuclockid`).
            clocks, looked = [(~pid << 3) | 2 for pid in found], now
        for clock in clocks:
            with contextlib.suppress(OSError):
                time.clock_gettime(clock)
        time.sleep(COUNT_SECONDS)


if __name__ == "__main__":
    keep_counting([Path(each) for each in sys.argv[1:]])
