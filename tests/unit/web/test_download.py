"""A download that is cut, cancelled, resumed, cheated or out of room."""

import asyncio
import contextlib
import hashlib
import sys
from pathlib import Path

import pytest

from app.engine.release import Asset
from app.engine.release_site import release_site, target_of
from app.schema.errors import DiskUnusable, DownloadFailed, RateLimited, WrongDigest
from app.web.asking import web_client
from app.web.download import Downloader, Target
from tests.fakes.release_site import ReleaseSite

PLAIN = "llama-b1.zip"
DATA = hashlib.shake_128(b"content").digest(700_000)


class Fetch:
    """One download from a site into a folder, with what it told."""

    def __init__(self, site: ReleaseSite, folder: Path, digest: str | None = None) -> None:
        self.site = site
        self.folder = folder
        self.told: list[int] = []
        self.reached = asyncio.Event()
        self.goal = len(DATA)
        sha256 = digest or hashlib.sha256(DATA).hexdigest()
        self.target = Target(PLAIN, f"{site.address}/download/{PLAIN}", len(DATA), sha256)

    def progress(self, done: int) -> None:
        self.told.append(done)
        if done >= self.goal:
            self.reached.set()

    async def run(self, tries: int = 3) -> Path:
        site = release_site(self.site.address)
        async with web_client(site) as client:
            downloader = Downloader(client, site, self.folder, (0.0,) * tries)
            return await downloader.fetch(self.target, self.progress)

    async def run_until(self, done: int) -> None:
        """Cancel it when so many bytes are there."""
        self.goal = done
        running = asyncio.create_task(self.run())
        await self.reached.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    @property
    def part(self) -> Path:
        return self.folder / f"{PLAIN}.part"


def site() -> contextlib.AbstractAsyncContextManager[ReleaseSite]:
    return ReleaseSite("b1", {PLAIN: DATA}).serving()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_arrives_whole(tmp_path: Path) -> None:
    async with site() as served:
        fetch = Fetch(served, tmp_path)
        path = await fetch.run()
    assert path.read_bytes() == DATA
    assert names(tmp_path) == [PLAIN]
    assert fetch.told == sorted(fetch.told)
    assert fetch.told[-1] == len(DATA)


async def test_a_whole_file_is_not_asked_for_again(tmp_path: Path) -> None:
    async with site() as served:
        await Fetch(served, tmp_path).run()
        await Fetch(served, tmp_path).run()
        assert len(served.downloads()) == 1


async def test_a_whole_file_with_other_content_is_replaced(tmp_path: Path) -> None:
    (tmp_path / PLAIN).write_bytes(b"something else")
    async with site() as served:
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA


async def test_a_cancelled_download_goes_on_where_it_was(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        first = Fetch(served, tmp_path)
        await first.run_until(200_000)
        kept = first.part.stat().st_size
        assert 200_000 <= kept < len(DATA)
        second = Fetch(served, tmp_path)
        assert (await second.run()).read_bytes() == DATA
        asked = served.downloads()[-1].headers
        assert asked["range"] == f"bytes={kept}-"
        assert asked["if-range"] == '"one"'
        assert second.told[0] == kept
    assert names(tmp_path) == [PLAIN]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
async def test_resuming_needs_no_etag(tmp_path: Path, etag: str | None) -> None:
    async with site() as served:
        served.manner.etag, served.manner.cut_after = etag, 300_000
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA
        assert all("if-range" not in each.headers for each in served.downloads())


async def test_a_server_that_cannot_resume_sends_all_again(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        await Fetch(served, tmp_path).run_until(200_000)
        served.manner.ranges, served.manner.pause = False, 0.0
        again = Fetch(served, tmp_path)
        assert (await again.run()).read_bytes() == DATA
        assert again.told[0] == 0


async def test_a_file_that_changed_at_the_server_is_begun_anew(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        await Fetch(served, tmp_path).run_until(200_000)
        served.manner.etag, served.manner.pause = '"two"', 0.0
        again = Fetch(served, tmp_path)
        assert (await again.run()).read_bytes() == DATA
        assert again.told[0] == 0


async def test_a_cut_body_is_continued(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.cut_after = 300_000
        assert (await Fetch(served, tmp_path).run(tries=1)).read_bytes() == DATA
        ranges = [each.headers.get("range") for each in served.downloads()]
        assert ranges == [None, "bytes=300000-", "bytes=600000-"]


async def test_a_body_that_never_comes_ends_and_is_told(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.cut_after = 10_000
        fetch = Fetch(served, tmp_path)
        with pytest.raises(DownloadFailed, match=r"broke|stopped"):
            await fetch.run(tries=3)
        assert len(served.downloads()) == 4
        assert fetch.part.stat().st_size == 40_000


async def test_a_part_of_something_else_is_dropped(tmp_path: Path) -> None:
    (tmp_path / f"{PLAIN}.part").write_bytes(b"x" * 1000)
    async with site() as served:
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA
        assert "range" not in served.downloads()[0].headers


async def test_a_spoilt_part_is_noticed_and_all_is_fetched_again(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        fetch = Fetch(served, tmp_path)
        await fetch.run_until(200_000)
        fetch.part.write_bytes(bytes(fetch.part.stat().st_size))
        served.manner.pause = 0.0
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA


async def test_a_part_that_is_whole_needs_no_request(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        fetch = Fetch(served, tmp_path)
        await fetch.run_until(100_000)
        fetch.part.write_bytes(DATA)
        before = len(served.downloads())
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA
        assert len(served.downloads()) == before


async def test_a_part_that_is_too_long_is_begun_anew(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        fetch = Fetch(served, tmp_path)
        await fetch.run_until(100_000)
        fetch.part.write_bytes(DATA + b"more")
        served.manner.pause = 0.0
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA


async def test_wrong_content_is_deleted_and_told(tmp_path: Path) -> None:
    async with site() as served:
        with pytest.raises(WrongDigest, match="SHA-256"):
            await Fetch(served, tmp_path, digest="0" * 64).run()
        assert len(served.downloads()) == 1
    assert names(tmp_path) == []


async def test_a_file_that_is_longer_than_told_is_not_read_on(tmp_path: Path) -> None:
    async with site() as served:
        served.files[PLAIN] = DATA * 2
        with pytest.raises(DownloadFailed, match="longer"):
            await Fetch(served, tmp_path).run()


async def test_a_rate_limit_at_the_file_keeps_the_part(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.pause = 0.002
        fetch = Fetch(served, tmp_path)
        await fetch.run_until(200_000)
        kept = fetch.part.stat().st_size
        served.manner.file_status, served.manner.headers = 429, {"retry-after": "60"}
        with pytest.raises(RateLimited):
            await Fetch(served, tmp_path).run()
        assert fetch.part.stat().st_size == kept


@pytest.mark.parametrize("status", [500, 503, 416])
async def test_a_passing_error_passes(tmp_path: Path, status: int) -> None:
    async with site() as served:
        served.manner.file_status, served.manner.failures = status, 2
        assert (await Fetch(served, tmp_path).run()).read_bytes() == DATA


async def test_a_redirect_to_a_plain_address_is_not_followed(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.redirect_to = "http://example.org/evil.zip"
        with pytest.raises(DownloadFailed, match="https only"):
            await Fetch(served, tmp_path).run()


async def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    async with site() as served:
        served.manner.redirect_to = f"{served.address}/download/{PLAIN}"
        with pytest.raises(DownloadFailed, match="circles"):
            await Fetch(served, tmp_path).run()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / f"{PLAIN}.part.json").write_text(
        f'{{"size": {len(DATA)}, "sha256": "{hashlib.sha256(DATA).hexdigest()}"}}'
    )
    (tmp_path / f"{PLAIN}.part").symlink_to("/dev/full")
    async with site() as served:
        with pytest.raises(DiskUnusable, match="disk is full"):
            await Fetch(served, tmp_path).run()
    assert f"{PLAIN}.part" in names(tmp_path)


def test_an_asset_nobody_vouches_for_is_refused() -> None:
    with pytest.raises(WrongDigest, match="names no SHA-256"):
        target_of(Asset(name="a.zip", url="https://x", size=1))
