"""Asking a hub: what it finds, what a repository holds, the shape of a model that is still there."""

import asyncio
import contextlib
import socket
from pathlib import Path

import gguf
import pytest

from app.modelstore.gguf import read_shape
from app.modelstore.hub.files import find_file
from app.modelstore.hub.hub import Hub
from app.modelstore.hub.site import HubPlace
from app.schema.download import HubSort
from app.schema.errors import (
    DownloadFailed,
    DownloadInterrupted,
    GatedRepository,
    GgufHostile,
    GgufTruncated,
    HubFileNotFound,
    NotGguf,
    RateLimited,
    RepositoryNotFound,
)
from app.schema.model import ModelShape
from tests.fakes.model_hub import ModelHub
from tests.unit.modelstore.sample_files import add_key, add_tensor, block, model_keys, write_model

NAME = "owner/Model-GGUF"


def asking(served: ModelHub, token: str | None = None) -> Hub:
    async def place() -> HubPlace:
        return HubPlace(served.address, token)

    return Hub(place, pauses=(0.0, 0.0))


@pytest.fixture
def model(tmp_path: Path) -> bytes:
    return write_model(tmp_path / "model.gguf").read_bytes()


async def test_search_asks_for_gguf_files_in_the_wanted_order() -> None:
    async with ModelHub().serving() as served:
        served.add("a/first-GGUF", {}, downloads=5)
        served.add("b/second-GGUF", {}, downloads=50)
        served.add("c/other", {}, downloads=500)
        found = await asking(served).search("gguf", HubSort.DOWNLOADS, 10)
        assert [each.repository for each in found] == ["b/second-GGUF", "a/first-GGUF"]
        asked = served.asked[0].path
        assert "filter=gguf" in asked
        assert "sort=downloads" in asked
        assert "limit=10" in asked
        assert "expand=gated" in asked


async def test_a_repository_at_one_commit() -> None:
    async with ModelHub().serving() as served:
        old = served.add(NAME, {"M-Q4_0.gguf": b"old"}).newest
        new = served.add(NAME, {"M-Q4_0.gguf": b"newer", "mmproj-F16.gguf": b"eye", "README.md": b"text"}).newest
        now, before = await asking(served).look(NAME), await asking(served).look(NAME, old)
    assert (now.details.revision, before.details.revision) == (new, old)
    assert [(each.name, each.size_bytes) for each in now.files] == [("M-Q4_0", 5)]
    assert [each.name for each in now.projectors] == ["mmproj-F16"]
    assert before.files[0].size_bytes == 3


async def test_what_a_commit_holds_is_asked_once() -> None:
    async with ModelHub().serving() as served:
        commit = served.add(NAME, {"M-Q4_0.gguf": b"x"}).newest
        hub = asking(served)
        first = await hub.look(NAME)
        assert await hub.look(NAME, commit) == first
        assert len(served.asked) == 2
        await hub.look(NAME)
        assert len(served.asked) == 4


async def test_a_long_list_of_files_comes_in_pages() -> None:
    async with ModelHub().serving() as served:
        served.manner.page_length = 3
        served.add(NAME, {f"M{number}-Q4_0.gguf": b"x" for number in range(8)})
        assert len((await asking(served).look(NAME)).files) == 8


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b"{}", b'{"id": "a/b"}', b"[" * 9999, b"\xff"])
async def test_absurd_answers_are_told(body: bytes) -> None:
    async with ModelHub().serving() as served:
        served.manner.body = body
        with pytest.raises(DownloadFailed):
            await asking(served).look(NAME)
        with contextlib.suppress(DownloadFailed):
            assert await asking(served).search("x", HubSort.LIKES, 5) == ()


async def test_what_is_not_there_is_told() -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": b"x"})
        with pytest.raises(RepositoryNotFound, match="nobody/nothing"):
            await asking(served).look("nobody/nothing")
        with pytest.raises(HubFileNotFound, match="v9"):
            await asking(served).look(NAME, "v9")


async def test_limits_and_passing_errors() -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": b"x"})
        served.manner.api_status, served.manner.headers = 429, {"RateLimit": '"api";r=0;t=55'}
        with pytest.raises(RateLimited, match="only so often") as caught:
            await asking(served).look(NAME)
        assert caught.value.wait == 55.0
        assert len(served.asked) == 1
        served.manner.api_status, served.manner.failures = 502, 2
        assert (await asking(served).look(NAME)).files
        served.manner.failures = None
        with pytest.raises(DownloadInterrupted, match="status 502"):
            await asking(served).look(NAME)


