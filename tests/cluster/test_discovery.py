"""Discovery with real mDNS between hosts: everything here goes over the wire."""

import asyncio
import hashlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.cluster.advert import hint_of
from app.schema.record import NodeId
from app.schema.sighting import Sighting
from app.system.spawn import Child
from tests.cluster.bed import Bed, Host, Listener

PAIRING_PORT = 52417
ANNOUNCE, LIFETIME = 1.1, 3.3
"""Seconds: the pace of these tests; a packet that repeats the last one within a second is passed over by zeroconf."""

LONG = 120.0
"""Seconds of a lifetime that no test reaches: what is forgotten sooner was not merely silent."""

PATIENCE = 40.0
"""Seconds until something counts as never coming: many times what it takes, on a PC that is busy with other work."""


def identity(name: str) -> NodeId:
    return NodeId(hashlib.sha256(name.encode()).hexdigest())


NODES = {name: identity(name) for name in "abc"}


class Seer:
    """A running `tests.cluster.discover`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.child: Child | None = None
        self.instance = ""
        self.sightings: tuple[Sighting, ...] = ()
        self.most = 0
        self.dialogs: list[bool] = []
        self.warnings: dict[str, str] = {}
        self.stats: dict[str, float] = {}
        self.noise: list[str] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, stream: str, line: str) -> None:
        if stream == "stderr":
            self.noise.append(line)
            return
        words = json.loads(line)
        self.instance = words.get("ready", self.instance)
        if "sightings" in words:
            self.sightings = tuple(Sighting.model_validate(each) for each in words["sightings"])
            self.most = max(self.most, len(self.sightings))
            if self.dialogs[-1:] != [self.sees_a_dialog]:
                self.dialogs.append(self.sees_a_dialog)
        if "warnings" in words:
            self.warnings = {each["code"]: each["sentence"] for each in words["warnings"]}
        if "memory" in words:
            self.stats = words
        task = asyncio.create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, what: Callable[["Seer"], Any], seconds: float = PATIENCE) -> float:
        """Wait until something is so; returns the seconds it took."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: what(self))
        except TimeoutError:
            pytest.fail(f"{self.host.name} after {seconds} s: {self.sightings} {self.warnings} {self.noise}")
        return time.monotonic() - began

    def addresses(self, node: NodeId) -> set[str]:
        return {address for each in self.sightings if each.node == node for address in each.addresses}

    @property
    def sees_a_dialog(self) -> bool:
        return any(each.pairing_port for each in self.sightings)

    def nodes(self) -> set[NodeId | None]:
        return {each.node for each in self.sightings}

    async def tell(self, text: str) -> None:
        assert self.child is not None
        await self.child.write_line(text)

    async def look(self) -> dict[str, float]:
        """Its figures: processor time of its loop's longest turn since the last look in seconds, memory in bytes."""
        self.stats = {}
        await self.tell("stats")
        await self.until(lambda it: it.stats)
        return self.stats

    async def stop(self) -> None:
        """As Ctrl-C; it must end by itself, cleanly and without a word of complaint."""
        assert self.child is not None
        assert await self.child.stop(grace=20) == 0, self.noise
        assert not [line for line in self.noise if "Error" in line or "Traceback" in line], self.noise


async def start(host: Host, node: str | None = None, lifetime: float = LIFETIME) -> Seer:
    seer = Seer(host)
    known = ("--known", *(NODES[each] for each in NODES if each != host.name))
    program = (sys.executable, "-m", "tests.cluster.discover", "--node", identity(node or host.name))
    pace = ("--announce", str(ANNOUNCE), "--lifetime", str(lifetime))
    seer.child = await host.start(*program, *pace, *known, on_line=seer.hear)
    await seer.until(lambda it: it.instance)
    return seer


@asynccontextmanager
async def running(bed: Bed, *names: str, lifetime: float = LIFETIME) -> AsyncIterator[list[Seer]]:
    """Discovery in these hosts, all of which know each other; stopped cleanly at the end."""
    seers = list(await asyncio.gather(*(start(bed[name], lifetime=lifetime) for name in names)))
    try:
        for seer in seers:
            others = {NODES[each.host.name] for each in seers if each is not seer}
            await seer.until(lambda it, others=others: others <= it.nodes())
        yield seers
    finally:
        for seer in seers:
            if seer.child is not None and seer.child.returncode is None:
                await seer.stop()


