"""Reach the PC that shows a code: which address, and the first of several that makes a TLS connection."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.identity.contexts import pairing_host
from app.node.membership.pairing_wire import PairingWire, dialled
from app.schema.errors import CaravanError, InputError, PairingFailed, PeerRefused
from app.schema.settings import PAIR_PORT
from app.schema.sighting import Sighting

_HOST = re.compile(r"[A-Za-z0-9_\-.\u0080-\uffff]{1,253}")


@dataclass(frozen=True)
class Host:
    """A PC that shows a code, reached at `address` (`host:port`). `certificate` (DER) is what TLS showed of it."""

    address: str
    wire: PairingWire
    certificate: bytes = field(repr=False)


def checked_address(typed: str) -> str:
    """`host:port` of a typed `host` or `host:port`. Raises InputError."""
    host, colon, port = typed.strip().partition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    if not colon:
        number = PAIR_PORT
    try:
        host.encode("idna")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host) or not 0 < number < 65536:
        raise InputError(
            f"{typed.strip()!r} is not the address of a PC.",
            "Type it as the other PC shows it, such as 192.168.1.20 or 192.168.1.20:52417.",
        )
    return f"{host}:{number}"


def inviters_of(seen: Iterable[Sighting]) -> tuple[tuple[str, ...], ...]:
    """The PCs that discovery sees inviting, each as the `host:port`s at which it can be joined."""
    return tuple(
        tuple(f"{address}:{each.pairing_port}" for address in each.addresses)
        for each in seen
        if each.pairing_port is not None and each.addresses
    )


def chosen(inviters: tuple[tuple[str, ...], ...]) -> tuple[str, ...] | None:
    """The addresses of the one PC that invites, None when there is none.

    Raises PairingFailed when there are several: a try at a wrong one would use up one of its tries.
    """
    if len(inviters) > 1:
        places = ", ".join(sorted(each[0] for each in inviters))
        raise PairingFailed(
            f"{len(inviters)} PCs on this network show a code at this moment: {places}.",
            "Choose the one whose code you type, by the address that it shows below the code.",
        )
    return inviters[0] if inviters else None


def nobody_invites() -> PairingFailed:
    """No PC that shows a code was seen."""
    return PairingFailed(
        "No PC on this network shows a code at this moment.",
        "Open Invite on the other PC (or run `caravan invite`). If it shows a code already, type the address it shows.",
    )


async def dial(addresses: tuple[str, ...], context: ssl.SSLContext, seconds: float, read: float) -> Host:
    """Dial all addresses of one PC at once; the first that makes TLS as a pairing host is kept.

    `seconds` is the deadline of that, `read` of each later message. Raises PairingFailed.
    """
    attempts = [asyncio.create_task(_try(each, context, read), name=f"dial {each}") for each in addresses]
    winner = None
    try:
        async with asyncio.timeout(seconds):
            winner = await _first(attempts)
        errors = [each.exception() for each in attempts if each.done()]
    except TimeoutError:
        errors = [TimeoutError()]
    finally:
        await _drop_losers(attempts, winner)
    if winner is None:
        raise _unreached(addresses[0], errors)
    return winner


async def _try(address: str, context: ssl.SSLContext, read: float) -> Host:
    host, _, port = address.rpartition(":")
    wire = await dialled(host, int(port), context, read)
    try:
        return Host(address, wire, pairing_host(wire.tls))
    except BaseException:
        wire.abort()
        raise


async def _first(attempts: list[asyncio.Task[Host]]) -> Host | None:
    for ended in asyncio.as_completed(attempts):
        try:
            return await ended
        except (OSError, CaravanError):
            continue
    return None


async def _drop_losers(attempts: list[asyncio.Task[Host]], winner: Host | None) -> None:
    """Leave only the winner's connection open, and not even that when the caller is cancelled."""
    for each in attempts:
        each.cancel()
    try:
        await asyncio.gather(*attempts, return_exceptions=True)
    except asyncio.CancelledError:
        if winner is not None:
            winner.wire.abort()
        raise
    finally:
        for each in attempts:
            if _reached(each) and each.result() is not winner:
                each.result().wire.abort()


def _reached(attempt: asyncio.Task[Host]) -> bool:
    return attempt.done() and not attempt.cancelled() and attempt.exception() is None


def _unreached(address: str, errors: list[BaseException | None]) -> CaravanError:
    known = next(
        (each for each in errors if isinstance(each, CaravanError) and not isinstance(each, PeerRefused)), None
    )
    if known is not None:
        return known
    detail = tuple(repr(error) for error in errors if error is not None)
    for kind, sentence, hint in _WHY:
        if any(isinstance(error, kind) for error in errors):
            return PairingFailed(sentence.format(address), hint, detail)
    return PairingFailed(f"The PC at {address} cannot be reached.", _LOOK, detail)


_LOOK = (
    "Check that it is on, in the same network, and still shows a code. A firewall there may block Caravan (TCP 52417)."
)

_WHY: tuple[tuple[type[BaseException], str, str], ...] = (
    (PeerRefused, "What answers at {} is no PC that shows a code of Caravan's.", "Check the address."),
    (ssl.SSLError, "What answers at {} is no PC that shows a code of Caravan's.", "Check the address."),
    (socket.gaierror, "No PC is known on this network by the name in {}.", "Type its address in numbers."),
    (TimeoutError, "The PC at {} does not answer.", _LOOK),
    (ConnectionRefusedError, "The PC at {} shows no code at this moment.", "Open Invite there (or `caravan invite`)."),
    (ConnectionError, "The PC at {} broke the connection off.", _LOOK),
)
