"""Three PCs with addresses of their own: find each other, trust each other by code, carry one model."""

import time
from pathlib import Path

import pytest

from app.schema.errors import CaravanError
from app.schema.instance import InstanceState
from app.schema.node import Reachability
from tests.cluster.bed import Bed
from tests.cluster.pcs import MODEL, Pc, as_cluster, lan_of


def strangers(pc: Pc) -> int:
    """How many PCs this one sees on the network."""
    assert pc.status is not None
    return len(pc.status.seen)


async def test_they_see_each_other_and_notice_who_goes(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        for pc in (a, b, c):
            await pc.until(lambda _, pc=pc: strangers(pc) == 2)
            await pc.audit()
        await as_cluster((a, b, c))
        await c.end()
        # Sooner than heartbeats tell: it said goodbye.
        await a.until(lambda _: a.sees(c, Reachability.LOST), 5)
        await b.cut_power()
        await a.until(lambda _: a.sees(b, Reachability.LOST), 20)


async def test_one_model_over_three_pcs_and_a_chat_from_any(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await a.joined_by(b)
        # Through a member that did not begin the cluster: all trust it nevertheless.
        await b.joined_by(c)
        await a.until(lambda _: a.sees(c))
        await c.until(lambda _: c.sees(a))
        await a.until(lambda _: a.is_ready_with((b, c)))
        split = await a.call("launch", model_id=MODEL, pcs=3)
        assert split["state"] == InstanceState.READY, split
        assert {stage["node"] for stage in split["plan"]["stages"]} == {a.id, b.id, c.id}
        for pc in (a, b, c):
            await pc.audit()
        answers = [await pc.ask() for pc in (a, b, c)]
        assert len({answer["text"] for answer in answers}) == 1
        await a.call("stop", instance=split["id"])
        await a.call("launch", model_id=MODEL, pcs=1)
        single = await a.ask()
        assert single["text"] == answers[0]["text"]
        assert "Caravan" in single["text"]


async def test_a_worker_that_loses_power_is_named_and_the_rest_goes_on(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await as_cluster((a, b, c))
        ready = await a.call("launch", model_id=MODEL, pcs=3)
        await c.cut_power()
        await a.until(lambda status: status.instances[0].state is InstanceState.FAILED)
        assert a.status is not None
        error = a.status.instances[0].error
        assert error is not None
        assert c.name in error.sentence
        assert ready["id"] == a.status.instances[0].id
        await a.until(lambda _: a.sees(c, Reachability.LOST))
        again = await a.call("launch", model_id=MODEL, pcs=2)
        assert again["state"] == InstanceState.READY
        assert (await b.ask())["text"]


async def test_a_removed_pc_is_cut_off_everywhere_at_once(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await as_cluster((a, b, c))
        began = time.monotonic()
        await a.call("remove", node=c.id)
        await a.until(lambda _: a.peer(c) is None)
        await b.until(lambda _: b.peer(c) is None)
        await c.until(lambda status: not status.peers)
        assert time.monotonic() - began < 10
        assert c.status is not None
        assert any(warning.code == "removed_from_cluster" for warning in c.status.warnings), c.status.warnings
        old = c.id
        await c.call("leave")
        await c.until(lambda status: status.node.id != old)
        await b.joined_by(c)
        await a.until(lambda _: a.sees(c))


async def test_without_mdns_a_typed_address_works_and_is_remembered(lan: Bed, tmp_path: Path) -> None:
    for name in ("a", "b"):
        await lan[name].drop(match="udp dport 5353")
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await a.joined_by(b, address=lan["a"].address)
        assert strangers(a) == strangers(b) == 0
        await b.end()
        await b.start()
        await b.until(lambda _: b.sees(a))


async def test_a_wrong_code_is_told_on_both_sides(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        shown = await a.call("invite")
        wrong = f"{(int(shown['code']) + 1) % 10**6:06d}"
        b.secrets.add(wrong)
        await b.call("join", code=wrong)
        await b.until(lambda status: status.join is not None and status.join.state == "failed")
        assert b.status is not None
        assert b.status.join is not None
        assert b.status.join.error is not None
        assert "code" in b.status.join.error.sentence
        await a.until(lambda status: status.invitation is not None and status.invitation.tries_left == 2)
        with pytest.raises(CaravanError):
            await b.call("join", code="12")
        await a.call("end_invitation")
        await a.until(lambda status: status.invitation is None)
        await a.audit()
