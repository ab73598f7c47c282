"""`caravan invite`, `join`, `peers`, `leave`, `remove`: who belongs to the cluster."""

import asyncio
import time
from contextlib import aclosing, suppress
from typing import Annotated

import typer
from rich.table import Table

from app.cli import following, words
from app.cli.console import EXIT_FAILED, Session, run, session, show_json
from app.cli.facts import AsJson
from app.client import NodeClient
from app.schema.cluster import InvitationStatus, JoinRequest, JoinState, JoinStatus, MemberInfo
from app.schema.errors import CaravanError, InputError, NodeNotFound, from_info
from app.schema.node import Peer, Reachability, Status

JOIN_WORDS = {
    JoinState.SEARCHING: "looking for a PC that invites",
    JoinState.DIALLING: "connecting",
    JoinState.CHECKING_CODE: "checking the code",
    JoinState.CONNECTING: "building the encrypted link",
}

JOIN_ENDS = frozenset({JoinState.JOINED, JoinState.FAILED})

REACH_WORDS = {
    Reachability.CONNECTING: "connecting",
    Reachability.ALIVE: "connected",
    Reachability.SUSPECT: "slow to answer",
    Reachability.LOST: "does not answer",
}


def invite(context: typer.Context, as_json: AsJson = False) -> None:
    """Show a code with which another PC can join this one's cluster. Runs until a PC joined, or Ctrl-C."""
    to = session(context)

    async def work() -> int:
        async with to.client() as client:
            first = await following.begun(client.cluster.invite(), lambda _: client.cluster.end_invitation())
            try:
                joined = await _until_joined(to, client, first, as_json)
            finally:
                with suppress(CaravanError):
                    await client.cluster.end_invitation()
        if joined is None:
            to.errors.print("The invitation ended before a PC joined.", style="bold")
            return EXIT_FAILED
        show_json({"joined": joined}) if as_json else to.say(f"{joined} has joined.", "bold")
        return 0

    run(to, work, as_json)


async def _until_joined(to: Session, client: NodeClient, first: InvitationStatus, as_json: bool) -> str | None:
    """The PC that joined, None when the invitation was ended elsewhere."""
    told: str | None = None
    trouble = first.trouble
    async with aclosing(client.watch()) as statuses:
        async for status in statuses:
            found = status.invitation
            if found is None:
                return None
            if len(found.joined) > len(first.joined):
                return found.joined[-1]
            if found.trouble and found.trouble != trouble and not as_json:
                to.say(f"! {found.trouble}")
            trouble = found.trouble
            if found.code != told:
                told = found.code
                _show_code(to, found, as_json)
    raise following.node_ended()


def _show_code(to: Session, found: InvitationStatus, as_json: bool) -> None:
    left = max(0.0, found.ends_at - time.time())
    if as_json:
        show_json(found)
    elif found.code is None:
        to.say(f"Too many wrong tries. A new code comes in {words.duration(left)}.")
    else:
        to.say(f"Type this on the other PC:  {found.code[:3]} {found.code[3:]}", "bold")
        at = f" {found.addresses[0]}" if found.addresses else ""
        to.say(f"  there: caravan join --code {found.code}   (no answer? caravan join{at} --code {found.code})")
        to.say(f"  valid for {words.duration(left)}, {found.tries_left} tries")
        to.say("  A joined PC can run programs on the others and see what is asked. Let in only PCs you trust.")


def join(
    context: typer.Context,
    host: Annotated[str | None, typer.Argument(help="HOST or HOST:PORT, when the PC is not found by itself.")] = None,
    code: Annotated[str | None, typer.Option(help="The six digits that the other PC shows.")] = None,
    as_json: AsJson = False,
) -> None:
    """Join the cluster of the PC that shows a code (`caravan invite` there)."""
    to = session(context)
    typed = code if code is not None else _ask_code(to, as_json)

    async def work() -> None:
        async with to.client() as client:
            ended = await join_and_follow(client, JoinRequest(code=typed, address=host), to, as_json)
        if ended.error is not None:
            raise from_info(ended.error)
        show_json(ended) if as_json else to.say(f"Joined {ended.partner}. Done, for ever.", "bold")

    run(to, work, as_json)


def _ask_code(to: Session, as_json: bool) -> str:
    """Ask for the digits, but not where no node could take them."""

    async def look() -> None:
        async with to.client() as client:
            await client.status()

    run(to, look, as_json)
    typed: str = typer.prompt("The six digits that the other PC shows")
    return typed


