"""Adding, removing, leaving: how the list stays the same on all PCs, and what a removed one can still do."""

import asyncio
import itertools
from pathlib import Path

import pytest

from app.identity.certificate import Identity, load_or_create
from app.identity.member_text import signed
from app.identity.trust import Member, MemberList, merge
from app.identity.trust_store import TrustStore, own_member
from app.node.membership.membership_tools import MembershipPace
from app.schema.cluster import JoinState
from app.schema.errors import (
    ClusterFull,
    InputError,
    ListRefused,
    NodeNotFound,
    PairingFailed,
    PeerRefused,
    TrustUnusable,
)
from tests.turns import a_while
from tests.unit.membership.lan import FAST, Lan, Pc, paired, running_pc, running_pcs


def alike(*pcs: Pc) -> bool:
    """Whether all have one list, and it took effect on each of them."""
    return len({pc.membership.digest for pc in pcs}) == 1 and all(pc.does_as_listed for pc in pcs)


async def together(*pcs: Pc) -> None:
    """Let all of them be one cluster: each joins through the one before it."""
    for inviter, joiner in itertools.pairwise(pcs):
        await paired(inviter, joiner)
    await settled(*pcs)
    # What is still under way between them would be noise in what follows.
    await pcs[0].until(lambda: not any("exchange" in task.get_name() for task in asyncio.all_tasks()))


async def settled(*pcs: Pc) -> None:
    """Let heartbeats go until all have one list."""

    def beat_until_alike() -> bool:
        pcs[0].lan.beat()
        return alike(*pcs)

    await pcs[0].until(beat_until_alike)


