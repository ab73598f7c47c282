"""What the engine's room does by itself."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from app.instances import engine_cache
from app.instances.head import HeadPlace
from app.node import engine_room
from app.node.engine_room import EngineRoom
from app.node.excesses import Excesses
from app.node.settings import SettingsStore
from app.schema.engine import EngineBuild
from app.schema.errors import EngineMismatch
from app.schema.record import InstanceId
from app.schema.settings import Settings
from app.system.logs import Secrets
from app.system.paths import Paths
from tests.unit.instances.plans import plan


class Pc:
    """A PC that keeps one tensor."""

    def __init__(self, folder: Path) -> None:
        paths = Paths.under(folder)
        self.tensor = paths.kept_weights / "weights" / f"{'0' * 16}.4"
        self.tensor.parent.mkdir(parents=True)
        self.tensor.write_bytes(b"kept")
        self.settings = SettingsStore(paths.settings)
        excesses = Excesses(paths.cache / "memory.json")
        self.build: EngineBuild | None = None
        self.room = EngineRoom(
            "PC", paths, self.settings, Secrets(), lambda: self.build, lambda: None, lambda _: False, excesses
        )

    async def has_kept(self) -> bool:
        return await asyncio.to_thread(self.tensor.exists)


async def test_a_head_is_not_made_for_workers_of_another_build(tmp_path: Path) -> None:
    """As when an install ended on either PC while the launch went on."""
    pc = await asyncio.to_thread(Pc, tmp_path)
    pc.build = EngineBuild(
        server="llama-server", worker=None, source="path", build=1, commit="c", version_text="", flags=frozenset()
    )
    place = HeadPlace(InstanceId("i"), plan(), "/m.gguf", None, {}, (), lambda _: None)
    for engines in ({}, {"ATTIC": "b1-c"}):
        assert await pc.room.check_memory(replace(place, worker_engines=engines)) is None
    other = replace(place, worker_engines={"ATTIC": "b1-c", "BARN": "b2-c"})
    with pytest.raises(EngineMismatch, match=re.escape("BARN is llama.cpp b2-c, PC has b1-c")):
        await pc.room.check_memory(other)
    with pytest.raises(EngineMismatch):
        await pc.room.make_head(other, ())


async def test_kept_weights_go_when_the_setting_is_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_room, "KEPT_SECONDS", 0.01)
    monkeypatch.setattr(engine_cache, "_free_bytes", lambda _: 1 << 40)
    pc = await asyncio.to_thread(Pc, tmp_path)
    watching = asyncio.create_task(pc.room.watch_kept())
    await asyncio.sleep(0.2)
    assert await pc.has_kept()
    await asyncio.to_thread(pc.settings.replace, Settings(engine_cache=False))
    async with asyncio.timeout(30):
        while await pc.has_kept():
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.wait([watching])