async def join_and_follow(client: NodeClient, request: JoinRequest, to: Session | None, quiet: bool) -> JoinStatus:
    """Join and follow it to its end; when we are cancelled, so is the attempt."""
    await following.begun(client.cluster.join(request), lambda _: client.cluster.cancel_join())
    told: JoinState | None = None

    def part(status: Status) -> JoinStatus:
        if status.join is None:
            raise InputError("The attempt to join was cancelled.", "Try again.")
        return status.join

    def show(found: JoinStatus) -> None:
        nonlocal told
        if found.state is not told and found.state in JOIN_WORDS and not quiet and to is not None:
            to.say(f"{JOIN_WORDS[found.state]} ...")
        told = found.state

    try:
        return await following.follow(client, part, show, lambda found: found.state in JOIN_ENDS)
    except asyncio.CancelledError:
        with suppress(CaravanError):
            await client.cluster.cancel_join()
        raise


def peers(context: typer.Context, as_json: AsJson = False) -> None:
    """The PCs of this cluster, how they answer, and those seen on the network that have not joined."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = await client.status()
        if as_json:
            show_json({"members": found.members, "peers": found.peers, "seen": found.seen})
        else:
            _show_peers(to, found)

    run(to, work, as_json)


def _show_peers(to: Session, found: Status) -> None:
    known = {peer.node: peer for peer in found.peers}
    if not known:
        to.say("This PC is in no cluster yet. `caravan invite` here and `caravan join` on another PC makes one.")
    table = Table(box=None, pad_edge=False)
    for name in ("PC", "identity", "state", "address"):
        table.add_column(name, overflow="fold")
    for name in ("round trip", "speed to it", "from it"):
        table.add_column(name, justify="right", overflow="fold")
    for member in found.members:
        table.add_row(*_row(found, member, known.get(member.node)))
    to.out.print(table)
    for peer in found.peers:
        if peer.problem:
            to.say(f"! {peer.called}: {peer.problem}")
    strangers = [each for each in found.seen if each.node is None]
    if strangers:
        inviting = sum(each.pairing_port is not None for each in strangers)
        seen = f"{len(strangers)} more PC{'s' if len(strangers) > 1 else ''} seen on this network, not joined"
        to.say(f"{seen}; {inviting} of them inviting now." if inviting else f"{seen}.")


def _row(found: Status, member: MemberInfo, peer: Peer | None) -> tuple[str, ...]:
    if member.node == found.node.id or peer is None:
        return (found.node.name, member.short_name, "this PC", "-", "-", "-", "-")
    trip = f"{peer.round_trip * 1000:.2f} ms" if peer.round_trip is not None else "-"
    there, back = (
        f"{words.size(round(rate))}/s" if rate is not None else "-"
        for rate in (peer.throughput, peer.rate_to(found.node.id))
    )
    state = REACH_WORDS[peer.reachability]
    return (peer.called, member.short_name, state, peer.address or "-", trip, there, back)


def leave(context: typer.Context, as_json: AsJson = False) -> None:
    """Leave the cluster. This PC becomes a new one to all others and stands alone."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            is_alone = len((await client.status()).members) == 1
            await client.cluster.leave()
        told = "This PC was in no cluster with others. To all of them it is a new PC now."
        show_json({"ok": True}) if as_json else to.say(told if is_alone else "This PC has left the cluster.", "bold")

    run(to, work, as_json)


def remove(
    context: typer.Context,
    pc: Annotated[str, typer.Argument(help="Name or identity (`caravan peers` shows both).")],
    as_json: AsJson = False,
) -> None:
    """Remove another PC from the cluster. It is cut off at once, everywhere; it may join again as a new PC."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = named(pc, await client.status())
            await client.cluster.remove(found.node)
        show_json(found) if as_json else to.say(f"{found.name} is removed from the cluster.", "bold")

    run(to, work, as_json)


def named(typed: str, status: Status) -> MemberInfo:
    """The other member of that name or identity. Raises NodeNotFound, or InputError when two have the name."""
    called = {peer.node: peer.called for peer in status.peers}
    others = [each for each in status.members if each.node != status.node.id]
    wanted = typed.strip().casefold()
    found = [
        each
        for each in others
        if wanted in {each.name.casefold(), called.get(each.node, "").casefold(), each.node, each.short_name.casefold()}
    ]
    if len(found) > 1:
        names = ", ".join(each.short_name for each in found)
        raise InputError(f"Several PCs are called {typed}.", f"Use the identity instead: {names}.")
    if not found:
        names = ", ".join(called.get(each.node, each.name) for each in others) or "none"
        raise NodeNotFound(f"No PC of this cluster is called {typed}.", f"The others are: {names}.")
    return found[0]