async def test_a_third_pc_joins_through_any_member(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abcd") as pcs:
        first, second, third, fourth = pcs
        await paired(first, second)
        await paired(second, third)
        await first.until(lambda: first.membership.is_member(third.node))
        await first.until(lambda: alike(first, second, third))
        assert first.names == second.names == third.names == {"a", "b", "c"}
        third_here = first.store.current.member(third.node)
        assert third_here is not None
        assert third_here.added_by == second.node
        assert third_here.addresses == ("127.0.0.1:52416",), "a hint where to dial it"
        await paired(third, fourth)
        await first.until(lambda: alike(*pcs))
        assert all(first.lan.linked(one.node, other.node) for one in pcs for other in pcs if one is not other)
        reloaded = await asyncio.to_thread(TrustStore, first.store_path, own_member(first.identity, "a"))
        assert reloaded.current == first.store.current


async def test_a_removal_cuts_at_once_and_spreads(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (first, second, third):
        await together(first, second, third)
        assert await first.membership.remove(third.node) == ()
        assert third.node not in first.trusted
        assert third.node not in second.trusted, "the others are told before the call ends"
        assert first.names == second.names == {"a", "b"}
        assert alike(first, second)
        assert third.membership.is_removed, "it was told as the last thing"
        assert not third.trusted
        assert third.names == {"c"}
        assert [each.code for each in third.warnings] == ["removed_from_cluster"]
        for pc in (first, second):
            with pytest.raises(PeerRefused):
                pc.membership.text_for(third.node)
            with pytest.raises(PeerRefused):
                await pc.membership.receive(third.node, b"{}")
        for refused in (third.invites(), third.joins("123456", "127.0.0.1:1"), third.membership.remove(first.node)):
            with pytest.raises(PairingFailed, match="was removed"):
                await refused
        with pytest.raises(NodeNotFound):
            await first.membership.remove(third.node)
        with pytest.raises(InputError):
            await first.membership.remove(first.node)


async def test_who_was_offline_learns_of_a_removal_at_the_next_contact(
    identities: list[Identity], tmp_path: Path
) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (first, second, third):
        await together(first, second, third)
        lan = first.lan
        lan.offline |= {second.node, third.node}
        assert await first.membership.remove(third.node) == ("b",)
        assert second.membership.is_member(third.node)
        assert not third.membership.is_removed
        lan.offline.discard(third.node)
        assert not lan.linked(first.node, third.node), "the removed PC finds nobody who knows"
        lan.offline.discard(second.node)
        lan.beat()
        await second.until(lambda: third.node not in second.trusted)
        await third.until(lambda: third.membership.is_removed and not third.trusted)


async def test_concurrent_removals_merge(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abcd") as pcs:
        await together(*pcs)
        first, second, third, fourth = pcs
        both = await asyncio.gather(first.membership.remove(third.node), second.membership.remove(fourth.node))
        assert not {"a", "b"} & {name for untold in both for name in untold}
        await settled(first, second)
        assert first.names == second.names == {"a", "b"}
        assert first.trusted == {second.node}
        assert third.membership.is_removed
        assert fourth.membership.is_removed


async def test_two_that_remove_each_other(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (first, second, third):
        await together(first, second, third)
        first.lan.offline |= {first.node, second.node}
        await first.membership.remove(second.node)
        await second.membership.remove(first.node)
        first.lan.offline.clear()
        first.lan.beat()
        # Whom the third PC hears first it believes; the other is a stranger to it from then on.
        await third.until(lambda: len(third.names) == 2)
        kept, gone = (first, second) if first.node in third.trusted else (second, first)
        await kept.until(lambda: alike(kept, third))
        assert kept.trusted == {third.node}
        await gone.until(lambda: gone.membership.is_removed and not gone.trusted)


async def test_a_removed_pc_comes_back_as_a_new_one(own_identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(own_identities, tmp_path) as (first, second):
        await paired(first, second)
        await first.membership.remove(second.node)
        assert await second.membership.leave() == ()
        assert second.restarts == 1
        anew = await asyncio.to_thread(load_or_create, tmp_path / "identity 1")
        assert anew.node != second.node
        async with running_pc(first.lan, anew, "b", tmp_path) as again:
            await paired(first, again)
            assert first.names == {"a", "b"}


async def test_leaving_tells_the_others_and_forgets(own_identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(own_identities, tmp_path, "abc") as (first, second, third):
        await together(first, second, third)
        first.lan.offline.add(second.node)
        assert await third.membership.leave() == ("b",)
        assert third.restarts == 1
        assert not third.trusted
        assert third.names == {"c"}
        assert not third.store_path.exists()
        assert not third.identity.chain_file.exists()
        await first.until(lambda: first.names == {"a", "b"})
        assert third.node in first.membership.removed
        assert not third.warnings


async def test_leaving_when_a_file_cannot_be_deleted(own_identities: list[Identity], tmp_path: Path) -> None:
    identity = own_identities[0]
    async with running_pc(Lan(), identity, "a", tmp_path) as pc:
        await asyncio.to_thread((pc.store_path).mkdir)
        with pytest.raises(TrustUnusable, match="cannot be deleted"):
            await pc.membership.leave()
        assert pc.restarts == 0
        assert identity.chain_file.exists(), "a new identity with the old list could not start"


async def test_lists_that_are_not_taken(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (first, second, stranger):
        await paired(first, second)
        await first.until(lambda: alike(first, second))
        before = first.store.current
        text = second.membership.text_for(first.node)
        foreign = signed(MemberList(9, (own_member(stranger.identity, "c"),), (second.node,)), stranger.identity)
        with pytest.raises(PeerRefused):
            await first.membership.receive(stranger.node, foreign)
        for bad in (foreign, b"", b"{}", text[:-9], text.replace(b'"signature":"', b'"signature":"AA'), bytes(300_000)):
            with pytest.raises(ListRefused):
                await first.membership.receive(second.node, bad)
        assert first.membership.digest == before.digest
        await first.membership.receive(second.node, text)
        assert first.membership.digest == before.digest, "an old list changes nothing"


async def test_disagreement_is_no_loop(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (first, second):
        await paired(first, second)
        await first.until(lambda: alike(first, second))
        await a_while(50)
        first.fetches = 0
        for _ in range(1000):
            first.membership.saw_digest(second.node, "0" * 64)
            first.membership.saw_digest(second.node, first.membership.digest)
            first.membership.saw_digest("f" * 64, "0" * 64)  # type: ignore[arg-type]
        await first.until(lambda: first.fetches == 1)
        first.clock.now += 4.9
        first.membership.saw_digest(second.node, "0" * 64)
        await a_while()
        assert first.fetches == 1
        first.clock.now += 0.2
        first.membership.saw_digest(second.node, "0" * 64)
        await first.until(lambda: first.fetches == 2)


async def test_the_last_good_address_comes_first(identities: list[Identity], tmp_path: Path) -> None:
    lan = Lan()
    hourly = MembershipPace(retry=0.005, save=3600)
    async with (
        running_pc(lan, identities[0], "a", tmp_path, pace=hourly) as first,
        running_pc(lan, identities[1], "b", tmp_path) as second,
    ):
        await paired(first, second)
        await first.until(lambda: alike(first, second))
        digest = first.membership.digest
        first.membership.reached(second.node, "127.0.0.1:52416")
        first.membership.reached(second.node, "10.0.0.7:52416")
        first.membership.reached(identities[3].node, "10.0.0.8:52416")
        await first.until(lambda: first.trusts[-1][0].addresses == ("10.0.0.7:52416", "127.0.0.1:52416"))
        assert first.membership.digest == digest
        saved = await asyncio.to_thread(first.store_path.read_bytes)
        first.membership.reached(second.node, "10.0.0.9:52416")
        await a_while()
        assert await asyncio.to_thread(first.store_path.read_bytes) == saved, "not again so soon"


async def test_a_full_cluster_invites_nobody(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (first, second):
        many = tuple(Member(f"{number:064x}", "x", b"") for number in range(63))  # type: ignore[arg-type]
        await asyncio.to_thread(first.store.change, lambda mine: merge(mine, MemberList(1, many, ())))
        with pytest.raises(ClusterFull):
            await first.invites()
        adding = asyncio.create_task(first.membership.prove_and_add(own_member(second.identity, "b"), ()))
        await first.until(lambda: second.node in first.trusted)
        first.membership.text_for(second.node)
        with pytest.raises(ClusterFull):
            await adding


async def test_trust_begins_with_the_node(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (first, second):
        await paired(first, second)
        lan = Lan()
        async with running_pc(lan, identities[0], "a", tmp_path, FAST) as again:
            assert again.names == {"a", "b"}
            assert again.trusted == {second.node}


async def test_pending_is_for_lists_only_and_starts_anew(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (first, second, third):
        guest = own_member(second.identity, "b")
        once = asyncio.create_task(first.membership.prove_and_add(guest, ("10.0.0.1:52416",)))
        await first.until(lambda: first.trusted == {second.node})
        assert not first.membership.is_member(second.node)
        twice = asyncio.create_task(first.membership.prove_and_add(guest, ("10.0.0.2:52416",)))
        with pytest.raises(PairingFailed, match="once more"):
            await once
        assert first.trusted == {second.node}
        with pytest.raises(PeerRefused):
            first.membership.text_for(third.node)
        # It brings something that is no list: it is connected, but a member it cannot be.
        await first.membership.receive(second.node, b"no list")
        with pytest.raises(ListRefused):
            await twice
        assert not first.trusted
        assert first.names == {"a"}


async def test_a_cancellation_after_the_proof_is_too_late(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (first, second):
        guest = own_member(second.identity, "b")
        adding = asyncio.create_task(first.membership.prove_and_add(guest, ()))
        await first.until(lambda: first.trusted == {second.node})
        first.link_obeys.clear()
        assert first.membership.text_for(second.node)
        await first.until(lambda: first.membership.is_member(second.node))
        adding.cancel()
        await asyncio.sleep(0)
        assert not adding.done()
        first.link_obeys.set()
        await adding
        assert first.names == {"a", "b"}
        early = asyncio.create_task(second.membership.prove_and_add(own_member(identities[2], "c"), ()))
        await second.until(lambda: second.trusted)
        early.cancel()
        await asyncio.gather(early, return_exceptions=True)
        assert early.cancelled()
        assert not second.trusted


async def test_a_pc_whose_cluster_removed_this_one(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        await asyncio.to_thread(host.store.change, lambda mine: mine.removing(guest.node))
        invitation = await host.invites()
        status = await guest.joins(invitation.code or "", invitation.addresses[0])
        assert status.state is JoinState.FAILED
        assert status.error is not None
        assert "was removed" in status.error.sentence
        assert "leave" in status.error.hint
        assert not guest.membership.is_removed
        assert not guest.trusted
