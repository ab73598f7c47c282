"""Two PCs, their desks, real TLS sockets: everything that happens between Invite and Joined."""

import asyncio
import dataclasses
import logging
from pathlib import Path

import pytest

from app.identity.certificate import Identity
from app.identity.invitation import CODE_SECONDS, PAUSE_SECONDS
from app.node.membership.membership_tools import MembershipPace
from app.node.membership.pairing_tools import PairingPace
from app.schema.cluster import JoinRequest, JoinState
from app.schema.errors import InputError, PairingFailed
from app.schema.event import JoinChanged
from tests.unit.membership.lan import FAST, QUICK, Event, Lan, Pc, paired, running_pc, running_pcs, wrong


async def test_a_pc_joins_by_code(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        invitation = await host.invites()
        assert invitation.code
        assert invitation.ends_at == pytest.approx(1.7e9 + 1000 + CODE_SECONDS)
        assert (invitation.tries_left, invitation.trouble, invitation.joined) == (3, "", ())
        port = int(invitation.addresses[0].rpartition(":")[2])
        assert host.announced == [port]
        spaced = f"{invitation.code[:3]} {invitation.code[3:]}"
        status = await guest.joins(spaced, invitation.addresses[0])
        assert (status.state, status.partner, status.error) == (JoinState.JOINED, "a", None)
        steps = [JoinState.DIALLING, JoinState.DIALLING, JoinState.CHECKING_CODE, JoinState.CONNECTING]
        assert guest.join_states == [*steps, JoinState.JOINED]
        await host.until(lambda: host.invitation and host.invitation.joined == ("b",))
        assert host.invitation is not None
        assert host.invitation.code not in (None, invitation.code), "a code is used once; the next PC gets its own"
        assert host.names == guest.names == {"a", "b"}
        await host.until(lambda: host.membership.digest == guest.membership.digest)
        assert guest.store.current.member(host.node) == guest.trusts[-1][0]
        assert guest.trusts[-1][0].addresses == ("127.0.0.1:52416",), "where it dialled, with the port of the card"
        assert host.trusts[-1][0].addresses == ("127.0.0.1:52416",)
        await host.desk.close()
        assert host.invitation is None
        assert host.announced == [port, None]


async def test_the_inviter_that_discovery_sees(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        invitation = await host.invites()
        await guest.desk.join(JoinRequest(code=invitation.code or ""))
        await guest.until(lambda: guest.join_states == [JoinState.SEARCHING])
        # One of its addresses is dead: whoever answers first is taken.
        guest.inviters = (("127.0.0.1:1", *invitation.addresses),)
        status = await guest.join_ended()
        assert (status.state, status.address) == (JoinState.JOINED, invitation.addresses[0])


async def test_several_inviters_are_the_users_choice(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (host, other, guest):
        one, two = await host.invites(), await other.invites()
        guest.inviters = (one.addresses, two.addresses)
        status = await guest.joins(one.code or "", None)
        assert status.error is not None
        assert one.addresses[0] in status.error.sentence
        assert two.addresses[0] in status.error.sentence
        assert "address" in status.error.hint
        assert (await host.invites()).tries_left == (await other.invites()).tries_left == 3


async def test_an_inviter_that_has_just_stopped_is_no_choice(identities: list[Identity], tmp_path: Path) -> None:
    pace = dataclasses.replace(FAST, settle=60.0, search=120.0)
    async with running_pcs(identities, tmp_path, "abc", pairing=pace) as (host, other, guest):
        one, two = await host.invites(), await other.invites()
        await other.desk.close()
        guest.inviters = (two.addresses, one.addresses)
        await guest.desk.join(JoinRequest(code=one.code or ""))
        await asyncio.sleep(10 * pace.look)
        assert guest.join_states == [JoinState.SEARCHING]
        guest.inviters = (one.addresses,)
        assert (await guest.join_ended()).state is JoinState.JOINED


async def test_an_inviter_that_stopped_unheard_is_not_the_last_word(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (host, other, guest):
        one, two = await host.invites(), await other.invites()
        await other.desk.close()
        guest.inviters = (two.addresses,)

        def word_came(event: Event) -> None:
            if isinstance(event, JoinChanged) and event.join and event.join.state is JoinState.DIALLING:
                guest.inviters = (one.addresses,)

        guest.hears = word_came
        status = await guest.joins(one.code or "", None)
        assert (status.state, status.partner) == (JoinState.JOINED, "a")
        dialled = [each.join.address for each in guest.events if isinstance(each, JoinChanged) and each.join]
        assert two.addresses[0] in dialled


async def test_nobody_invites(identities: list[Identity], tmp_path: Path) -> None:
    pace = PairingPace(search=0.01, look=0.002)
    async with running_pc(Lan(), identities[0], "a", tmp_path, pace) as pc:
        status = await pc.joins("123456", None)
        assert status.error is not None
        assert "shows a code" in status.error.sentence
        closed = await pc.joins("123456", "127.0.0.1:1")
        assert closed.error is not None
        assert closed.error.sentence == "The PC at 127.0.0.1:1 shows no code at this moment."


async def test_a_wrong_code_three_times(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        first = await host.invites()
        for left in (2, 1, 0):
            status = await guest.joins(wrong(first.code), first.addresses[0])
            assert status.state is JoinState.FAILED
            assert status.error is not None
            assert status.error.code == "pairing_failed"
            assert status.error.sentence == "The code is wrong."
            shown = await host.invites()
            assert (shown.tries_left, shown.trouble) == (left, "Somebody on your network entered a wrong code.")
        assert shown.code is None
        assert shown.ends_at == pytest.approx(1.7e9 + host.clock() + PAUSE_SECONDS)
        late = await guest.joins(first.code or "", first.addresses[0])
        assert late.error is not None
        assert late.error.sentence == "The other PC shows no valid code at the moment."
        host.clock.now += PAUSE_SECONDS
        await host.until(lambda: host.invitation and host.invitation.code)
        assert not host.trusted
        assert not guest.trusted
        shown = await host.invites()
        assert (await guest.joins(shown.code or "", shown.addresses[0])).state is JoinState.JOINED


async def test_an_expired_code_is_replaced(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        first = await host.invites()
        host.clock.now += CODE_SECONDS
        await host.until(lambda: host.invitation and host.invitation.code != first.code)
        status = await guest.joins(first.code or "", first.addresses[0])
        assert status.error is not None
        assert status.error.sentence == "The code is wrong."


async def test_an_invitation_nobody_uses_closes(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        invitation = await host.invites()
        host.clock.now += 599
        assert (await host.invites()).addresses == invitation.addresses, "asked for again, it stays open for as long"
        host.clock.now += 601
        await host.until(lambda: host.invitation is None)
        assert host.announced[-1] is None
        status = await guest.joins(invitation.code or "", invitation.addresses[0])
        assert status.error is not None
        assert "shows no code" in status.error.sentence


async def test_wrong_tries_outlive_an_invitation(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        for _ in range(3):
            shown = await host.invites()
            await guest.joins(wrong(shown.code), shown.addresses[0])
            await guest.joins(wrong(shown.code), shown.addresses[0])
            await guest.joins(wrong(shown.code), shown.addresses[0])
            await host.desk.close()
            host.clock.now += PAUSE_SECONDS
        assert (await host.invites()).tries_left == 1, "nine of ten per hour are used up"


async def test_what_cannot_begin(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path, "abc") as (host, guest, third):
        for code, address in (("12345", None), ("abcdef", None), ("123456", "a b"), ("123456", "host:99999")):
            with pytest.raises(InputError):
                await guest.desk.join(JoinRequest(code=code, address=address))
        assert guest.join_status is None
        await guest.desk.join(JoinRequest(code="123456"))
        with pytest.raises(PairingFailed, match="is joining"):
            await guest.desk.join(JoinRequest(code="123456"))
        with pytest.raises(PairingFailed, match="is joining"):
            await guest.invites()
        await guest.desk.cancel_join()
        await paired(host, guest)
        invitation = await third.invites()
        for member in (host, guest):
            with pytest.raises(PairingFailed, match="is in a cluster already"):
                await member.desk.join(JoinRequest(code=invitation.code or "", address=invitation.addresses[0]))


async def test_who_joins_does_not_invite(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        await guest.invites()
        await paired(host, guest)
        assert guest.invitation is None


async def test_this_pc_itself(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, _):
        invitation = await host.invites()
        twin = await asyncio.to_thread(Pc, Lan(), identities[0], "twin", tmp_path, FAST, QUICK)
        status = await twin.joins(invitation.code or "", invitation.addresses[0])
        assert status.error is not None
        assert status.error.sentence == "That address is this PC itself."


@pytest.mark.parametrize(
    "state", [JoinState.SEARCHING, JoinState.DIALLING, JoinState.CHECKING_CODE, JoinState.CONNECTING]
)
async def test_cancel_in_each_state(identities: list[Identity], tmp_path: Path, state: JoinState) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        host.lan.offline.add(host.node)
        invitation = await host.invites()
        reached = asyncio.Event()

        def hear(event: Event) -> None:
            if isinstance(event, JoinChanged) and event.join and event.join.state is state:
                reached.set()

        guest.hears = hear
        address = None if state is JoinState.SEARCHING else invitation.addresses[0]
        await guest.desk.join(JoinRequest(code=invitation.code or "", address=address))
        await reached.wait()
        await guest.desk.cancel_join()
        status = guest.join_status
        assert status is not None
        assert status.error is not None
        assert (status.state, status.error.sentence) == (
            JoinState.FAILED,
            "Joining was cancelled; nothing was changed.",
        )
        await guest.until(lambda: not guest.trusted)
        assert not guest.membership.members
        await guest.desk.cancel_join()
        with pytest.raises(InputError):
            await guest.desk.join(JoinRequest(code="1"))


async def test_both_forget_when_no_connection_comes(
    identities: list[Identity], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lan = Lan()
    short = MembershipPace(prove=0.3, retry=0.01)
    async with (
        running_pc(lan, identities[0], "a", tmp_path, pace=short) as host,
        running_pc(lan, identities[1], "b", tmp_path, pace=short) as guest,
    ):
        lan.offline.add(host.node)
        invitation = await host.invites()
        await guest.desk.join(JoinRequest(code=invitation.code or "", address=invitation.addresses[0]))
        await guest.until(lambda: guest.trusted == {host.node} and host.trusted == {guest.node})
        assert not guest.membership.is_member(host.node), "pending is no member"
        status = await guest.join_ended()
        assert status.error is not None
        assert status.error.code == "pairing_failed"
        assert "could not connect to each other" in status.error.sentence
        assert "firewall" in status.error.hint
        await host.until(lambda: host.invitation and "could not connect" in host.invitation.trouble)
        await host.until(lambda: not host.trusted and not guest.trusted)
        assert not host.membership.members
        assert not guest.membership.members
        assert not host.store_path.exists()
        lan.offline.clear()
        shown = await host.invites()
        assert (await guest.joins(shown.code or "", shown.addresses[0])).state is JoinState.JOINED
        await host.until(lambda: host.invitation and host.invitation.joined == ("b",))
        assert host.invitation is not None
        assert host.invitation.trouble == ""


async def test_no_code_in_any_log(identities: list[Identity], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running_pcs(identities, tmp_path) as (host, guest):
        first = await host.invites()
        codes = [first.code or "", wrong(first.code)]
        assert host.secrets.remove_from(f"x {first.code} x") == "x [removed] x"
        await guest.desk.join(JoinRequest(code=codes[1], address=first.addresses[0]))
        assert guest.secrets.remove_from(codes[1]) == "[removed]"
        await guest.join_ended()
        assert guest.secrets.remove_from(codes[1]) == codes[1], "a code that was used is no secret any more"
        await guest.joins(codes[0], first.addresses[0])
        await host.until(lambda: host.invitation and host.invitation.joined)
        codes.append((await host.invites()).code or "")
        assert host.secrets.remove_from(codes[0]) == codes[0]
        await host.desk.close()
        assert host.secrets.remove_from(codes[2]) == codes[2]
        shown = [repr(each) for each in (*host.events, *guest.events)]
    logged = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    assert any("joined" in line or "took the code" in line for line in logged)
    for code in codes:
        assert not [line for line in (*logged, *shown) if code in line]
