"""What the engine's room does by itself."""

import asyncio
from pathlib import Path

import pytest

from app.instances import engine_cache
from app.node import engine_room
from app.node.engine_room import EngineRoom
from app.node.excesses import Excesses
from app.node.settings import SettingsStore
from app.schema.settings import Settings
from app.system.logs import Secrets
from app.system.paths import Paths


class Pc:
    """A PC that keeps one tensor."""

    def __init__(self, folder: Path) -> None:
        paths = Paths.under(folder)
        self.tensor = paths.kept_weights / "weights" / f"{'0' * 16}.4"
        self.tensor.parent.mkdir(parents=True)
        self.tensor.write_bytes(b"kept")
        self.settings = SettingsStore(paths.settings)
        excesses = Excesses(paths.cache / "memory.json")
        nothing = (lambda: None, lambda: None, lambda _: False)
        self.room = EngineRoom("PC", paths, self.settings, Secrets(), *nothing, excesses)

    async def has_kept(self) -> bool:
        return await asyncio.to_thread(self.tensor.exists)


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
