"""What anybody on the network can do to the pairing port, and to a PC that dials a false one."""

import asyncio
import itertools
import logging
import ssl
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity.certificate import Identity
from app.identity.contexts import Contexts
from app.identity.invitation import TRIES_PER_CODE
from app.identity.pairing_messages import (
    MESSAGE_LIMIT,
    Answer,
    Confirm,
    Confirmed,
    Reason,
    Refused,
    SealedCard,
    Start,
    framed,
    written,
)
from app.node.membership.pairing_listener import bind_pairing
from app.node.membership.pairing_tools import PairingPace
from app.schema.cluster import JoinState
from tests.unit.membership.guests import FalseHost, false_host, guest_at
from tests.unit.membership.lan import FAST, QUICK, Lan, Pc, running_pc, running_pcs

GARBAGE = st.binary(min_size=1, max_size=300) | st.binary(max_size=200).map(framed) | st.just(b"GET / HTTP/1.1\r\n\r\n")
OVERSIZE = st.integers(MESSAGE_LIMIT + 1, 2**32 - 1).map(lambda length: length.to_bytes(4, "big"))


def bodies(identity: Identity) -> dict[str, bytes]:
    """A well-formed message of each kind."""
    return {
        "start": written(Start(certificate=identity.certificate, pake=b"A" + bytes(32))),
        "answer": written(Answer(pake=bytes(33))),
        "confirm": written(Confirm(tag=bytes(32))),
        "confirmed": written(Confirmed(tag=bytes(32))),
        "card": written(SealedCard(sealed=bytes(64))),
        "refused": written(Refused(reason=Reason.BUSY)),
        "unknown": b'{"kind":"other"}',
        "no object": b"[]",
        "nothing": b"{}",
    }


def nothing_changed(*pcs: Pc) -> bool:
    return not any(pc.membership.members or pc.trusted for pc in pcs)


async def comes_through(host: Pc, guest: Pc) -> bool:
    shown = await host.invites()
    return (await guest.joins(shown.code or "", shown.addresses[0])).state is JoinState.JOINED


@pytest.mark.parametrize("played", [0, 1, 2])
async def test_a_guest_that_hangs_up(identities: list[Identity], tmp_path: Path, played: int) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        shown = await host.invites()
        async with guest_at(shown.addresses[0], identities[2], shown.code or "") as stranger:
            await stranger.play(played)
        if played:
            await host.until(lambda: host.invitation and "went away" in host.invitation.trouble)
            assert (await host.invites()).tries_left == 2, "hanging up does not save a try"
        assert nothing_changed(host, guest)
        assert await comes_through(host, guest)


async def test_a_guest_that_hangs_up_after_its_card(identities: list[Identity], tmp_path: Path) -> None:
    lan = Lan()
    async with running_pc(lan, identities[0], "a", tmp_path, PairingPace(read=60.0, reply=0.2, tick=0.002)) as host:
        shown = await host.invites()
        async with guest_at(shown.addresses[0], identities[2], shown.code or "") as stranger:
            await stranger.play(2)
            stranger.send(framed(stranger.message))
            await host.until(lambda: host.trusted == {identities[2].node})
            await host.desk.close()
        await host.until(lambda: nothing_changed(host))
        assert host.invitation is None


async def test_every_illegal_order_is_refused(identities: list[Identity], tmp_path: Path) -> None:
    kinds = bodies(identities[2])
    legal = {0: "start", 1: "confirm", 2: "card"}
    async with running_pcs(identities, tmp_path) as (host, guest):
        for played, kind in itertools.product(legal, kinds):
            if kind == legal[played]:
                continue
            host.clock.now += 3600
            shown = await host.invites()
            async with guest_at(shown.addresses[0], identities[2], shown.code or "") as stranger:
                await stranger.play(played)
                stranger.send(framed(kinds[kind]))
                assert await stranger.is_turned_away(), (played, kind)
            assert nothing_changed(host, guest), (played, kind)
        host.clock.now += 3600
        assert await comes_through(host, guest)


