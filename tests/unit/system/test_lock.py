"""One holder per folder over real processes; the lock ends with the process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.schema.errors import DataFolderUnusable, NodeAlreadyRunning
from app.system.lock import FolderLock

CHECKOUT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from app.schema.errors import NodeAlreadyRunning
from app.system.lock import FolderLock
try:
    lock = FolderLock(Path(sys.argv[1]))
    lock.acquire()
    print("held", flush=True)
except NodeAlreadyRunning as error:
    print(error, flush=True)
sys.stdin.read()
"""


@contextmanager
def other_process(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    argv = [sys.executable, "-X", "utf8", "-c", HOLDER, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FolderLock(path) as lock, other_process(path) as (_, answer):
        assert lock.is_held
        assert answer == f"Caravan already runs with the folder {tmp_path} (process {os.getpid()})."
    with other_process(path) as (_, answer):
        assert answer == "held"


def test_lock_vanishes_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other_process(path) as (process, answer):
        assert answer == "held"
        with pytest.raises(NodeAlreadyRunning, match=rf"\(process {process.pid}\)"):
            FolderLock(path).acquire()
        process.kill()
        process.wait()
        with FolderLock(path) as lock:
            assert lock.is_held


def test_two_nodes_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    first.acquire()
    first.acquire()
    with pytest.raises(NodeAlreadyRunning):
        second.acquire()
    assert not second.is_held
    second.release()
    with pytest.raises(NodeAlreadyRunning):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FolderLock(path)
    lock.acquire()
    argv = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        with FolderLock(path) as again:
            assert again.is_held
        child.kill()


def test_damaged_lock_file_hides_only_the_process_id(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FolderLock(path):
        path.write_bytes(b"\xff not a number, and long enough to be cut off")
        with pytest.raises(NodeAlreadyRunning, match=r"folder [^()]+\.$"):
            FolderLock(path).acquire()


def test_folder_in_place_of_the_lock_file(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(DataFolderUnusable, match="Caravan cannot lock its folder"):
        FolderLock(tmp_path / "lock").acquire()
    with pytest.raises(DataFolderUnusable, match="it does not exist"):
        FolderLock(tmp_path / "gone" / "lock").acquire()