async def announce(host: Host, *options: str, deadline: float = 60) -> None:
    done = await host.run(sys.executable, "-m", "tests.cluster.announcer", host.address, *options, deadline=deadline)
    assert done.returncode == 0, done


def only_mdns(listener: Listener) -> bool:
    return listener.protocol == "udp" and listener.port == 5353


async def test_three_hosts_find_each_other_and_see_a_clean_stop(lan: Bed) -> None:
    seers = [await start(lan[name], lifetime=LONG) for name in "abc"]
    for seer in seers:
        others = {node for name, node in NODES.items() if name != seer.host.name}
        await seer.until(lambda it, others=others: it.nodes() == others)
        assert [each.port for each in seer.sightings] == [52416, 52416]
    assert seers[0].addresses(NODES["c"]) == {lan["c"].address}
    for host in lan.hosts.values():
        await host.audit(only_mdns)
    await seers[2].stop()
    for seer in seers[:2]:
        await seer.until(lambda it: NODES["c"] not in it.nodes())
    for seer in seers[:2]:
        assert not seer.warnings
        await seer.stop()


async def test_a_stranger_is_seen_without_an_identity_and_a_dialog_with_its_port(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        stranger = await start(lan["c"], node="stranger")
        await a.until(lambda it: None in it.nodes())
        await stranger.tell(f"pair {PAIRING_PORT}")
        dialog = [(None, PAIRING_PORT)]
        for seer in (a, b):
            await seer.until(lambda it: [(e.node, e.pairing_port) for e in it.sightings if e.pairing_port] == dialog)
        await stranger.tell("pair")
        await a.until(lambda it: not it.sees_a_dialog)
        await stranger.stop()


async def test_a_dialog_that_closed_is_not_announced_again(lan: Bed) -> None:
    async with running(lan, "a", "b", lifetime=LONG) as (a, b):
        for _ in range(2):
            await a.tell(f"pair {PAIRING_PORT}")
            await b.until(lambda it: it.sees_a_dialog)
            await a.tell("pair")
            await b.until(lambda it: not it.sees_a_dialog)
            # What was asked while it was open has been answered by then.
            await asyncio.sleep(1.5)
        assert b.dialogs == [False, True, False, True, False]


async def test_nobody_speaks_more_often_than_agreed(lan: Bed) -> None:
    async with running(lan, "a", "b"):
        # The introductions, three each, and the answers to the first questions are over.
        await asyncio.sleep(2.5)
        before, began = await lan["a"].packets_sent(), time.monotonic()
        await asyncio.sleep(4 * ANNOUNCE)
        sent, passed = await lan["a"].packets_sent() - before, time.monotonic() - began
        assert 1 <= sent <= passed / ANNOUNCE + 3, passed


async def test_a_host_without_power_is_forgotten_after_the_lifetime(lan: Bed) -> None:
    async with running(lan, "a", "b", lifetime=2 * LIFETIME) as (a, b):
        began = time.monotonic()
        await lan["b"].kill()
        await a.until(lambda it: not it.sightings)
        # The table's own rule: forgotten a lifetime after its last word, which a busy PC says late now and then.
        assert time.monotonic() - began > LIFETIME - ANNOUNCE
        assert b.child is not None
        assert b.child.returncode == -signal.SIGKILL


async def test_a_restarted_host_is_no_clone(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        await lan["b"].kill()
        again = await start(lan["b"])
        await a.until(lambda it: {each.instance for each in it.sightings} == {again.instance})
        assert again.instance != b.instance
        assert not a.warnings
        assert not again.warnings
        await again.stop()


async def test_the_same_key_on_two_hosts_is_told_to_all(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        clone = await start(lan["c"], node="b")
        for seer in (a, b, clone):
            await seer.until(lambda it: "same_key_on_two_pcs" in it.warnings)
        await a.until(lambda it: [each.is_doubled for each in it.sightings] == [True, True])
        assert not [each for each in b.sightings if each.node == NODES["b"]]
        await clone.stop()
        for seer in (a, b):
            await seer.until(lambda it: not it.warnings)


async def test_an_adapter_that_appears_is_used_and_one_that_goes_is_left(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        await lan["a"].add_adapter("tun9", "10.99.0.1/24")
        await lan["b"].add_adapter("tun9", "10.99.0.2/24")
        await a.until(lambda it: it.addresses(NODES["b"]) == {lan["b"].address, "10.99.0.2"})
        assert a.sightings[0].addresses[0] == lan["b"].address
        for name in "ab":
            await lan[name].remove_adapter("tun9")
        await a.until(lambda it: it.addresses(NODES["b"]) == {lan["b"].address})
        assert not a.warnings
        assert not b.warnings


async def test_a_changed_address_is_announced_at_once(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        await lan["b"].remove_address("10.77.0.2/24")
        await lan["b"].add_address("10.77.0.77/24")
        await a.until(lambda it: "10.77.0.77" in it.addresses(NODES["b"]))
        await a.until(lambda it: it.addresses(NODES["b"]) == {"10.77.0.77"})
        assert {each.instance for each in a.sightings} == {b.instance}


async def test_no_network_is_said_and_healed(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        await lan["b"].link(up=False)
        await b.until(lambda it: "discovery_no_network" in it.warnings)
        await a.until(lambda it: not it.sightings)
        await lan["b"].link(up=True)
        for seer in (a, b):
            await seer.until(lambda it: it.sightings and not it.warnings)


async def test_blocked_mdns_is_said_and_healed(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        await lan["b"].drop(match="udp dport 5353")
        await b.until(lambda it: "discovery_blocked" in it.warnings and not it.sightings)
        assert "5353" in b.warnings["discovery_blocked"]
        await lan["b"].heal()
        for seer in (a, b):
            await seer.until(lambda it: it.sightings and not it.warnings)


async def test_a_port_that_another_program_keeps_is_said_and_taken_when_free(lan: Bed) -> None:
    taken = asyncio.Event()
    hog = "import socket,sys; s=socket.socket(2,2); s.bind(('',5353)); print('mine',flush=True); sys.stdin.readline()"
    program = await lan["a"].start(sys.executable, "-c", hog, on_line=lambda *_: taken.set())
    await taken.wait()
    a, b = await start(lan["a"]), await start(lan["b"])
    await a.until(lambda it: "discovery_port_taken" in it.warnings)
    await program.write_line("")
    await program.wait()
    for seer in (a, b):
        await seer.until(lambda it: it.sightings and not it.warnings)
    for seer in (a, b):
        await seer.stop()


async def test_a_forged_announcement_only_adds_an_address(lan: Bed) -> None:
    async with running(lan, "a", "b") as (a, b):
        hint = hint_of(NODES["b"], b.instance)
        forged = ("--instance", b.instance, "--hint", hint, "--address", "10.77.0.66")
        await announce(lan["c"], *forged)
        await a.until(lambda it: it.addresses(NODES["b"]) == {lan["b"].address, "10.77.0.66"})
        await announce(lan["c"], *forged, "--port", "6666")
        await a.until(lambda it: {each.port for each in it.sightings} == {52416, 6666})
        assert {each.node for each in a.sightings} == {NODES["b"]}
        for elsewhere in ("127.0.0.1", "8.8.8.8", lan["a"].address, "10.77.0.255"):
            await announce(lan["c"], "--address", elsewhere)
        await a.until(lambda it: it.addresses(NODES["b"]) == {lan["b"].address})
        assert None not in a.nodes()
        assert not a.warnings
        assert not b.warnings


async def test_ten_thousand_false_services_are_borne(lan: Bed) -> None:
    # What overflows while the flood lasts is lost, whoever said it: the true peer must be heard once in a lifetime.
    async with running(lan, "a", "b", lifetime=12.0) as (a, b):
        before = await a.look()
        await announce(lan["c"], "--count", "10000")
        during = await a.look()
        assert a.most <= 64
        assert len(a.sightings) > 32, "the flood did not arrive"
        assert NODES["b"] in a.nodes()
        assert during["memory"] - before["memory"] < 60e6
        assert during["busy"] < 0.5
        await a.until(lambda it: it.nodes() == {NODES["b"]})
        assert b.sightings
