"""Downloads that are paused, cut, refused, doubled, restarted, cheated, and out of room."""

import asyncio
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.modelstore.hub.hub import Hub
from app.modelstore.hub.site import HubPlace
from app.modelstore.walk import ARRIVING, Walk
from app.node.bus import Bus
from app.node.downloads import shelf
from app.node.downloads.service import Downloads, DownloadTools
from app.schema.download import Download, DownloadPhase, DownloadRequest
from app.schema.errors import DiskUnusable, DownloadNotFound, HubFileNotFound, InputError, WrongDigest
from app.schema.node import NodeInfo, Status
from app.schema.record import ModelId, NodeId
from app.system.files import move
from tests.fakes.model_hub import ModelHub

NAME = "owner/Model-GGUF"
MODEL = hashlib.shake_128(b"model").digest(700_000)
EYE = hashlib.shake_128(b"eye").digest(50_000)
WANTED = DownloadRequest(repository=NAME, file="Q4_0")
ENDS = (DownloadPhase.DONE, DownloadPhase.FAILED, DownloadPhase.PAUSED, DownloadPhase.CANCELLED)


class Desk:
    """The service of one node: it can be started anew over the same folder."""

    def __init__(self, served: ModelHub, folder: Path) -> None:
        self.served = served
        self.models = folder / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.bus = Bus(Status(node=NodeInfo(id=NodeId("0" * 64), name="PC", version="1", started_at=0.0)))
        tools = DownloadTools(
            Hub(self._place, (0.0,)),
            self.models,
            folder / "downloads.json",
            self.bus.publish,
            self._found,
            patience=(0.05, 0.2),
            pauses=(0.0,),
        )
        self.downloads = Downloads(tools)

    async def _place(self) -> HubPlace:
        return HubPlace(self.served.address)

    async def _found(self, path: Path) -> ModelId | None:
        return ModelId(path.stem)

    @property
    def shown(self) -> Download:
        return self.bus.status.downloads[-1]

    async def until(self, reached: Callable[[Download], bool]) -> Download:
        async with asyncio.timeout(60):
            with self.bus.subscribe(size=100_000) as changes:
                while not (self.bus.status.downloads and reached(self.shown)):
                    await changes.next()
        return self.shown

    async def ended(self) -> Download:
        return await self.until(lambda each: each.phase in ENDS)

    def files(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.models).as_posix()) for path in self.models.rglob("*") if path.is_file()
        )


@contextlib.asynccontextmanager
async def desk(served: ModelHub, folder: Path) -> AsyncIterator[Desk]:
    found = Desk(served, folder)
    running = asyncio.create_task(found.downloads.run())
    try:
        yield found
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def served() -> AsyncIterator[ModelHub]:
    async with ModelHub().serving() as hub:
        hub.add(NAME, {"M-Q4_0.gguf": MODEL, "README.md": b"text"})
        yield hub


async def test_a_model_arrives_whole_in_its_folder(served: ModelHub, tmp_path: Path) -> None:
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        assert (started.phase, started.bytes_total) == (DownloadPhase.QUEUED, len(MODEL))
        done = await node.ended()
    assert (done.phase, done.bytes_done, done.model_id, done.error) == (DownloadPhase.DONE, len(MODEL), "M-Q4_0", None)
    assert done.path == str(node.models / "owner" / "Model-GGUF" / "M-Q4_0.gguf")
    assert Path(done.path).read_bytes() == MODEL
    assert node.files() == ["owner/Model-GGUF/M-Q4_0.gguf"]


async def test_parts_and_the_projector_arrive_as_one(served: ModelHub, tmp_path: Path) -> None:
    parts = {f"Q8_0/M-Q8_0-0000{number}-of-00003.gguf": MODEL[number:] for number in (1, 2, 3)}
    served.add(NAME, {**parts, "mmproj-F16.gguf": EYE})
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        await node.downloads.start(DownloadRequest(repository=NAME, file="Q8_0"))
        await node.until(lambda each: each.bytes_done > len(EYE) + len(MODEL))
        assert all(name.startswith(f"{ARRIVING}/") for name in node.files())
        assert await asyncio.to_thread(Walk().gguf_files, [node.models]) == []
        served.manner.pause = 0.0
        done = await node.ended()
    assert done.bytes_total == len(EYE) + sum(map(len, parts.values()))
    assert done.projector == "mmproj-F16.gguf"
    names = [f"owner/Model-GGUF/{name.removeprefix('Q8_0/')}" for name in parts]
    assert node.files() == [*names, "owner/Model-GGUF/mmproj-F16.gguf"]
    assert done.path is not None
    assert done.path.endswith("M-Q8_0-00001-of-00003.gguf")


