"""Faults of a LAN and of its PCs: three PCs that trust each other, a fourth for clones, and a stranger's host.

They live through all tests of this module: each must leave a cluster behind that works.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from app.cluster.link_service import LOOK_SECONDS, SILENT_LOOKS
from app.schema.errors import CaravanError
from app.schema.instance import InstanceState
from app.schema.node import Reachability
from app.system.spawn import run_short
from tests.cluster.bed import Bed, Host
from tests.cluster.conftest import make_well
from tests.cluster.knocking import knocking
from tests.cluster.pcs import PATIENCE, PEER, PROMPT, Pc, launched, over, until_all_know_all
from tests.fakes.fake_llama import write_programs

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

HOSTS, PCS = ("a", "b", "c", "d", "x"), ("a", "b", "c")


@pytest.fixture(autouse=True)
def _no_leftovers() -> None:
    """Programs of the PCs come and go; what is left at the end of the module fails its bed."""


async def _lost_during(pc: Pc, others: tuple[Pc, ...], seconds: float) -> list[str]:
    """Whom a PC loses within that time."""
    try:
        await pc.until(lambda _: any(pc.sees(each, Reachability.LOST) for each in others), seconds)
    except AssertionError:
        return []
    return [each.name for each in others if pc.sees(each, Reachability.LOST)]


def _state(pc: Pc, instance: str) -> InstanceState:
    assert pc.status is not None
    return next(each.state for each in pc.status.instances if each.id == instance)


async def test_one_way_loss_is_noticed_by_both_and_heals(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b, c = pcs
    await bed["b"].drop(incoming=True, outgoing=False, peers=[bed["a"].address])
    try:
        took = await asyncio.gather(
            a.until(lambda _: a.sees(b, Reachability.LOST)), b.until(lambda _: b.sees(a, Reachability.LOST))
        )
        print(f"one-way loss: noticed after {took[0]:.1f} s and {took[1]:.1f} s")  # noqa: T201
        assert c.sees(a)
        assert c.sees(b)
    finally:
        await bed["b"].heal()
    took = await asyncio.gather(a.until(lambda _: a.sees(b)), b.until(lambda _: b.sees(a)))
    print(f"and healed after {max(took):.1f} s")  # noqa: T201


async def test_a_pc_that_stands_still_for_four_seconds_is_not_lost_nor_is_the_model(
    bed: Bed, pcs: tuple[Pc, ...]
) -> None:
    a, b, c = pcs
    ready = await launched(a, b)
    frozen = await bed["b"].pids()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        lost = await asyncio.gather(_lost_during(a, (b,), 4.0), _lost_during(c, (b,), 4.0))
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert lost == [[], []]
    assert await _lost_during(a, (b,), 4.0) == []
    assert await _lost_during(b, (a, c), 1.0) == []
    assert _state(a, ready["id"]) is InstanceState.READY
    assert (await c.ask(tokens=8))["text"]


async def test_a_node_that_stood_still_does_not_take_its_link_for_dead(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b, _ = pcs
    link, node = await a.link_pid(), a.node
    assert node is not None
    os.kill(node.pid, signal.SIGSTOP)
    try:
        await b.until(lambda _: b.sees(a, Reachability.LOST))
        await asyncio.sleep(SILENT_LOOKS * LOOK_SECONDS)
    finally:
        os.kill(node.pid, signal.SIGCONT)
    await until_all_know_all(pcs)
    assert await a.link_pid() == link


async def linked_anew(a: Pc, b: Pc, victim: Pc, old: int) -> None:
    """Wait until the victim has another link process than before, and bytes pass between the two PCs through it.

    Heartbeats alone do not tell: a PC that was alive when its link was killed counts as alive until the next one.
    """
    async with asyncio.timeout(PATIENCE):
        while await victim.programs("tunnel") in ((), (old,)):
            await asyncio.sleep(0.1)
        while not await passes(a, b):
            await asyncio.sleep(0.1)
    await until_all_know_all((a, b))


async def passes(a: Pc, b: Pc) -> bool:
    """Whether bytes pass from one PC to another and back."""
    try:
        await a.call("measure", node=b.id)
    except CaravanError:
        return False
    return True


@pytest.mark.parametrize("whose", ["worker", "head"])
async def test_a_killed_link_process_comes_back_and_the_model_can_be_launched_again(
    pcs: tuple[Pc, ...], whose: str
) -> None:
    a, b, _ = pcs
    ready = await launched(a, b)
    victim = b if whose == "worker" else a
    old = await victim.link_pid()
    began = time.monotonic()
    os.kill(old, signal.SIGKILL)
    with pytest.raises(CaravanError) as told:
        await a.call("chat", prompt=PROMPT, tokens=200, deadline=30)
    print(f"asked: {told.value.sentence} {told.value.hint}")  # noqa: T201
    assert told.value.sentence.endswith(".")
    await a.until(lambda _: _state(a, ready["id"]) is InstanceState.FAILED)
    assert a.status is not None
    error = next(each.error for each in a.status.instances if each.id == ready["id"])
    print(f"the instance: {error.sentence} {error.hint}")  # noqa: T201
    assert error.sentence.endswith(".")
    assert error.hint
    await linked_anew(a, b, victim, old)
    await launched(a, b)
    assert (await a.ask(tokens=8))["text"]
    print(f"running again after {time.monotonic() - began:.1f} s")  # noqa: T201


async def test_a_cable_pulled_while_the_model_answers_ends_the_request_and_frees_the_worker(
    bed: Bed, pcs: tuple[Pc, ...]
) -> None:
    a, b, c = pcs
    ready = await launched(a, b)
    try:
        async with a.answering(tokens=4000) as asked:
            began = time.monotonic()
            await bed.partition(["b"])
            with pytest.raises(CaravanError) as told:
                await asked
        took = time.monotonic() - began
        print(f"request ended after {took:.1f} s: {told.value.sentence}")  # noqa: T201
        assert took < 20
        await a.until(lambda _: _state(a, ready["id"]) is InstanceState.FAILED)
        assert a.status is not None
        error = next(each.error for each in a.status.instances if each.id == ready["id"])
        assert b.name in error.sentence, error
        await b.until(lambda _: b.sees(a, Reachability.LOST))
        assert a.sees(c)
        # The worker's rpc-server has a client that will never speak again; it ends with the lease.
        await b.until(lambda status: not status.leases)
        async with asyncio.timeout(PATIENCE):
            while [*await b.programs("ggml-rpc-server"), *await b.programs("rpc-server")]:
                await asyncio.sleep(0.1)
    finally:
        await bed.heal()
    await make_well(pcs)
    await launched(c, b)


async def test_a_half_open_client_of_a_worker_does_not_keep_the_next_head(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b, c = pcs
    ready = await launched(a, b)
    (head,) = await a.programs("llama-server")
    arguments = psutil.Process(head).cmdline()
    mouth = arguments[arguments.index("--rpc") + 1].split(",")[0]
    async with knocking(bed["a"], "hold", mouth) as holder:
        assert (await holder.next())["held"]
        assert await a.call("stop", instance=ready["id"]) == InstanceState.STOPPED
        await launched(c, b)
        assert (await c.ask(tokens=8))["text"]


async def test_two_heads_want_one_worker_and_the_second_hears_the_owners_name(pcs: tuple[Pc, ...]) -> None:
    a, b, c = pcs
    plan = await c.call("plan", **over(c, b))
    first = await launched(a, b)
    second = await c.call("launch_plan", plan=plan)
    assert second["state"] == InstanceState.FAILED
    assert a.name in second["error"]["sentence"], second["error"]
    assert b.name in second["error"]["sentence"], second["error"]
    assert _state(a, first["id"]) is InstanceState.READY
    assert (await a.ask(tokens=8))["text"]
    await a.call("stop", instance=first["id"])
    await launched(c, b)


async def test_engines_of_different_builds_are_refused_before_anything_starts(
    pcs: tuple[Pc, ...], tmp_path: Path
) -> None:
    a, b, _ = pcs
    fake = write_programs(tmp_path / "other build", {"FAKE_LLAMA_BUILD": "12001"})
    plan = await a.call("plan", **over(a, b))
    await b.call("set_engine", path=str(fake))
    await _again(b)
    try:
        await a.until(lambda _: a.sees(b) and "b12001" in _engine_of(a, b))
        answer = await a.call("plan", **over(a, b))
        assert answer["kind"] == "refusal", answer
        print(f"refused: {answer['sentence']} {[each['sentence'] for each in answer['reasons']]}")  # noqa: T201
        assert "12001" in str(answer)
        assert a.name in str(answer)
        assert b.name in str(answer)
        # Nor by a plan that was made before.
        with pytest.raises(CaravanError) as told:
            await a.call("launch_plan", plan=plan)
        print(f"a plan made before: {told.value.sentence}")  # noqa: T201
        assert all(each in told.value.sentence for each in ("b12001", a.name, b.name))
        assert not await b.programs("ggml-rpc-server")
    finally:
        await b.call("set_engine", path=None)
        await _again(b)
    await a.until(lambda _: a.sees(b) and "b12001" not in _engine_of(a, b))


async def _again(pc: Pc) -> None:
    await pc.end()
    await pc.start()


def _engine_of(pc: Pc, other: Pc) -> str:
    peer = pc.peer(other)
    build = peer.report.engine.build if peer is not None and peer.report is not None else None
    return build.identity if build is not None else ""


async def test_an_adapter_like_a_vpn_changes_nothing(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b, c = pcs
    await bed["b"].add_adapter("tun0", "10.99.0.1/24")
    try:
        assert await _lost_during(a, (b, c), 6.0) == []
        for pc in (a, c):
            assert pc.peer(b).address == f"{bed['b'].address}:{PEER}"
        async with asyncio.timeout(PATIENCE):
            while await _heard_at(bed["b"]) != {bed["b"].address, "10.99.0.1"}:
                await asyncio.sleep(0.1)
        assert a.status is not None
        assert next(each for each in a.status.seen if each.node == b.id).addresses == (bed["b"].address,)
        await b.audit()
    finally:
        await bed["b"].remove_adapter("tun0")


async def _heard_at(host: Host) -> set[str]:
    """The addresses at which a PC hears peers."""
    return {each.address for each in await host.listeners() if each.port == PEER}


async def test_a_false_address_for_a_peer_gets_no_word_and_the_true_one_works(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b, _ = pcs
    assert a.status is not None
    seen = next(each for each in a.status.seen if each.node == b.id)
    async with knocking(bed["x"], "impostor", f"{bed['x'].address}:{PEER}") as impostor:
        await impostor.next()
        # At the impostor's address, and at our own: a PC must not dial itself either.
        for address in (bed["x"].address, bed["a"].address):
            await _announce(bed, "--instance", seen.instance, "--hint", seen.node_hint, "--address", address)
        await a.until(lambda status: _addresses(status, b) == {bed["b"].address, bed["x"].address})
        assert a.sees(b)
        # With the true address out of reach and every connection gone, the false one is all there is to try.
        await bed["b"].drop(peers=[bed["a"].address])
        for pc in (a, b):
            os.kill(await pc.link_pid(), signal.SIGKILL)
        assert (await impostor.next())["came"]
        await bed.heal()
        await asyncio.gather(a.until(lambda _: a.sees(b)), b.until(lambda _: b.sees(a)))
        # Alive may be known before which address it was: the link process tells that every two seconds.
        await a.until(lambda _: a.peer(b).address == f"{bed['b'].address}:{PEER}")
        told = await impostor.end()
    assert told["said"] == ""
    print(f"the impostor was dialled {told['came']} times")  # noqa: T201
    assert "same_key_on_two_pcs" not in a.warned_of()


def _addresses(status: object, pc: Pc) -> set[str]:
    return {address for each in status.seen if each.node == pc.id for address in each.addresses}  # type: ignore[attr-defined]


async def _announce(bed: Bed, *options: str) -> None:
    program = (sys.executable, "-m", "tests.cluster.announcer", bed["x"].address)
    done = await bed["x"].run(*program, *options)
    assert done.returncode == 0, done


async def test_ten_thousand_false_services_do_not_disturb_the_cluster(bed: Bed, pcs: tuple[Pc, ...]) -> None:
    a, b, c = pcs
    ready = await launched(a, b)
    before = {pc.name: psutil.Process(_node_of(pc)).memory_info().rss for pc in pcs}
    flood = asyncio.create_task(_announce(bed, "--count", "10000"))
    most, slowest = 0, 0.0
    while not flood.done():
        began = time.monotonic()
        assert (await c.ask(tokens=8))["text"]
        slowest = max(slowest, time.monotonic() - began)
        most = max(most, *(len(pc.status.seen) for pc in pcs if pc.status))
    await flood
    grown = max(psutil.Process(_node_of(pc)).memory_info().rss - before[pc.name] for pc in pcs)
    print(f"flood: {most} seen at most, slowest chat {slowest:.2f} s, memory grew by {grown / 1e6:.0f} MB")  # noqa: T201
    assert 32 < most <= 64
    assert grown < 80e6
    assert _state(a, ready["id"]) is InstanceState.READY
    assert not [pc.name for pc in pcs for other in pcs if pc.sees(other, Reachability.LOST)]
    await until_all_know_all(pcs)


def _node_of(pc: Pc) -> int:
    assert pc.node is not None
    return pc.node.pid


async def test_a_pc_does_not_connect_to_itself(bed: Bed, pcs: tuple[Pc, ...], tmp_path: Path) -> None:
    async with _lone(bed, tmp_path, "PC D") as lone:
        for port in (PEER, 52417):
            await lone.call("join", code="123456", address=f"{bed['d'].address}:{port}")
            await lone.until(lambda status: status.join is not None and status.join.state == "failed")
            assert lone.status is not None
            assert lone.status.join is not None
            assert lone.status.join.error is not None
            print(f"own port {port}: {lone.status.join.error.sentence}")  # noqa: T201
            assert len(lone.status.members) == 1
            assert not lone.status.peers


@asynccontextmanager
async def _lone(bed: Bed, folder: Path, name: str) -> AsyncIterator[Pc]:
    """A further PC on host d."""
    found = Pc(bed["d"], folder / "d", name)
    await found.start()
    try:
        yield found
        await found.check()
    finally:
        await found.end()


async def test_the_same_key_on_two_pcs_is_told_on_both(bed: Bed, pcs: tuple[Pc, ...], tmp_path: Path) -> None:
    a, b, _ = pcs
    await b.end()
    shutil.copytree(b.folder, tmp_path / "d", ignore=shutil.ignore_patterns("lock", "node.json", "logs", "run"))
    await b.start()
    (tmp_path / "d" / "settings.json").unlink()
    async with _lone(bed, tmp_path, "the copy") as copy:
        assert copy.id == b.id
        took = await asyncio.gather(
            *(pc.until(lambda _, pc=pc: "same_key_on_two_pcs" in pc.warned_of()) for pc in (a, b, copy))
        )
        print(f"warned after {max(took):.1f} s")  # noqa: T201
        assert b.status is not None
        assert "this PC" in next(each.sentence for each in b.status.warnings if each.code == "same_key_on_two_pcs")
    await asyncio.gather(*(pc.until(lambda _, pc=pc: "same_key_on_two_pcs" not in pc.warned_of()) for pc in (a, b)))


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define AHEAD (10L * 365 * 86400)
static int real(clockid_t which, struct timespec *at) {
  static int (*next)(clockid_t, struct timespec *);
  if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  return next(which, at);
}
int clock_gettime(clockid_t which, struct timespec *at) {
  int done = real(which, at);
  if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) at->tv_sec += AHEAD;
  return done;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""
"""Put before the C library it moves the calendar of a program by ten years; what counts seconds stays."""


async def test_a_clock_ten_years_off_does_not_matter(bed: Bed, pcs: tuple[Pc, ...], tmp_path: Path) -> None:
    a, b, _ = pcs
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing")
    (tmp_path / "clock.c").write_text(CLOCK)
    shim = tmp_path / "clock.so"
    made = await run_short(["gcc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(tmp_path / "clock.c")], deadline=120)
    assert made.returncode == 0, made
    d = Pc(bed["d"], tmp_path / "d", "PC of 2036")
    await d.start(env={**os.environ, "LD_PRELOAD": str(shim)})
    try:
        assert d.status is not None
        assert d.status.node.started_at - time.time() > 9.9 * 365 * 86400, "the clock is as ever"
        await a.joined_by(d)
        await b.until(lambda _: b.sees(d))
        await a.until(lambda _: a.is_ready_with((d,)))
        ready = await d.call("launch", **over(d, a))
        assert ready["state"] == InstanceState.READY, ready
        assert (await b.ask(tokens=8))["text"]
        await d.check()
    finally:
        await d.end()
    await a.call("remove", node=d.id)
