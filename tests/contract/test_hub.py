"""A model of the hub from search to launch: a real node, the command line, and a hub on this PC."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from app.client import NodeClient
from app.schema.download import Download, DownloadPhase, DownloadRequest, HubSort
from app.schema.errors import GatedRepository, ModelInUse, ModelNotFound, ModelNotOurs, RepositoryNotFound
from app.schema.instance import InstanceState, LaunchRequest
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import ModelId
from app.system.paths import Paths
from app.system.program import own_command
from app.system.spawn import start_child
from tests.contract.programs import RunningNode, caravan, caravan_json, start_node
from tests.fakes.model_hub import ModelHub

NAME = "caravan/Demo-GGUF"
ASKED = PlanRequest(model_id=ModelId("-"))
SECRET = "hf_never_in_a_log"


@pytest_asyncio.fixture(loop_scope="module")
async def served(demo_model: Path) -> AsyncIterator[ModelHub]:
    data = await asyncio.to_thread(demo_model.read_bytes)
    async with ModelHub().serving() as hub:
        hub.add(NAME, {"Demo-Q4_K_M.gguf": data, "README.md": b"A demo."}, downloads=9)
        hub.add("caravan/Gated-GGUF", {"Gated-Q8_0.gguf": data}, gated=True)
        hub.manner.token = SECRET
        yield hub


@contextlib.asynccontextmanager
async def node_asking(served: ModelHub, data_dir: Path, **more: str) -> AsyncIterator[tuple[RunningNode, NodeClient]]:
    node = await start_node(data_dir, {"CARAVAN_HUB_MIRROR": served.address, "HF_TOKEN": "", **more})
    try:
        async with NodeClient(Paths.under(data_dir)) as client:
            yield node, client
    finally:
        await node.stop()


async def until(client: NodeClient, reached: Callable[[Download], bool]) -> Download:
    async with asyncio.timeout(60), contextlib.aclosing(client.watch()) as statuses:
        async for status in statuses:
            if status.downloads and reached(status.downloads[-1]):
                return status.downloads[-1]
    raise AssertionError("the node ended")


async def test_search_look_plan_download_launch_and_delete(served: ModelHub, tmp_path: Path) -> None:
    async with node_asking(served, tmp_path / "Jörgs Daten") as (_, client):
        (found,) = await client.hub.search("demo", HubSort.DOWNLOADS)
        assert (found.repository, found.downloads, found.gated) == (NAME, 9, False)
        repository = await client.hub.repository(f"https://huggingface.co/{NAME}/tree/main")
        (file,) = repository.files
        assert (file.recommended, file.here, repository.chosen) == (True, False, None)
        wanted = DownloadRequest(repository=NAME, file=file.name)
        async with asyncio.timeout(60):
            while (await client.status()).engine.build is None:
                await asyncio.sleep(0.1)
        before = await client.hub.plan(wanted, ASKED)
        assert isinstance(before, Plan), before
        started = await client.hub.download(wanted)
        done = await until(client, lambda each: each.id == started.id and each.phase is DownloadPhase.DONE)
        assert done.model_id == "Demo-Q4_K_M"
        after = await client.plan(PlanRequest(model_id=done.model_id))
        assert isinstance(after, Plan)
        assert [stage.total_bytes for stage in before.stages] == [stage.total_bytes for stage in after.stages]
        assert (await client.hub.repository(NAME)).files[0].here

        instance = await client.launch(LaunchRequest(plan=after))
        async with asyncio.timeout(60):
            while (await client.instance(instance)).state is not InstanceState.READY:
                await asyncio.sleep(0.1)
        with pytest.raises(ModelInUse):
            await client.hub.remove_model(done.model_id)
        await client.stop(instance)
        async with asyncio.timeout(60):
            while (await client.instance(instance)).state is not InstanceState.STOPPED:
                await asyncio.sleep(0.1)
        await client.hub.remove_model(done.model_id)
        assert not Path(str(done.path)).exists()
        assert not Path(str(done.path)).parent.exists()
        assert (await client.status()).downloads == ()
        with pytest.raises(ModelNotOurs):
            await client.hub.remove_model(ModelId("caravan-demo"))
        with pytest.raises(ModelNotFound):
            await client.hub.remove_model(done.model_id)


async def test_a_model_far_too_large_is_refused_before_it_is_downloaded(served: ModelHub, tmp_path: Path) -> None:
    async with node_asking(served, tmp_path) as (_, client):
        async with asyncio.timeout(60):
            while (await client.status()).load is None or (await client.status()).engine.build is None:
                await asyncio.sleep(0.1)
        huge = PlanRequest(model_id=ModelId("-"), context=1 << 24, slots=64)
        refused = await client.hub.plan(DownloadRequest(repository=NAME, file="Q4_K_M"), huge)
        assert isinstance(refused, Refusal)
        assert served.sent < 8 << 20


async def test_a_node_that_is_killed_goes_on_where_it_was(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.01
    async with node_asking(served, tmp_path) as (node, client):
        started = await client.hub.download(DownloadRequest(repository=NAME, file="Q4_K_M"))
        await until(client, lambda each: each.bytes_done > 1_000_000)
        psutil.Process(node.child.pid).kill()
        await node.child.wait()
    (tmp_path / "node.json").unlink(missing_ok=True)
    served.manner.pause = 0.0
    async with node_asking(served, tmp_path) as (_, client):
        done = await until(client, lambda each: each.phase is DownloadPhase.DONE)
        assert done.id == started.id
    first = int(served.downloads()[-1].headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert first >= 1_000_000


async def test_a_gated_repository_and_a_token_typed_once(served: ModelHub, tmp_path: Path) -> None:
    wanted = DownloadRequest(repository="caravan/Gated-GGUF", file="Q8_0")
    async with node_asking(served, tmp_path) as (_, client):
        assert (await client.hub.repository(wanted.repository)).model.gated
        with pytest.raises(GatedRepository) as caught:
            await client.hub.plan(wanted, ASKED)
        assert "caravan models token" in caught.value.hint
        with pytest.raises(RepositoryNotFound):
            await client.hub.repository("nobody/nothing")
        access = await client.hub.keep_token(SECRET)
        assert access.token is not None
        await client.hub.download(wanted)
        assert (await until(client, lambda each: each.path is not None)).phase is DownloadPhase.DONE
        assert SECRET not in (await client.status()).model_dump_json()
    assert all("authorization" not in each.headers for each in served.downloads())
    logs = [path.read_text("utf-8") for path in (tmp_path / "logs").glob("*.log")]
    assert logs
    assert not any(SECRET in text for text in logs)


async def interrupted(*arguments: str, data_dir: Path, hub: ModelHub) -> tuple[int, list[str]]:
    """Run a command, press Ctrl-C when it follows the download and bytes are there; returns its exit code and lines.

    The hub sends next to nothing from then on: what a busy machine is slow to pause must not be whole before.
    """
    lines: list[str] = []
    child = await start_child(
        own_command("--data-dir", str(data_dir), *arguments), on_line=lambda _, line: lines.append(line)
    )
    async with asyncio.timeout(120):
        while not (
            any("downloading" in line for line in lines)
            and any(part.stat().st_size for part in (data_dir / "models").rglob("*.part"))
        ):
            await asyncio.sleep(0.02)
        hub.manner.pause = 60.0
        psutil.Process(child.pid).send_signal(signal.SIGINT)
        return await child.wait(), lines


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one program there")
async def test_the_command_line_from_search_to_delete(served: ModelHub, tmp_path: Path) -> None:
    served.manner.pause = 0.03
    async with node_asking(served, tmp_path):
        found = await caravan_json("models", "search", "demo", data_dir=tmp_path)
        assert [each["repository"] for each in found] == [NAME]
        gated = await caravan("models", "show", "caravan/Gated-GGUF", data_dir=tmp_path)
        assert "Gated-Q8_0" in gated.stdout
        assert "accepted its terms" in gated.stdout
        shown = await caravan("models", "show", f"hf.co/{NAME}", data_dir=tmp_path)
        assert shown.returncode == 0, shown
        assert "Q4_K_M" in shown.stdout
        assert "good balance" in shown.stdout
        assert "yes, here" in shown.stdout
        code, lines = await interrupted("models", "get", NAME, data_dir=tmp_path, hub=served)
        assert code == 130, lines
        assert any(line.startswith("Paused at") for line in lines)
        assert f"caravan models get {NAME}" in lines[-1]
        (paused,) = await caravan_json("models", "downloads", data_dir=tmp_path)
        assert paused["phase"] == "paused"
        served.manner.pause = 0.0
        done = await caravan_json("models", "get", f"{NAME}:q4_k_m", data_dir=tmp_path)
        assert (done["id"], done["phase"], done["model_id"]) == (paused["id"], "done", "Demo-Q4_K_M")
        assert served.downloads()[-1].headers["range"] != "bytes=0-"
        listed = json.loads((await caravan("models", "--json", data_dir=tmp_path)).stdout)
        assert {each["id"] for each in listed} == {"caravan-demo", "Demo-Q4_K_M"}
        unasked = await caravan("models", "remove", "Demo-Q4_K_M", data_dir=tmp_path)
        assert (unasked.returncode, "--yes" in unasked.stderr) == (1, True)
        assert (await caravan("models", "remove", "demo-q4_k_m", "--yes", data_dir=tmp_path)).returncode == 0
        assert await caravan_json("models", "downloads", data_dir=tmp_path) == []
        missing = await caravan("models", "get", f"{NAME}:Q2_K", data_dir=tmp_path)
        assert (missing.returncode, "It has Q4_K_M." in missing.stderr) == (1, True)
