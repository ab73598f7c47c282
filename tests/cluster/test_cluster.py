"""Three PCs with addresses of their own: find each other, trust each other by code, carry one model."""

import asyncio
import time
from pathlib import Path

import pytest

from app.schema.errors import CaravanError
from app.schema.instance import InstanceState
from app.schema.node import Reachability
from tests.cluster.bed import Bed
from tests.cluster.pcs import MODEL, PROMPT, Pc, as_cluster, lan_of


def strangers(pc: Pc) -> int:
    """How many PCs this one sees on the network."""
    assert pc.status is not None
    return len(pc.status.seen)


async def test_they_see_each_other_and_notice_who_goes(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        for pc in (a, b, c):
            assert await pc.until(lambda _, pc=pc: strangers(pc) == 2, 3) < 3
            await pc.audit()
        await as_cluster((a, b, c))
        await c.end()
        assert await a.until(lambda _: a.sees(c, Reachability.LOST), 2) < 2
        await b.cut_power()
        assert await a.until(lambda _: a.sees(b, Reachability.LOST), 10) < 10


async def test_one_model_over_three_pcs_and_a_chat_from_any(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await a.joined_by(b)
        # Through a member that did not begin the cluster: all trust it nevertheless.
        await b.joined_by(c)
        await a.until(lambda _: a.sees(c), 10)
        await c.until(lambda _: c.sees(a), 10)
        await a.until(lambda _: a.is_ready_with((b, c)), 30)
        split = await a.call("launch", model_id=MODEL, pcs=3)
        assert split["state"] == InstanceState.READY, split
        assert {stage["node"] for stage in split["plan"]["stages"]} == {a.id, b.id, c.id}
        for pc in (a, b, c):
            await pc.audit()
        answers = [await pc.call("chat", prompt=PROMPT) for pc in (a, b, c)]
        assert len({answer["text"] for answer in answers}) == 1
        await a.call("stop", instance=split["id"])
        await a.call("launch", model_id=MODEL, pcs=1)
        single = await a.call("chat", prompt=PROMPT)
        assert single["text"] == answers[0]["text"]
        assert "Caravan" in single["text"]


async def test_a_launch_and_a_stop_from_a_pc_that_is_not_the_head(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        await b.until(lambda status: any(peer.report and peer.report.catalogue_revision for peer in status.peers), 10)
        ready = await b.call("launch", model_id=MODEL, head=a.id, pcs=2)
        assert ready["head"] == a.id
        assert (await b.call("chat", prompt=PROMPT))["text"]
        assert await b.call("stop", instance=ready["id"]) == InstanceState.STOPPED


async def test_who_leaves_a_stream_early_frees_the_model(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        await a.call("launch", model_id=MODEL, pcs=2)
        await b.call("chat", prompt=PROMPT, tokens=400, leave_after=3)
        began = time.monotonic()
        assert (await b.call("chat", prompt=PROMPT, tokens=5))["text"]
        assert time.monotonic() - began < 5


async def test_a_worker_that_loses_power_is_named_and_the_rest_goes_on(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await as_cluster((a, b, c))
        ready = await a.call("launch", model_id=MODEL, pcs=3)
        await c.cut_power()
        await a.until(lambda status: status.instances[0].state is InstanceState.FAILED, 15)
        assert a.status is not None
        error = a.status.instances[0].error
        assert error is not None
        assert c.name in error.sentence
        assert ready["id"] == a.status.instances[0].id
        await a.until(lambda _: a.sees(c, Reachability.LOST), 10)
        again = await a.call("launch", model_id=MODEL, pcs=2)
        assert again["state"] == InstanceState.READY
        assert (await b.call("chat", prompt=PROMPT))["text"]


async def test_a_silent_partition_loses_both_sides_and_heals(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        await lan.partition(["b"])
        took = await asyncio.gather(
            a.until(lambda _: a.sees(b, Reachability.LOST), 12), b.until(lambda _: b.sees(a, Reachability.LOST), 12)
        )
        assert max(took) < 12
        await lan.heal()
        await asyncio.gather(a.until(lambda _: a.sees(b), 15), b.until(lambda _: b.sees(a), 15))


async def test_loss_and_a_short_stall_remove_nobody(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        await lan["b"].drop(percent=20)
        lost = asyncio.create_task(a.until(lambda _: a.sees(b, Reachability.LOST), 8))
        with pytest.raises(AssertionError):
            await lost
        await lan.heal()


async def test_a_removed_pc_is_cut_off_everywhere_at_once(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await as_cluster((a, b, c))
        began = time.monotonic()
        await a.call("remove", node=c.id)
        await a.until(lambda _: a.peer(c) is None, 2)
        await b.until(lambda _: b.peer(c) is None, 2)
        await c.until(lambda status: not status.peers, 5)
        assert time.monotonic() - began < 5
        assert c.status is not None
        assert any(warning.code == "removed_from_cluster" for warning in c.status.warnings), c.status.warnings
        old = c.id
        await c.call("leave")
        await c.until(lambda status: status.node.id != old, 20)
        await b.joined_by(c)
        await a.until(lambda _: a.sees(c), 10)


async def test_without_mdns_a_typed_address_works_and_is_remembered(lan: Bed, tmp_path: Path) -> None:
    for name in ("a", "b"):
        await lan[name].drop(match="udp dport 5353")
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await a.joined_by(b, address=lan["a"].address)
        assert strangers(a) == strangers(b) == 0
        await b.end()
        await b.start()
        await b.until(lambda _: b.sees(a), 15)


async def test_paused_sharing_and_a_second_head_are_told_with_the_owners_name(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        await b.call("share", sharing=False)
        await a.until(lambda _: (peer := a.peer(b)) is not None and peer.report is not None and not peer.report.sharing)
        answer = await a.call("plan", model_id=MODEL, pcs=2)
        assert answer["kind"] == "refusal"
        assert f"Sharing is paused on {b.name}" in str(answer)
        await b.call("share", sharing=True)
        await a.until(lambda _: (peer := a.peer(b)) is not None and peer.report is not None and peer.report.sharing)
        assert (await a.call("launch", model_id=MODEL, pcs=2))["state"] == InstanceState.READY


async def test_a_new_address_is_dialled(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        await lan["b"].add_address("10.77.0.99/24")
        await lan["b"].remove_address(f"{lan['b'].address}/24")
        await a.until(lambda _: (peer := a.peer(b)) is not None and peer.address != f"{lan['b'].address}:52416", 30)
        await a.until(lambda _: a.sees(b), 30)


async def test_a_wrong_code_is_told_on_both_sides(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        shown = await a.call("invite")
        wrong = f"{(int(shown['code']) + 1) % 10**6:06d}"
        b.secrets.add(wrong)
        await b.call("join", code=wrong)
        await b.until(lambda status: status.join is not None and status.join.state == "failed", 20)
        assert b.status is not None
        assert b.status.join is not None
        assert b.status.join.error is not None
        assert "code" in b.status.join.error.sentence
        await a.until(lambda status: status.invitation is not None and status.invitation.tries_left == 2, 5)
        with pytest.raises(CaravanError):
            await b.call("join", code="12")
        await a.call("end_invitation")
        await a.until(lambda status: status.invitation is None, 5)
        await a.audit()