def test_garbage_at_each_read_of_the_host(identities: list[Identity], tmp_path: Path) -> None:
    folders = itertools.count()

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 2), GARBAGE | OVERSIZE), min_size=1, max_size=3))
    def attacked(attacks: list[tuple[int, bytes]]) -> None:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        asyncio.run(attack(folder, attacks))

    async def attack(folder: Path, attacks: list[tuple[int, bytes]]) -> None:
        async with running_pcs(identities, folder) as (host, guest):
            for played, data in attacks:
                shown = await host.invites()
                async with guest_at(shown.addresses[0], identities[2], shown.code or "0") as stranger:
                    await stranger.play(played if shown.code else 0)
                    stranger.send(data)
                    stranger.writer.write_eof() if stranger.writer.can_write_eof() else None
                assert nothing_changed(host, guest)
            if sum(played > 0 for played, _ in attacks) == TRIES_PER_CODE:
                # The pause begins when the host has seen the last attempt fail, not when the stranger hung up.
                await host.until(lambda: host.invitation and host.invitation.code is None)
            host.clock.now += 31
            await host.until(lambda: host.invitation and host.invitation.code)
            assert await comes_through(host, guest)

    attacked()


@pytest.mark.parametrize("played", [0, 1, 2])
async def test_too_large_is_not_read(identities: list[Identity], tmp_path: Path, played: int) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        shown = await host.invites()
        async with guest_at(shown.addresses[0], identities[2], shown.code or "") as stranger:
            await stranger.play(played)
            stranger.send((MESSAGE_LIMIT + 1).to_bytes(4, "big"))
            async with asyncio.timeout(FAST.read - 1):
                assert await stranger.answer() == b"", "it hangs up at once, and does not wait for the body"
        assert await comes_through(host, guest)


@pytest.mark.parametrize("played", [0, 1, 2])
async def test_slow_guests_are_dropped(identities: list[Identity], tmp_path: Path, played: int) -> None:
    pace = PairingPace(read=1.0, reply=0.0, tick=0.002)
    async with running_pc(Lan(), identities[0], "a", tmp_path, pace) as host:
        shown = await host.invites()
        async with guest_at(shown.addresses[0], identities[2], shown.code or "") as slow:
            await slow.play(played)
            began = time.monotonic()
            for byte in framed(slow.message):
                slow.send(bytes((byte,)))
                if slow.reader.at_eof() or slow.reader.exception() or time.monotonic() - began > 30:
                    break
                await asyncio.sleep(0.05)
            assert await slow.answer() == b""
            assert time.monotonic() - began < 30
        await host.until(lambda: host.invitation and host.invitation.code)


