"""PURE: what a node announces of itself over mDNS, and the strict reading of what others announce.

The service is `<instance>._caravan._tcp.local.`; the instance is random per start. SRV carries the port of the peer
link, TXT the protocol version, a hint of the node's identity and, while a pairing dialog is open, its port. No name, no
version of the program, nothing that follows a PC from one start to the next: the hint is a hash of identity and
instance, so only who knows the identity recognises it.
"""

import hashlib
import ipaddress
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from app.schema.record import NodeId

SERVICE_TYPE = "_caravan._tcp.local."
PROTOCOL = "1"
"""Version of the announcement's form; another one is not understood."""

MOST_ADDRESSES = 8
"""Addresses taken from one announcement."""

_HINT_DOMAIN = b"caravan-hint-1\0"
_HINT = re.compile(r"[0-9a-f]{24}")
_INSTANCE = re.compile(r"[0-9a-f]{16}")
_PORT = re.compile(r"[1-9][0-9]{3,4}")
_LONGEST_TEXT = 256
"""Bytes of a TXT record; ours has less than 60."""


@dataclass(frozen=True)
class Advert:
    """One announcement. `port` and `pairing_port` are in 1024-65535."""

    hint: str
    instance: str
    port: int
    pairing_port: int | None = None


def hint_of(node: NodeId, instance: str) -> str:
    """96 bits that only who knows `node` can tell from noise: SHA-256 of a label, the identity and the instance."""
    return hashlib.sha256(_HINT_DOMAIN + f"{node}\0{instance}".encode()).hexdigest()[:24]


def recognise(advert: Advert, nodes: Iterable[NodeId]) -> NodeId | None:
    """Which of `nodes` the announcement claims to be; None for none of them."""
    return next((node for node in nodes if hint_of(node, advert.instance) == advert.hint), None)


def service_name(instance: str) -> str:
    """The full mDNS name of an instance."""
    return f"{instance}.{SERVICE_TYPE}"


def instance_of(name: str) -> str | None:
    """The instance in a full mDNS name; None when the name is not one of ours."""
    label, dot, rest = name.partition(".")
    return label if dot and rest.lower() == SERVICE_TYPE and _INSTANCE.fullmatch(label) else None


def encode(hint: str, pairing_port: int | None = None) -> bytes:
    """The TXT record: length-prefixed `key=value` strings (RFC 6763, section 6)."""
    pairs = [("v", PROTOCOL), ("n", hint)] + ([("pair", str(pairing_port))] if pairing_port is not None else [])
    strings = [f"{key}={value}".encode("ascii") for key, value in pairs]
    return b"".join(bytes((len(each),)) + each for each in strings)


def decode(name: str, text: bytes, port: int | None) -> Advert | None:
    """The announcement in a service's name, TXT record and SRV port; None unless every part is as we write it.

    Never raises. Keys that we do not know are passed over, of a repeated key the first counts.
    """
    instance = instance_of(name)
    pairs = _pairs(text)
    if instance is None or pairs is None or port is None or not _is_port(port) or pairs.get("v") != PROTOCOL:
        return None
    hint, pairing = pairs.get("n", ""), pairs.get("pair")
    if not _HINT.fullmatch(hint) or (pairing is not None and not _is_port_text(pairing)):
        return None
    return Advert(hint, instance, port, int(pairing) if pairing is not None else None)


def _pairs(text: bytes) -> dict[str, str] | None:
    if len(text) > _LONGEST_TEXT:
        return None
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = at + 1 + text[at]
        if end > len(text):
            return None
        key, _, value = text[at + 1 : end].decode("latin-1").partition("=")
        found.setdefault(key.lower(), value)
        at = end
    return found


def _is_port(port: int) -> bool:
    return 1024 <= port <= 65535


def _is_port_text(text: str) -> bool:
    return bool(_PORT.fullmatch(text)) and _is_port(int(text))


def reachable(
    addresses: Sequence[str], own: Sequence[IPv4Interface], allowed: Collection[IPv4Network] = ()
) -> tuple[str, ...]:
    """The announced addresses worth dialling: hosts inside our own subnets, or in the `allowed` networks.

    Never raises. Our own addresses are left out; those in the subnet of our first adapter come first.
    """
    networks = [*(each.network for each in own), *allowed]
    ours = {each.ip for each in own}
    ranked: dict[str, int] = {}
    for text in addresses[: 8 * MOST_ADDRESSES]:
        rank = _rank(text, networks)
        if rank is not None and ipaddress.IPv4Address(text) not in ours:
            ranked[text] = rank
    return tuple(sorted(ranked, key=ranked.__getitem__)[:MOST_ADDRESSES])


def _rank(text: str, networks: Sequence[IPv4Network]) -> int | None:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    return next((rank for rank, network in enumerate(networks) if _is_host(address, network)), None)


def _is_host(address: ipaddress.IPv4Address, network: IPv4Network) -> bool:
    if address not in network:
        return False
    is_edge = address in (network.network_address, network.broadcast_address)
    return network.prefixlen >= 31 or not is_edge
