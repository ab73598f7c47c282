"""What a node must know of itself before it plans and launches, and how long it is waited for."""

import asyncio
import itertools

import pytest

from app.node.bus import Bus
from app.node.known import is_cluster_known, unknown, until_cluster_known, until_known
from app.schema.cluster import MemberInfo
from app.schema.engine import EngineStatus
from app.schema.errors import EngineMissing, NodeNotRunning, NodeStarting
from app.schema.event import CatalogueChanged, EngineChanged, Event, LoadSampled, MembersChanged, PeerChanged
from app.schema.hardware import LoadSample
from app.schema.node import CatalogueStatus, NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.record import NodeId
from tests.unit.node.test_idle import FIRST, OWN

NO_ENGINE = EngineStatus(problem=EngineMissing("STUDY has no engine.").info())
SCANNED = CatalogueChanged(catalogue=CatalogueStatus(revision=1))
LOOKED = EngineChanged(engine=NO_ENGINE)
SAMPLED = LoadSampled(load=LoadSample(at=1.0, cpu_load=0.0, ram_free_bytes=1, ram_used_bytes=1))

OTHER = NodeId("b" * 64)
MEMBERS = MembersChanged(
    members=tuple(
        MemberInfo(node=node, name=name, short_name=name) for node, name in ((OWN, "STUDY"), (OTHER, "ATTIC"))
    )
)
CONNECTING = Peer(node=OTHER, name="ATTIC", reachability=Reachability.CONNECTING)
REPORT = PeerReport(node=NodeInfo(id=OTHER, name="ATTIC", version="1", started_at=1.0))
ANSWERED = CONNECTING.model_copy(update={"reachability": Reachability.ALIVE, "report": REPORT})
FAILED = CONNECTING.model_copy(update={"problem": "ATTIC does not answer."})


def bus_after(*events: Event) -> Bus:
    bus = Bus(FIRST)
    for event in events:
        bus.publish(event)
    return bus


def after(*events: Event) -> Status:
    return bus_after(*events).status


def test_what_is_missing_is_named() -> None:
    assert "models" in (unknown(FIRST) or "")
    assert "engine" in (unknown(after(SCANNED, SAMPLED)) or "")
    assert "memory" in (unknown(after(SCANNED, LOOKED)) or "")
    assert unknown(after(SCANNED, LOOKED, SAMPLED)) is None, "an engine that is known to be missing is known"


def test_a_later_look_at_the_folders_makes_nothing_unknown() -> None:
    again = CatalogueChanged(catalogue=CatalogueStatus(revision=1, scanning=True))
    assert unknown(after(SCANNED, LOOKED, SAMPLED, again)) is None


async def test_it_is_waited_for_in_any_order() -> None:
    for order in itertools.permutations((SCANNED, LOOKED, SAMPLED, MEMBERS)):
        bus = Bus(FIRST)
        waiting = asyncio.create_task(until_known(bus, 5.0))
        for event in order:
            await asyncio.sleep(0)
            assert not waiting.done()
            bus.publish(event)
        await waiting


async def test_what_never_becomes_known_is_said() -> None:
    bus = Bus(FIRST)
    bus.publish(SCANNED)
    with pytest.raises(NodeStarting, match="just started on STUDY: its engine is still being looked for"):
        await until_known(bus, 0.01)


async def test_a_node_that_ends_is_not_waited_for() -> None:
    bus = Bus(FIRST)
    waiting = asyncio.create_task(until_known(bus, 5.0))
    await asyncio.sleep(0)
    bus.close()
    with pytest.raises(NodeNotRunning):
        await waiting


def test_a_cluster_is_known_once_everybody_was_asked() -> None:
    assert not is_cluster_known(FIRST), "who belongs to it has not been told yet"
    assert is_cluster_known(after(MEMBERS)), "nobody else was told of"
    assert not is_cluster_known(after(PeerChanged(peer=CONNECTING), MEMBERS))
    for asked in (ANSWERED, FAILED):
        assert is_cluster_known(after(PeerChanged(peer=asked), MEMBERS))


async def test_the_other_pcs_are_waited_for() -> None:
    bus = bus_after(SCANNED, LOOKED, SAMPLED, PeerChanged(peer=CONNECTING), MEMBERS)
    waiting = asyncio.create_task(until_known(bus, 60.0))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    bus.publish(PeerChanged(peer=ANSWERED))
    await waiting


async def test_the_other_pcs_are_not_waited_for_in_vain() -> None:
    bus = bus_after(SCANNED, LOOKED, SAMPLED, PeerChanged(peer=CONNECTING), MEMBERS)
    await until_cluster_known(bus, 0.01)
    await until_known(bus, 0.01)