async def test_strange_clients(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        shown = await host.invites()
        name, _, port = shown.addresses[0].rpartition(":")
        for alpns, version in (([], ssl.TLSVersion.TLSv1_3), (["h2"], ssl.TLSVersion.TLSv1_3), ([], None)):
            context = Contexts(identities[2]).pairing_client() if version else ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(alpns)
            if version is None:
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                with pytest.raises(OSError):  # noqa: PT011 - whether the alert or the end comes first, varies
                    await asyncio.open_connection(name, int(port), ssl=context)
                continue
            reader, writer = await asyncio.open_connection(name, int(port), ssl=context)
            try:
                assert await reader.read(1) == b"", "no protocol of ours: not a byte is said"
            finally:
                writer.transport.abort()
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in await reader.read(100)
        writer.transport.abort()
        assert (await host.invites()).tries_left == 3
        assert await comes_through(host, guest)


async def test_a_good_guest_gets_through_silent_ones(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        shown = await host.invites()
        name, _, port = shown.addresses[0].rpartition(":")
        silent = [await asyncio.open_connection(name, int(port)) for _ in range(300)]
        began = time.perf_counter()
        assert await comes_through(host, guest)
        seconds = time.perf_counter() - began
        logging.getLogger("test").info("joined past 300 silent connections in %.0f ms", 1000 * seconds)
        for _, writer in silent:
            writer.transport.abort()
        # Behind a silent one it would be the three seconds of a handshake.
        assert seconds < 2.5
        assert len(asyncio.all_tasks()) < 100


async def test_a_second_guest_waits_its_turn(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, guest):
        shown = await host.invites()
        async with guest_at(shown.addresses[0], identities[2], shown.code or "") as first:
            await first.play(1)
            # What crowds the port does not push out the one attempt that counts.
            name, _, port = shown.addresses[0].rpartition(":")
            crowd = [await asyncio.open_connection(name, int(port)) for _ in range(64)]
            status = await guest.joins(shown.code or "", shown.addresses[0])
            assert status.error is not None
            assert status.error.sentence == "Another PC is joining there at this moment."
            first.send(framed(first.message))
            assert b"confirmed" in await first.answer()
            for _, writer in crowd:
                writer.transport.abort()


async def test_closing_cuts_every_connection(identities: list[Identity], tmp_path: Path) -> None:
    async with running_pcs(identities, tmp_path) as (host, _):
        shown = await host.invites()
        async with guest_at(shown.addresses[0], identities[2], shown.code or "") as stranger:
            await stranger.play(1)
            await host.desk.close()
            assert await stranger.answer() == b""
        name, _, port = shown.addresses[0].rpartition(":")
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection(name, int(port))


@pytest.mark.parametrize("played", [0, 1, 2])
async def test_a_host_that_hangs_up(identities: list[Identity], tmp_path: Path, played: int) -> None:
    async def script(host: FalseHost) -> None:
        await host.play(played)

    async with (
        false_host(identities[3], "123456", script) as address,
        running_pc(Lan(), identities[1], "b", tmp_path) as guest,
    ):
        status = await guest.joins("123456", address)
        assert status.error is not None
        assert status.error.sentence == "The other PC ended the connection."
        assert nothing_changed(guest)


async def test_every_illegal_answer_is_refused(identities: list[Identity], tmp_path: Path) -> None:
    kinds = bodies(identities[3])
    legal = {0: "answer", 1: "confirmed", 2: "card"}
    todo = [
        (played, kind) for played, kind in itertools.product(legal, kinds) if kind not in (legal[played], "refused")
    ]
    rest = iter(todo)

    async def script(host: FalseHost) -> None:
        played, kind = next(rest)
        await host.play(played)
        await host.hear()
        host.writer.write(framed(kinds[kind]))

    async with (
        false_host(identities[3], "123456", script) as address,
        running_pc(Lan(), identities[1], "b", tmp_path) as guest,
    ):
        for played, kind in todo:
            status = await guest.joins("123456", address)
            assert status.error is not None, (played, kind)
            assert status.error.sentence == "The other PC's answer could not be understood.", (played, kind)
            assert nothing_changed(guest)
        assert next(rest, None) is None


def test_garbage_at_each_read_of_the_joiner(identities: list[Identity], tmp_path: Path) -> None:
    folders = itertools.count()

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2), GARBAGE | OVERSIZE)
    def answered(played: int, data: bytes) -> None:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        asyncio.run(answer(folder, played, data))

    async def answer(folder: Path, played: int, data: bytes) -> None:
        async def script(host: FalseHost) -> None:
            await host.play(played)
            await host.hear()
            host.writer.write(data)

        async with (
            false_host(identities[3], "123456", script) as address,
            running_pc(Lan(), identities[1], "b", folder) as guest,
        ):
            status = await guest.joins("123456", address)
            assert status.state is JoinState.FAILED
            assert nothing_changed(guest)

    answered()


async def test_a_host_that_says_nothing(identities: list[Identity], tmp_path: Path) -> None:
    done = asyncio.Event()

    async def script(host: FalseHost) -> None:
        await host.play(1)
        await done.wait()

    async with (
        false_host(identities[3], "123456", script) as address,
        running_pc(Lan(), identities[1], "b", tmp_path, PairingPace(read=0.1)) as guest,
    ):
        status = await guest.joins("123456", address)
        done.set()
        assert status.error is not None
        assert status.error.sentence == "The other PC did not answer in time."


async def test_what_is_no_pairing_port(identities: list[Identity], tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with running_pc(Lan(), identities[1], "b", tmp_path, FAST, QUICK) as guest:
        for serve, words in ((answer, "is no PC that shows a code"), (nothing, "broke the connection off")):
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            try:
                port = server.sockets[0].getsockname()[1]
                status = await guest.joins("123456", f"127.0.0.1:{port}")
            finally:
                server.close()
                await server.wait_closed()
            assert status.error is not None
            assert words in status.error.sentence


def test_all_addresses_get_one_port() -> None:
    first = bind_pairing(("127.0.0.1", "127.0.0.2"), 0)
    taken = first[0].getsockname()[1]
    second = bind_pairing(("127.0.0.1",), taken)
    third = bind_pairing(("127.0.0.1", "127.0.0.3"), taken)
    try:
        assert [each.getsockname() for each in second] != [("127.0.0.1", taken)]
        assert len(second) == 1, "taken everywhere: any other port"
        assert [each.getsockname() for each in third] == [("127.0.0.3", taken)]
        assert bind_pairing((), 0) == []
        assert bind_pairing(("203.0.113.7",)) == []
    finally:
        for each in (*first, *second, *third):
            each.close()
