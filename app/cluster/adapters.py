"""The network adapters on which discovery speaks: an explicit list, real ones first.

The system's own choice is often a virtual switch or a VPN, because these have the lowest metric.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import psutil

MOST_ADDRESSES = 8
"""Addresses used and announced at most."""

_VIRTUAL_NAME = re.compile(
    r"^(vethernet|docker|br-|veth|virbr|vmnet|vboxnet|vnet|tun|tap|utun|wg|ppp|zt|lxc|lxd|cni|flannel|cali|podman)"
    r"|wsl|hyper-v|virtualbox|vmware|tailscale|wireguard|zerotier|openvpn|nordlynx|hamachi|tap-windows|loopback",
    re.IGNORECASE,
)
_VIRTUAL_HARDWARE = ("0a:00:27:", "00:50:56:c0:", "02:42:")
"""How the hardware addresses begin of the PC's own ends of VirtualBox, VMware and Docker networks."""


@dataclass(frozen=True)
class Adapter:
    """One network adapter. `is_multicast` is None where the system does not say (Windows)."""

    name: str
    addresses: tuple[IPv4Interface, ...]
    is_up: bool
    is_multicast: bool | None = None
    hardware_address: str | None = None

    @property
    def is_virtual(self) -> bool:
        """Whether it looks like a switch or a tunnel that a program made."""
        hardware = (self.hardware_address or "").lower().replace("-", ":")
        return bool(_VIRTUAL_NAME.search(self.name)) or hardware.startswith(_VIRTUAL_HARDWARE)


def choose(adapters: Sequence[Adapter]) -> tuple[IPv4Interface, ...]:
    """The addresses to speak on, with their subnets: those of real adapters first, at most `MOST_ADDRESSES`.

    Left out: adapters that are down or cannot multicast; loopback, link-local (169.254/16) and impossible addresses.
    The order depends on nothing but names and addresses.
    """
    usable = [each for each in adapters if each.is_up and each.is_multicast is not False]
    ordered = sorted(usable, key=lambda each: (each.is_virtual, each.name))
    found: dict[IPv4Address, IPv4Interface] = {}
    for address in (address for adapter in ordered for address in sorted(adapter.addresses)):
        if _is_lan(address):
            found.setdefault(address.ip, address)
    return tuple(found.values())[:MOST_ADDRESSES]


def _is_lan(address: IPv4Interface) -> bool:
    ip = address.ip
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)


def read_adapters() -> tuple[Adapter, ...]:
    """The adapters of this PC as they are now. Blocking, some milliseconds. Raises OSError when they cannot be read."""
    states = psutil.net_if_stats()
    return tuple(_adapter(name, rows, states[name]) for name, rows in psutil.net_if_addrs().items() if name in states)


def usable_addresses() -> tuple[IPv4Interface, ...]:
    """`choose` over this PC's adapters. Blocking. Raises OSError when they cannot be read."""
    return choose(read_adapters())


def _adapter(name: str, rows: Sequence[Any], state: Any) -> Adapter:
    flags = frozenset(state.flags.split(",")) if state.flags else None
    return Adapter(
        name=name,
        addresses=tuple(_interface(row) for row in rows if row.family == socket.AF_INET),
        is_up=state.isup,
        is_multicast=None if flags is None else "multicast" in flags and "loopback" not in flags,
        hardware_address=next((row.address for row in rows if row.family == psutil.AF_LINK), None),
    )


def _interface(row: Any) -> IPv4Interface:
    return ipaddress.IPv4Interface(f"{row.address}/{row.netmask or 32}")
