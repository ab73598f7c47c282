"""One order of changes; a mirror that applies deltas equals the status; a slow reader is told to start again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.node.bus import Bus, Closed, Overflowed
from app.schema.download import Download, DownloadFigures, DownloadId, DownloadPhase
from app.schema.event import (
    CatalogueChanged,
    DownloadChanged,
    DownloadForgotten,
    DownloadProgressed,
    Event,
    LoadSampled,
    PeerChanged,
    WarningsChanged,
)
from app.schema.hardware import LoadSample
from app.schema.node import CatalogueStatus, Delta, HealthWarning, NodeInfo, Peer, Reachability, Status
from app.schema.record import NodeId

FIRST = Status(node=NodeInfo(id=NodeId("0" * 64), name="WORKSHOP", version="1", started_at=0.0))

DOWNLOADS = st.sampled_from([DownloadId("a"), DownloadId("b")])

events = st.one_of(
    st.builds(
        DownloadChanged,
        download=st.builds(
            Download,
            id=DOWNLOADS,
            repository=st.just("owner/name"),
            revision=st.just("0" * 40),
            name=st.just("model"),
            bytes_total=st.just(9),
            phase=st.sampled_from(DownloadPhase),
        ),
    ),
    st.builds(DownloadProgressed, figures=st.builds(DownloadFigures, id=DOWNLOADS, bytes_done=st.integers(0, 9))),
    st.builds(DownloadForgotten, id=DOWNLOADS),
    st.builds(
        PeerChanged,
        peer=st.builds(
            Peer, address=st.sampled_from(["127.0.0.1:1", "127.0.0.1:2"]), reachability=st.sampled_from(Reachability)
        ),
    ),
    st.builds(CatalogueChanged, catalogue=st.builds(CatalogueStatus, models=st.integers(0, 3))),
    st.builds(
        WarningsChanged, warnings=st.tuples(st.builds(HealthWarning, code=st.just("x"), sentence=st.text(max_size=3)))
    ),
    st.builds(
        LoadSampled,
        load=st.builds(
            LoadSample,
            at=st.floats(0, 9),
            cpu_load=st.floats(0, 1),
            ram_free_bytes=st.just(1),
            ram_used_bytes=st.just(2),
        ),
    ),
)


@given(st.lists(events, max_size=30))
async def test_a_mirror_that_applies_every_delta_equals_the_status(published: list[Event]) -> None:
    bus = Bus(FIRST)
    with bus.subscribe() as subscription:
        mirror = subscription.snapshot
        for event in published:
            bus.publish(event)
        bus.close()
        while mirror.seq < bus.status.seq:
            delta = await subscription.next()
            # as it arrives at a client: through JSON and back
            mirror = Delta.model_validate_json(delta.model_dump_json()).apply(mirror)
        with pytest.raises(Closed):
            await subscription.next()
    assert mirror == bus.status


async def test_a_step_of_one_download_carries_its_figures_only() -> None:
    bus = Bus(FIRST)
    for name in ("a", "b"):
        download = Download(
            id=DownloadId(name),
            repository="owner/name",
            revision="0" * 40,
            name="model",
            bytes_total=100,
            phase=DownloadPhase.DOWNLOADING,
        )
        bus.publish(DownloadChanged(download=download))
    with bus.subscribe() as reader:
        bus.publish(DownloadProgressed(figures=DownloadFigures(id=DownloadId("b"), bytes_done=40, rate=2.0)))
        told = await reader.next()
    assert told.figures is not None
    assert (told.changed, told.download) == ({}, None)
    assert [each.bytes_done for each in bus.status.downloads] == [0, 40]
    assert len(bus.story()) == 2


async def test_an_event_that_changes_nothing_gets_no_number() -> None:
    bus = Bus(FIRST)
    bus.publish(CatalogueChanged(catalogue=CatalogueStatus()))
    assert bus.status.seq == 0


async def test_a_slow_reader_is_told_and_others_are_not_disturbed() -> None:
    bus = Bus(FIRST)
    with bus.subscribe(size=2) as slow, bus.subscribe() as quick:
        for models in range(1, 5):
            bus.publish(CatalogueChanged(catalogue=CatalogueStatus(models=models)))
        with pytest.raises(Overflowed):
            await slow.next()
        assert [(await quick.next()).seq for _ in range(4)] == [1, 2, 3, 4]


def test_a_gap_is_refused() -> None:
    bus = Bus(FIRST)
    for models in (1, 2):
        bus.publish(CatalogueChanged(catalogue=CatalogueStatus(models=models)))
    with pytest.raises(ValueError, match="does not follow"):
        Delta(seq=2, event="catalogue_changed", changed={}).apply(FIRST)


async def test_the_story_keeps_events_but_no_load_samples() -> None:
    bus = Bus(FIRST, clock=lambda: 7.0)
    bus.publish(LoadSampled(load=LoadSample(at=1.0, cpu_load=0.5, ram_free_bytes=1, ram_used_bytes=1)))
    bus.publish(CatalogueChanged(catalogue=CatalogueStatus(models=1)))
    assert [(each.seq, each.at, each.event.type) for each in bus.story()] == [(2, 7.0, "catalogue_changed")]


async def test_the_story_keeps_what_a_heartbeat_or_a_step_of_progress_changes_and_no_more() -> None:
    bus = Bus(FIRST)
    peer = Peer(node=NodeId("1"), name="P", reachability=Reachability.CONNECTING)
    for reachability in (Reachability.ALIVE, Reachability.ALIVE, Reachability.LOST):
        for round_trip in range(50):
            beat = peer.model_copy(update={"reachability": reachability, "round_trip": float(round_trip)})
            bus.publish(PeerChanged(peer=beat))
    assert [each.event.peer.reachability for each in bus.story() if isinstance(each.event, PeerChanged)] == [
        Reachability.ALIVE,
        Reachability.LOST,
    ]


async def test_a_heartbeat_of_one_of_many_peers_carries_only_that_one() -> None:
    bus = Bus(FIRST)
    for number in range(32):
        bus.publish(PeerChanged(peer=Peer(node=NodeId(f"{number}"), name="P", reachability=Reachability.ALIVE)))
    with bus.subscribe() as subscription:
        bus.publish(PeerChanged(peer=Peer(node=NodeId("7"), name="P", reachability=Reachability.LOST)))
        told = await subscription.next()
    assert len(told.model_dump_json()) < 1000
    assert told.apply(subscription.snapshot) == bus.status


async def test_after_the_end_a_new_reader_ends_at_once() -> None:
    bus = Bus(FIRST)
    bus.close()
    with bus.subscribe() as subscription, pytest.raises(Closed):
        await subscription.next()
