"""The tray program beside a bare PySide6 tray icon, in turn in one run: start, processor while idle, memory.

Ours has a real node of its own, whose status it follows; the node's own processor time and memory are not counted.
On Windows, and so under Wine, the icon stands in the taskbar; elsewhere it is offscreen.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.system.spawn import kill_tree
from tests.bench import desktop_inside
from tests.ui.main_path_node import furnished

ROUNDS = 5
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 8.0
"""Until the node is there and has looked round, and its first news has come."""

MEBI = 1 << 20


@contextmanager
def running(kind: str, folder: Path) -> Iterator[tuple[psutil.Process, float]]:
    """The program as a process, and how many seconds its icon took from the start of Python."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "windows" if sys.platform == "win32" else "offscreen"}
    command = [sys.executable, "-m", desktop_inside.__name__, kind, str(folder)]
    began = time.time()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as it:
        try:
            assert it.stdout is not None
            word, at = it.stdout.readline().split()
            assert word == desktop_inside.SHOWN
            yield psutil.Process(it.pid), float(at) - began
        finally:
            end(it)


def end(program: "subprocess.Popen[str]") -> None:
    """Politely, so that ours ends its node; Windows has no such request, so there the node is ended with it."""
    if sys.platform == "win32":
        kill_tree(program.pid)
    else:
        program.terminate()
    program.wait(60)


def idle(process: psutil.Process) -> tuple[float | None, int]:
    """Part of a core in percent, and the memory it has in bytes, what it shares with others included.

    Not the former on Windows: Wine, where this is measured, tells no program of another's processor time.
    """
    time.sleep(SETTLE_SECONDS)
    if sys.platform == "win32":
        return None, process.memory_info().rss
    before = process.cpu_times()
    time.sleep(IDLE_SECONDS)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return 100 * spent / IDLE_SECONDS, process.memory_info().rss


def measure() -> dict[str, float]:
    """Medians of the starts; percent of one core; mebibytes."""
    starts: dict[str, list[float]] = {"bare": [], "ours": []}
    idles: dict[str, tuple[float | None, int]] = {}
    for number in range(ROUNDS + 1):
        for kind, found in starts.items():
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                furnished(Path(folder), "BENCH")
                with running(kind, Path(folder)) as (process, seconds):
                    found.append(seconds)
                    if number == ROUNDS:
                        idles[kind] = idle(process)
    # The first of each warms the disk.
    bare, ours = (statistics.median(starts[kind][1:]) for kind in ("bare", "ours"))
    cores = {"bare, idle, % of a core": idles["bare"][0], "Caravan, idle, % of a core": idles["ours"][0]}
    return {
        "bare PySide6 tray, start to icon, median s": bare,
        "Caravan, start to icon, median s": ours,
        "Caravan / bare": ours / bare,
        **{name: part for name, part in cores.items() if part is not None},
        "bare, resident memory, MiB": idles["bare"][1] / MEBI,
        "Caravan, resident memory, MiB": idles["ours"][1] / MEBI,
        "Caravan - bare, MiB": (idles["ours"][1] - idles["bare"][1]) / MEBI,
    }


if __name__ == "__main__":
    for name, value in measure().items():
        sys.stdout.write(f"{name:50} {value:10.3f}\n")