async def test_nobody_answers() -> None:
    served = ModelHub()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        served.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(DownloadInterrupted, match="cannot be reached"):
        await asking(served).search("x", HubSort.LIKES, 5)


async def shape_of(served: ModelHub, wanted: str = "Q4_0", token: str | None = None) -> ModelShape:
    hub = asking(served, token)
    listing = await hub.look(NAME)
    return await hub.shape(NAME, listing.details.revision, find_file(listing.files, wanted))


async def test_the_shape_of_a_model_that_is_still_there(tmp_path: Path, model: bytes) -> None:
    (tmp_path / "local.gguf").write_bytes(model)
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": model + bytes(4 << 20)})
        assert await shape_of(served) == await asyncio.to_thread(read_shape, tmp_path / "local.gguf")


async def test_only_the_header_is_fetched_and_only_once(tmp_path: Path) -> None:
    vocabulary = [f"token {number}" for number in range(100_000)]
    whole = write_model(tmp_path / "m.gguf", extra_keys={"tokenizer.ggml.tokens": vocabulary}).read_bytes()
    async with ModelHub().serving() as served:
        served.manner.pause = 0.0005
        served.add(NAME, {"M-Q4_0.gguf": whole + bytes(64 << 20)})
        hub = asking(served)
        listing = await hub.look(NAME)
        for _ in range(2):
            shape = await hub.shape(NAME, listing.details.revision, listing.files[0])
        assert shape.vocabulary == 100_000
        assert len(served.downloads()) == 1
        assert len(whole) < served.sent < len(whole) + (16 << 20)


async def test_the_shape_of_a_split_model(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=12)
    for name, value in model_keys("llama", 4, attention__head_count=4).items():
        add_key(writer, name, value)
    for layer in range(4):
        for name, (dims, kind) in block(layer).items():
            add_tensor(writer, name, dims, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    parts = sorted(tmp_path.glob("*-of-*.gguf"))
    async with ModelHub().serving() as served:
        served.add(NAME, {f"Q4_0/{path.name}": path.read_bytes() for path in parts})
        found = await shape_of(served)
    assert found == await asyncio.to_thread(read_shape, parts[0])
    assert found.split_count == len(parts) > 1


async def test_what_is_no_model_is_told() -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": b"<html>" * 100_000})
        with pytest.raises(NotGguf):
            await shape_of(served)


async def test_a_file_that_is_too_short_for_its_weights_is_told(model: bytes) -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": model[:-5000]})
        with pytest.raises(GgufTruncated):
            await shape_of(served)


async def test_a_header_without_end_is_not_read_to_its_end() -> None:
    endless = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") + (1).to_bytes(8, "little")
    key = b"general.name"
    text = len(key).to_bytes(8, "little") + key + (8).to_bytes(4, "little") + (50 << 20).to_bytes(8, "little")
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": endless + text + bytes(60 << 20)})
        with pytest.raises(GgufHostile, match="larger than any"):
            await shape_of(served)
        assert served.sent < 20 << 20


async def test_a_header_that_is_cut_is_asked_for_again(model: bytes) -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": model})
        served.manner.cut_after = 300
        with pytest.raises(DownloadInterrupted):
            await shape_of(served)
        assert len(served.downloads()) == 3


async def test_gated_files_need_the_token_which_goes_to_the_hub_only(model: bytes) -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": model}, gated=True)
        served.manner.token = "hf_right"
        for token in (None, "hf_wrong"):
            with pytest.raises(GatedRepository):
                await shape_of(served, token=token)
        assert (await shape_of(served, token="hf_right")).layers == 4
        assert all("authorization" not in each.headers for each in served.downloads())
        assert served.asked[-2].headers["authorization"] == "Bearer hf_right"


async def test_a_hub_that_sends_elsewhere_over_plain_http_is_not_followed(model: bytes) -> None:
    async with ModelHub().serving() as served:
        served.add(NAME, {"M-Q4_0.gguf": model})
        served.manner.redirect_to = "http://example.org/evil.gguf"
        with pytest.raises(DownloadFailed, match="https only"):
            await shape_of(served)
