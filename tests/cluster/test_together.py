"""What two PCs of a cluster do for each other, and which troubles they bear: one cluster for all tests."""

import time

import pytest

from app.schema.instance import InstanceState
from app.schema.node import Reachability
from tests.cluster.bed import Bed
from tests.cluster.pcs import MODEL, Pc, launched

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

HOSTS = PCS = ("a", "b")


@pytest.fixture(autouse=True)
def _no_leftovers() -> None:
    """Programs of the PCs come and go; what is left at the end of the module fails its bed."""


async def test_a_launch_and_a_stop_from_a_pc_that_is_not_the_head(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b = pcs
    await b.until(lambda status: any(peer.report and peer.report.catalogue_revision for peer in status.peers))
    ready = await b.call("launch", model_id=MODEL, head=a.id, pcs=2)
    assert ready["head"] == a.id
    assert (await b.ask())["text"]
    assert await b.call("stop", instance=ready["id"]) == InstanceState.STOPPED


async def test_who_leaves_a_stream_early_frees_the_model(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b = pcs
    await launched(a, b)
    pace = (await b.ask(tokens=20, ignore_eos=True))["tokens_per_second"]
    await b.ask(tokens=900, ignore_eos=True, leave_after=3)
    began = time.monotonic()
    assert (await b.ask(tokens=5))["text"]
    assert time.monotonic() - began < 450 / pace + 2


async def test_twenty_percent_loss_removes_nobody(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b = pcs
    await bed["b"].drop(percent=20)
    with pytest.raises(AssertionError):
        await a.until(lambda _: a.sees(b, Reachability.LOST), 8)


async def test_paused_sharing_is_told_and_ends_with_the_pause(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b = pcs
    await b.call("share", sharing=False)
    await a.until(lambda _: (peer := a.peer(b)) is not None and peer.report is not None and not peer.report.sharing)
    answer = await a.call("plan", model_id=MODEL, pcs=2)
    assert answer["kind"] == "refusal"
    assert f"Sharing is paused on {b.name}" in str(answer)
    await b.call("share", sharing=True)
    await a.until(lambda _: (peer := a.peer(b)) is not None and peer.report is not None and peer.report.sharing)
    await launched(a, b)


async def test_a_new_address_is_dialled(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b = pcs
    await bed["b"].add_address("10.77.0.99/24")
    await bed["b"].remove_address(f"{bed['b'].address}/24")
    await a.until(lambda _: (peer := a.peer(b)) is not None and peer.address == "10.77.0.99:52416")
    await a.until(lambda _: a.sees(b))
    await b.until(lambda _: b.sees(a))