async def test_a_projector_that_is_there_already_counts_as_arriving(served: ModelHub, tmp_path: Path) -> None:
    served.add(NAME, {"M-Q4_0.gguf": MODEL, "M-Q8_0.gguf": MODEL[::-1], "mmproj-F16.gguf": EYE})
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        eye = Path(str((await node.ended()).path)).with_name("mmproj-F16.gguf")
        assert not node.downloads.is_downloading(eye)
        served.manner.pause = 0.02
        second = await node.downloads.start(DownloadRequest(repository=NAME, file="Q8_0"))
        await node.until(lambda each: each.id == second.id and each.bytes_done > len(EYE))
        assert node.downloads.is_downloading(eye)
        served.manner.pause = 0.0
        await node.until(lambda each: each.id == second.id and each.phase is DownloadPhase.DONE)
        assert not node.downloads.is_downloading(eye)
    assert node.files() == [f"owner/Model-GGUF/{name}" for name in ("M-Q4_0.gguf", "M-Q8_0.gguf", "mmproj-F16.gguf")]


async def test_a_paused_download_goes_on_where_it_was(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        paused = await node.downloads.pause(started.id)
        assert (paused.phase, paused.rate, paused.error) == (DownloadPhase.PAUSED, None, None)
        part = node.models / ARRIVING / started.id / "M-Q4_0.gguf.part"
        kept = part.stat().st_size
        assert kept == paused.bytes_done
        await asyncio.sleep(0.1)
        assert part.stat().st_size == kept
        await node.downloads.resume(started.id)
        assert (await node.ended()).phase is DownloadPhase.DONE
    assert served.downloads()[-1].headers["range"] == f"bytes={kept}-"
    assert "if-range" not in served.downloads()[-1].headers


async def test_a_node_that_starts_anew_goes_on_by_itself(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
    async with desk(served, tmp_path) as again:
        first = await again.until(lambda each: each.bytes_done > 0)
        assert first.id == started.id
        assert first.bytes_done > 100_000
        assert (await again.ended()).phase is DownloadPhase.DONE
    assert any(each.headers.get("range", "bytes=0-") != "bytes=0-" for each in served.downloads())


async def test_a_paused_download_stays_paused_over_a_restart(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        paused = await node.downloads.pause(started.id)
    async with desk(served, tmp_path) as again:
        shown = await again.ended()
        assert (shown.phase, shown.bytes_done) == (DownloadPhase.PAUSED, paused.bytes_done)
        assert len(served.downloads()) == 1
        # asking for the same again is the wish to go on
        assert (await again.downloads.start(WANTED)).id == started.id
        await again.until(lambda each: each.phase is DownloadPhase.DONE)


async def test_a_cancelled_download_leaves_nothing(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        cancelled = await node.downloads.cancel(started.id)
        assert (cancelled.phase, cancelled.bytes_done) == (DownloadPhase.CANCELLED, 0)
        assert node.files() == []
        with pytest.raises(InputError):
            await node.downloads.resume(started.id)
        await node.downloads.forget(started.id)
        assert node.bus.status.downloads == ()
        with pytest.raises(DownloadNotFound):
            await node.downloads.pause(started.id)
    async with desk(served, tmp_path) as again:
        served.manner.pause = 0.0
        assert (await again.downloads.start(WANTED)).id != started.id
        assert (await again.ended()).phase is DownloadPhase.DONE


async def test_one_that_is_cancelled_while_its_files_are_moved_leaves_no_half_of_a_model(
    served: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a scanner holds a file that was just written."""
    parts = {f"M-Q8_0-0000{number}-of-00003.gguf": MODEL[number:] for number in (1, 2, 3)}
    served.add(NAME, parts)

    def slowly(source: Path, target: Path) -> None:
        time.sleep(0.3)
        move(source, target)

    monkeypatch.setattr(shelf, "move", slowly)
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(DownloadRequest(repository=NAME, file="Q8_0"))
        last = node.models / "owner" / "Model-GGUF" / "M-Q8_0-00003-of-00003.gguf"
        async with asyncio.timeout(60):
            while not last.exists():
                await asyncio.sleep(0.01)
        assert (await node.downloads.cancel(started.id)).phase is DownloadPhase.CANCELLED
        assert node.files() == [f"owner/Model-GGUF/{name}" for name in parts]


async def test_a_cut_connection_is_tried_again_by_itself(served: ModelHub, tmp_path: Path) -> None:
    served.manner.file_status, served.manner.failures = 503, 9
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        waiting = await node.until(lambda each: each.note is not None)
        assert waiting.phase is DownloadPhase.QUEUED
        assert waiting.note is not None
        assert "tries again in" in waiting.note
        assert waiting.error is None
        await node.downloads.resume(waiting.id)
        served.manner.failures = 0
        assert (await node.ended()).phase is DownloadPhase.DONE


async def test_a_limit_is_waited_for(served: ModelHub, tmp_path: Path) -> None:
    served.manner.file_status, served.manner.headers, served.manner.failures = 429, {"Retry-After": "1"}, 1
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        waiting = await node.until(lambda each: each.note is not None)
        assert waiting.note is not None
        assert waiting.note.endswith("Caravan tries again in 1 seconds.")
        assert (await node.ended()).phase is DownloadPhase.DONE


async def test_one_that_waits_does_not_keep_others_from_their_turn(served: ModelHub, tmp_path: Path) -> None:
    served.add("owner/Other-GGUF", {"O-Q4_0.gguf": EYE})
    served.manner.file_status, served.manner.headers, served.manner.failures = 429, {"Retry-After": "60"}, 1
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        await node.until(lambda each: each.note is not None)
        await node.downloads.start(DownloadRequest(repository="owner/Other-GGUF", file="Q4_0"))
        assert (await node.ended()).name == "O-Q4_0"


async def test_wrong_content_is_never_kept(served: ModelHub, tmp_path: Path) -> None:
    served.manner.wrong_content = True
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        failed = await node.ended()
        assert failed.phase is DownloadPhase.FAILED
        assert failed.error is not None
        assert (failed.error.code, failed.bytes_done) == ("wrong_digest", 0)
        assert node.files() == []
        served.manner.wrong_content = False
        await node.downloads.resume(started.id)
        assert (await node.until(lambda each: each.phase in ENDS and each.error is None)).phase is DownloadPhase.DONE


async def test_a_repository_that_is_gone_is_told_and_what_arrived_stays(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        await node.downloads.pause(started.id)
        del served.repositories[NAME]
        await node.downloads.resume(started.id)
        failed = await node.until(lambda each: each.error is not None)
        assert failed.error is not None
        assert failed.error.code == "repository_not_found"
        assert failed.bytes_done > 100_000


@pytest.mark.parametrize("is_same", [True, False])
async def test_a_commit_that_is_gone(served: ModelHub, tmp_path: Path, is_same: bool) -> None:
    """The same content at another commit is gone on with; other content is told."""
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        paused = await node.downloads.pause(started.id)
        served.repositories[NAME].commits.clear()
        served.add(NAME, {"M-Q4_0.gguf": MODEL if is_same else MODEL[::-1], "more.txt": b"1"})
        await node.downloads.resume(started.id)
        ended = await node.until(lambda each: each.phase in (DownloadPhase.DONE, DownloadPhase.FAILED))
    if is_same:
        assert (ended.phase, ended.revision) == (DownloadPhase.DONE, served.repositories[NAME].newest)
        assert served.downloads()[-1].headers["range"] == f"bytes={paused.bytes_done}-"
    else:
        assert ended.error is not None
        assert "was changed at the hub" in ended.error.sentence


async def test_a_new_commit_does_not_disturb_a_download_of_the_old_one(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        await node.downloads.pause(started.id)
        served.add(NAME, {"M-Q4_0.gguf": MODEL[::-1]})
        await node.downloads.resume(started.id)
        done = await node.until(lambda each: each.phase is DownloadPhase.DONE)
        assert (done.revision, Path(str(done.path)).read_bytes()) == (started.revision, MODEL)
        # the new one gets a folder of its own: nothing is overwritten
        await node.downloads.start(WANTED)
        other = await node.until(lambda each: each.phase is DownloadPhase.DONE and each.id != started.id)
    assert Path(str(other.path)).parent.name == other.revision[:8]
    assert Path(str(done.path)).read_bytes() == MODEL


async def test_the_same_file_twice_is_one_download(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.02
    async with desk(served, tmp_path) as node:
        links = (NAME, f"https://huggingface.co/{NAME}", f"hf.co/{NAME}")
        wanted = [DownloadRequest(repository=link, file="M-Q4_0") for link in links]
        started = await asyncio.gather(*(node.downloads.start(each) for each in wanted))
        assert len({each.id for each in started}) == 1
        assert (await node.ended()).phase is DownloadPhase.DONE
        assert (await node.downloads.start(WANTED)).phase is DownloadPhase.DONE
    assert len(served.downloads()) == 1


async def test_a_file_that_is_there_already_is_checked_and_not_fetched(served: ModelHub, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "owner" / "Model-GGUF"
    folder.mkdir(parents=True)
    (folder / "M-Q4_0.gguf").write_bytes(MODEL)
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        assert (await node.ended()).path == str(folder / "M-Q4_0.gguf")
    assert served.downloads() == []


async def test_a_deleted_model_can_be_had_again(served: ModelHub, tmp_path: Path) -> None:
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        done = await node.ended()
        Path(str(done.path)).unlink()
        again = await node.downloads.start(WANTED)
        assert again.id != done.id
        assert len(node.bus.status.downloads) == 1
        await node.ended()
        Path(str(node.shown.path)).unlink()
        await node.downloads.forget_deleted()
        assert node.bus.status.downloads == ()


async def test_a_models_folder_that_somebody_deleted_is_made_anew(served: ModelHub, tmp_path: Path) -> None:
    async with desk(served, tmp_path) as node:
        node.models.rmdir()
        await node.downloads.start(WANTED)
        assert (await node.ended()).phase is DownloadPhase.DONE
    assert node.files() == ["owner/Model-GGUF/M-Q4_0.gguf"]


async def test_a_models_folder_that_cannot_be_made_is_told(served: ModelHub, tmp_path: Path) -> None:
    async with desk(served, tmp_path) as node:
        node.models.rmdir()
        node.models.write_bytes(b"in the way")
        with pytest.raises(DiskUnusable, match="a file stands where a folder should be"):
            await node.downloads.start(WANTED)


async def test_too_little_room_is_told_before_anything_is_fetched(served: ModelHub, tmp_path: Path) -> None:
    served.manner.claimed_size = 1 << 49
    async with desk(served, tmp_path) as node:
        with pytest.raises(DiskUnusable, match="are free"):
            await node.downloads.start(WANTED)
        assert node.bus.status.downloads == ()
    assert served.downloads() == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
async def test_a_disk_that_fills_up_in_the_middle(served: ModelHub, tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with desk(served, tmp_path) as node:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        try:
            started = await node.downloads.start(WANTED)
            failed = await node.ended()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert failed.error is not None
        assert (failed.phase, failed.error.code, failed.bytes_done) == (DownloadPhase.FAILED, "disk_unusable", 300_000)
        await node.downloads.resume(started.id)
        assert (await node.until(lambda each: each.phase is DownloadPhase.DONE)).error is None
    assert served.downloads()[-1].headers["range"] == "bytes=300000-"


async def test_a_file_nobody_vouches_for_is_refused(served: ModelHub, tmp_path: Path) -> None:
    served.manner.digests = False
    async with desk(served, tmp_path) as node:
        with pytest.raises(WrongDigest, match="names no SHA-256"):
            await node.downloads.start(WANTED)


@pytest.mark.parametrize(("repository", "file", "error"), [(NAME, "Q2_K", HubFileNotFound), ("x", "Q4_0", InputError)])
async def test_what_is_not_there_is_told_at_once(
    served: ModelHub, tmp_path: Path, repository: str, file: str, error: type[Exception]
) -> None:
    async with desk(served, tmp_path) as node:
        with pytest.raises(error):
            await node.downloads.start(DownloadRequest(repository=repository, file=file))
        with pytest.raises(InputError, match="no revision"):
            await node.downloads.start(DownloadRequest(repository=NAME, file="Q4_0", revision="../x"))


@pytest.mark.parametrize("path", ["CON-Q4_0.gguf", "a:b|c-Q4_0.gguf", "nul.gguf", "..gguf"])
async def test_hostile_names_stay_in_the_folder(tmp_path: Path, path: str) -> None:
    async with ModelHub().serving() as served, desk(served, tmp_path / "data") as node:
        served.add("owner/CON", {path: MODEL})
        await node.downloads.start(DownloadRequest(repository="owner/CON", file=path))
        ended = await node.until(lambda each: each.phase in (*ENDS, DownloadPhase.QUEUED) and each.path is not None)
        assert Path(str(ended.path)).parent == node.models / "owner" / "_CON"
        assert len(node.files()) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data"]


async def test_a_path_out_of_the_repository_is_not_there(served: ModelHub, tmp_path: Path) -> None:
    served.add(NAME, {"../../../evil-Q4_0.gguf": MODEL, "./a-Q4_0.gguf": MODEL})
    async with desk(served, tmp_path) as node:
        with pytest.raises(HubFileNotFound):
            await node.downloads.start(WANTED)


async def test_where_nothing_arrives_there_is_no_rate(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.05
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        await node.until(lambda each: bool(each.rate))
        served.manner.pause = 60.0
        still = await node.until(lambda each: each.rate is None)
        assert (still.phase, still.seconds_left) == (DownloadPhase.DOWNLOADING, None)


async def test_a_damaged_list_is_begun_anew_and_stray_parts_are_cleared(served: ModelHub, tmp_path: Path) -> None:
    (tmp_path / "downloads.json").write_text("{]")
    stray = tmp_path / "models" / ARRIVING / "abc"
    stray.mkdir(parents=True)
    (stray / "x.part").write_bytes(b"1")
    async with desk(served, tmp_path) as node:
        await node.downloads.start(WANTED)
        assert (await node.ended()).phase is DownloadPhase.DONE
    assert not stray.exists()
    saved = json.loads((tmp_path / "downloads.json").read_text())
    assert [each["phase"] for each in saved["entries"]] == ["done"]


async def half_of_it(served: ModelHub, folder: Path) -> Download:
    """A download that was paused by a node that has ended since."""
    served.manner.pause = 0.02
    async with desk(served, folder) as node:
        started = await node.downloads.start(WANTED)
        await node.until(lambda each: each.bytes_done > 100_000)
        paused = await node.downloads.pause(started.id)
    served.manner.pause = 0.0
    return paused


async def test_an_entry_of_a_newer_version_loses_only_itself(served: ModelHub, tmp_path: Path) -> None:
    paused = await half_of_it(served, tmp_path)
    saved = json.loads((tmp_path / "downloads.json").read_text())
    saved["entries"] += [{**saved["entries"][0], "id": "newer", "phase": "unpacking"}, 7]
    saved["entries"][0]["of a newer version"] = True
    (tmp_path / "downloads.json").write_text(json.dumps(saved))
    async with desk(served, tmp_path) as again:
        shown = await again.ended()
    assert [each.id for each in again.bus.status.downloads] == [paused.id]
    assert shown.bytes_done == paused.bytes_done


async def test_a_list_that_cannot_be_read_loses_nothing(
    served: ModelHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read when it can be; one begun anew would be saved over it."""
    paused = await half_of_it(served, tmp_path)
    book = tmp_path / "downloads.json"
    book.rename(tmp_path / "list")
    book.mkdir()
    async with desk(served, tmp_path) as again:
        with pytest.raises(DiskUnusable, match=r"The list of downloads in .* cannot be read"):
            await again.downloads.start(WANTED)
        with pytest.raises(DiskUnusable):
            await again.downloads.resume(paused.id)
        book.rmdir()
        (tmp_path / "list").rename(book)
        assert (await again.ended()).bytes_done == paused.bytes_done
        await again.downloads.resume(paused.id)
        await again.until(lambda each: each.phase is DownloadPhase.DONE)
    assert caplog.text.count(str(book)) == 1


def size_of(part: Path) -> int:
    """What lies on the disk; a part that is gone has become the whole file."""
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return len(MODEL)


async def test_progress_is_what_lies_on_the_disk(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.03
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        part = node.models / ARRIVING / started.id / "M-Q4_0.gguf.part"
        told = []
        with node.bus.subscribe(size=100_000) as changes:
            while node.shown.phase not in ENDS:
                delta = await changes.next()
                if delta.figures is not None:
                    there = size_of(part)
                    told.append(delta.figures.bytes_done)
                    assert told[-1] <= there
    assert told == sorted(told)
    assert len(told) >= 2


async def test_pausing_and_resuming_in_haste_ends_as_the_last_wish(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.01
    async with desk(served, tmp_path) as node:
        started = await node.downloads.start(WANTED)
        for _ in range(5):
            await asyncio.gather(node.downloads.pause(started.id), return_exceptions=True)
            await node.downloads.resume(started.id)
            await asyncio.sleep(0.03)
        paused = await node.downloads.pause(started.id)
        before = len(served.downloads())
        await asyncio.sleep(0.2)
        assert (paused.phase, node.shown.phase) == (DownloadPhase.PAUSED, DownloadPhase.PAUSED)
        assert len(served.downloads()) == before
        await node.downloads.resume(started.id)
        assert (await node.until(lambda each: each.phase is DownloadPhase.DONE)).bytes_done == len(MODEL)
