"""Only files that are proven whole are ever given to a worker again, and the disk is left alone when it is full."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.instances.engine_cache import (
    FASTEST_FILLING,
    LATE_SECONDS,
    MARGIN_BYTES,
    RESERVE_BYTES,
    CacheSession,
    EngineCache,
    Load,
    Look,
    Whole,
)
from app.schema.model import ModelPart
from app.schema.record import ModelId
from tests.turns import a_while, until

PLENTY = 1 << 40
ONE, TWO, THREE = ("000000000000000" + digit for digit in "123")
SAVED = "[set_tensor] saved to 'C'"


def look(at: float, *files: tuple[str, int], free: int = PLENTY) -> Look:
    """A look at which files have these sizes, and were written in their order."""
    return Look(at, free, {name: (size, order) for order, (name, size) in enumerate(files)})


def test_a_file_counts_at_the_second_look_once_it_was_reported() -> None:
    whole = Whole(look(0))
    assert whole.names(look(1, (ONE, 10)), 1) == ()
    assert whole.names(look(2, (ONE, 10)), 1) == (ONE,)


def test_a_file_that_still_grows_or_is_not_reported_does_not_count() -> None:
    whole = Whole(look(0))
    whole.names(look(1, (ONE, 10)), 0)
    assert whole.names(look(2, (ONE, 20)), 1) == ()
    assert whole.names(look(3, (ONE, 20), (TWO, 5)), 1) == (ONE,)
    assert whole.names(look(4, (ONE, 20), (TWO, 5)), 1) == (ONE,)
    assert whole.names(look(5, (ONE, 20), (TWO, 5)), 2) == (ONE, TWO)


def test_nothing_counts_once_the_disk_was_nearly_full() -> None:
    whole = Whole(look(0))
    whole.names(look(1, (ONE, 10)), 1)
    assert whole.names(look(2, (ONE, 10), free=MARGIN_BYTES - 1), 1) == ()
    assert whole.names(look(3, (ONE, 10)), 1) == ()
    assert whole.names(look(4, (ONE, 10)), 1) == ()


def test_a_file_that_appeared_while_nobody_looked_and_the_disk_could_be_full_never_counts() -> None:
    some = 2 * MARGIN_BYTES
    assert some < (LATE_SECONDS + 1) * FASTEST_FILLING
    whole = Whole(look(0, free=some))
    for at in (LATE_SECONDS + 1, LATE_SECONDS + 2, LATE_SECONDS + 3):
        assert whole.names(look(at, (ONE, 10), free=some), 1) == ()
    whole.names(look(LATE_SECONDS + 4, (ONE, 10), (TWO, 10), free=some), 2)
    assert whole.names(look(LATE_SECONDS + 5, (ONE, 10), (TWO, 10), free=some), 2) == (TWO,)


def test_a_late_look_vouches_for_a_disk_that_nothing_fills_so_fast() -> None:
    whole = Whole(look(0))
    whole.names(look(LATE_SECONDS + 5, (ONE, 10)), 1)
    assert whole.names(look(LATE_SECONDS + 6, (ONE, 10)), 1) == (ONE,)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    steps=st.lists(st.integers(0, 3), max_size=30),
    lag=st.integers(0, 2),
)
def test_no_half_file_ever_counts(sizes: list[int], steps: list[int], lag: int) -> None:
    """A writer that writes one file after the other, reports each at its end, and is stopped anywhere."""
    names = [f"{position:016x}" for position in range(len(sizes))]
    whole, written = Whole(look(0)), 0
    for at, step in enumerate(steps, start=1):
        written += step
        left, files, ended = written, [], 0
        for name, size in zip(names, sizes, strict=True):
            if left <= 0:
                break
            files.append((name, min(left, size)))
            ended += left >= size
            left -= size
        counted = whole.names(look(at, *files), max(0, ended - lag))
        assert set(counted) <= {name for (name, now), size in zip(files, sizes, strict=False) if now == size}


class Disk:
    """Free space that the test sets."""

    def __init__(self, free: int = PLENTY) -> None:
        self.free = free

    def __call__(self, folder: Path) -> int:
        return self.free


def opened(cache: EngineCache, name: str = "lease", size: int = 100) -> CacheSession:
    session = cache.open(name, "b11434", size)
    assert session is not None
    return session


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "weights").iterdir()}


def test_what_was_kept_is_given_to_the_next_worker(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, free_bytes=Disk())
    first = opened(cache)
    (first.folder / "rpc" / ONE).write_bytes(b"weights")
    cache.keep(first.folder / "rpc" / ONE)
    cache.close(first.folder)
    assert not first.folder.exists()
    assert kept(tmp_path) == {f"{ONE}.7"}
    second = opened(EngineCache(tmp_path, free_bytes=Disk()))
    assert (second.folder / "rpc" / ONE).read_bytes() == b"weights"
    assert cache.look(second.folder, frozenset({ONE})).files == {}


@pytest.mark.parametrize("content", [b"wei", b"", b"weights and more"])
def test_a_file_of_another_size_is_dropped(tmp_path: Path, content: bytes) -> None:
    cache = EngineCache(tmp_path, free_bytes=Disk())
    opened(cache)
    (tmp_path / "weights" / f"{ONE}.7").write_bytes(content)
    (tmp_path / "weights" / "notes.txt").write_bytes(content)
    assert not any((opened(cache, "other").folder / "rpc").iterdir())
    assert kept(tmp_path) == set()


def test_what_a_dead_node_left_is_never_believed(tmp_path: Path) -> None:
    left = opened(EngineCache(tmp_path, free_bytes=Disk()))
    (left.folder / "rpc" / ONE).write_bytes(b"half")
    cache = EngineCache(tmp_path, free_bytes=Disk())
    session = opened(cache, "next")
    assert not left.folder.exists()
    assert not any((session.folder / "rpc").iterdir())
    opened(cache, "third")
    assert session.folder.exists()


def test_what_a_dead_node_left_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    left = opened(EngineCache(tmp_path, free_bytes=Disk()))
    (left.folder / "rpc" / ONE).write_bytes(b"half")
    cache = EngineCache(tmp_path, free_bytes=Disk())
    cache.refresh()
    assert not left.folder.exists()
    session = opened(cache)
    cache.refresh()
    assert session.folder.exists()


def test_the_oldest_go_first(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, limit_bytes=25, free_bytes=Disk())
    session = opened(cache, size=20)
    for age, name in enumerate((TWO, ONE, THREE)):
        path = session.folder / "rpc" / name
        path.write_bytes(bytes(10))
        os.utime(path, (1000 + age, 1000 + age))
        cache.keep(path)
    cache.close(session.folder)
    assert kept(tmp_path) == {f"{ONE}.10", f"{THREE}.10"}


def test_the_disk_is_not_filled(tmp_path: Path) -> None:
    disk = Disk()
    cache = EngineCache(tmp_path, free_bytes=disk)
    session = opened(cache)
    (session.folder / "rpc" / ONE).write_bytes(b"weights")
    cache.keep(session.folder / "rpc" / ONE)
    cache.close(session.folder)
    disk.free = RESERVE_BYTES + 99
    assert cache.open("lease", "b11434", 100) is None
    assert kept(tmp_path) == {f"{ONE}.7"}
    disk.free = RESERVE_BYTES - 1
    assert cache.open("lease", "b11434", 1) is None
    assert kept(tmp_path) == set()


def test_a_share_larger_than_the_limit_and_a_refused_build_are_not_kept(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, limit_bytes=100, free_bytes=Disk())
    assert cache.open("lease", "b1", 101) is None
    cache.refuse("b1")
    assert cache.open("lease", "b1", 1) is None
    assert cache.open("lease", "b2", 1) is not None


def test_a_folder_that_cannot_be_made_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert EngineCache(tmp_path / "file", free_bytes=Disk()).open("lease", "b1", 1) is None


def test_a_disk_without_hard_links_has_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert EngineCache(tmp_path, free_bytes=Disk()).open("lease", "b1", 1) is None


async def until_there(path: Path) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(path.exists):
            await asyncio.sleep(0.01)


async def test_a_running_worker_is_followed(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, free_bytes=Disk())
    session = await asyncio.to_thread(opened, cache)
    session.begin(period=0.01)
    await asyncio.to_thread((session.folder / "rpc" / ONE).write_bytes, b"weights")
    await asyncio.to_thread((session.folder / "rpc" / TWO).write_bytes, b"half")
    session.heard("Accepted client connection")
    session.heard(SAVED)
    await until_there(tmp_path / "weights" / f"{ONE}.7")
    await session.close()
    assert await asyncio.to_thread(kept, tmp_path) == {f"{ONE}.7"}


def the_part(count: int, last: int = 0) -> ModelPart:
    return ModelPart(
        model_id=ModelId("camel"), model_bytes=99, first_layer=0, last_layer=last, holds_output=False, large_bytes=count
    )


def with_kept(folder: Path, disk: Disk) -> EngineCache:
    """A cache with a file, and a part that is all of it."""
    cache = EngineCache(folder, free_bytes=disk)
    session = opened(cache)
    (session.folder / "rpc" / ONE).write_bytes(b"weights")
    cache.keep(session.folder / "rpc" / ONE)
    cache.loaded(the_part(7), 100, frozenset({f"{ONE}.7"}), frozenset())
    cache.close(session.folder)
    cache.refresh()
    return cache


def test_a_part_is_told_until_a_file_of_it_is_gone(tmp_path: Path) -> None:
    with_kept(tmp_path, Disk())
    cache = EngineCache(tmp_path, free_bytes=Disk())
    assert cache.kept("b1") == ()
    cache.refresh()
    assert cache.kept("b1") == (the_part(7),)
    (tmp_path / "weights" / f"{ONE}.7").unlink()
    cache.refresh()
    assert cache.kept("b1") == ()
    again = EngineCache(tmp_path, free_bytes=Disk())
    again.refresh()
    assert again.kept("b1") == ()


def test_a_folder_that_is_deleted_is_noticed_and_none_is_made_for_a_look(tmp_path: Path) -> None:
    cache = with_kept(tmp_path / "engine", Disk())
    assert cache.kept("b1") == (the_part(7),)
    shutil.rmtree(tmp_path / "engine")
    cache.refresh()
    assert cache.kept("b1") == ()
    assert not (tmp_path / "engine").exists()


def test_a_part_is_told_only_while_a_worker_would_get_it(tmp_path: Path) -> None:
    disk = Disk()
    cache = with_kept(tmp_path, disk)
    disk.free = RESERVE_BYTES + 99
    cache.refresh()
    assert cache.kept("b1") == ()
    disk.free = RESERVE_BYTES - 1
    cache.refresh()
    assert cache.kept("b1") is None
    disk.free = RESERVE_BYTES + 100
    cache.refresh()
    assert cache.kept("b1") == (the_part(7),)
    cache.refuse("b1")
    assert cache.kept("b1") is None


def test_what_went_for_room_is_no_longer_told(tmp_path: Path) -> None:
    disk = Disk()
    cache = with_kept(tmp_path, disk)
    disk.free = RESERVE_BYTES - 1
    assert cache.open("next", "b1", 1) is None
    disk.free = PLENTY
    assert kept(tmp_path) == set()
    assert cache.kept("b1") == ()


def test_who_wants_no_cache_has_none_on_the_disk(tmp_path: Path) -> None:
    cache = with_kept(tmp_path / "kept", Disk())
    running = opened(cache)
    cache.clear()
    assert (kept(tmp_path / "kept"), cache.kept("b1")) == (set(), ())
    assert (running.folder / "rpc" / ONE).read_bytes() == b"weights"
    cache.close(running.folder)
    assert not running.folder.exists()
    EngineCache(tmp_path / "never", free_bytes=Disk()).clear()
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("content", [b"{", b'{"parts": [{}]}', b"[]"])
def test_a_damaged_memory_of_parts_costs_a_load_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    with_kept(tmp_path, Disk())
    (tmp_path / "parts.json").write_bytes(content)
    cache = EngineCache(tmp_path, free_bytes=Disk())
    cache.refresh()
    assert cache.kept("b1") == ()
    assert kept(tmp_path) == {f"{ONE}.7"}


@pytest.mark.parametrize("reports", [1, 2, 3])
async def test_a_part_is_told_once_it_is_ready_and_all_that_was_saved_is_kept(tmp_path: Path, reports: int) -> None:
    """Fewer reports than files: one is still written. More: one could not be written."""
    cache = EngineCache(tmp_path, free_bytes=Disk())
    session = await asyncio.to_thread(opened, cache)
    ready = asyncio.Event()
    session.begin(period=0.01, load=Load(the_part(14), 100, ready.is_set))
    for name in (ONE, TWO):
        await asyncio.to_thread((session.folder / "rpc" / name).write_bytes, b"weights")
    for _ in range(reports):
        session.heard(SAVED)
    await until_there(tmp_path / "weights" / f"{ONE}.7")
    await a_while(100)
    await asyncio.to_thread(cache.refresh)
    assert cache.kept("b1") == ()
    ready.set()
    if reports == 2:
        await until(lambda: cache.kept("b1"))
    else:
        await a_while(300)
    await session.close()
    assert cache.kept("b1") == ((the_part(14),) if reports == 2 else ())
