"""Several hosts on one machine: network namespaces with an address each, on a bridge in a namespace of its own.

Nothing is added to the machine's own network, and a bed ends with its namespaces. Their names carry the owner's process
id and start time: the next bed removes what a killed owner left behind, programs included.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.system.spawn import Child, Finished, run_short, start_child

PREFIX = "caravan"
NETWORK = "10.77.0"
LAN_DEVICE = "eth0"
_NAME = re.compile(PREFIX + r"-(\d+)-(\d+)-[a-z0-9]+-[a-z0-9]+")
_COMMAND_SECONDS = 60.0


class BedError(Exception):
    """A command that shapes the bed failed; its words are the message."""


def why_not() -> str | None:
    """Why there can be no bed here, for a person; None when there can be one."""
    if sys.platform != "linux":
        return "network namespaces exist only on Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [each for each in ("ip", "tc", "nft") if shutil.which(each) is None]
    return f"{', '.join(missing)} missing: apt-get install iproute2 nftables" if missing else None


async def command(*argv: str) -> str:
    """Run a command that shapes the bed; returns what it printed. Raises BedError when it fails."""
    done = await run_short(argv, deadline=_COMMAND_SECONDS)
    if done.returncode != 0:
        raise BedError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@dataclass(frozen=True, order=True)
class Listener:
    """A bound socket: TCP that listens, or UDP."""

    protocol: str
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only its own host reaches it."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass
class Host:
    """One host of a bed. `address` is its first one on the LAN."""

    name: str
    namespace: str
    address: str
    children: list[Child] = field(default_factory=list)

    def inside(self, *argv: str) -> tuple[str, ...]:
        """The command line that runs `argv` in this host. The program keeps the process id of its starter."""
        return ("ip", "netns", "exec", self.namespace, *argv)

    async def run(self, *argv: str, deadline: float = 60.0) -> Finished:
        """Run a program in this host to its end."""
        return await run_short(self.inside(*argv), deadline=deadline)

    async def start(
        self, *argv: str, on_line: Callable[[str, str], None], env: Mapping[str, str] | None = None
    ) -> Child:
        """Start a program in this host; the test stops it (`kill` counts)."""
        child = await start_child(self.inside(*argv), on_line=on_line, env=env, with_stdin=True)
        self.children.append(child)
        return child

    async def kill(self) -> None:
        """Power cut: every program of this host gets SIGKILL; nothing is said to anybody."""
        for pid in await self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for child in self.children:
            await child.wait()

    async def pids(self) -> tuple[int, ...]:
        """The processes that run in this host."""
        return tuple(int(each) for each in (await command("ip", "netns", "pids", self.namespace)).split())

    async def packets_sent(self, device: str = LAN_DEVICE) -> int:
        """How many packets left this host so far."""
        links = json.loads(await command("ip", "-n", self.namespace, "-s", "-json", "link", "show", device))
        return int(links[0]["stats64"]["tx"]["packets"])

    async def limit(self, bits_per_second: int, device: str = LAN_DEVICE) -> None:
        """Limit what this host sends."""
        burst = max(16_000, bits_per_second // 8 // 100)
        rate = ("rate", f"{bits_per_second}bit", "burst", str(burst), "latency", "400ms")
        await command("tc", "-n", self.namespace, "qdisc", "replace", "dev", device, "root", "tbf", *rate)

    async def unlimit(self, device: str = LAN_DEVICE) -> None:
        """Take the limit away."""
        await command("tc", "-n", self.namespace, "qdisc", "del", "dev", device, "root")

    async def drop(
        self,
        *,
        incoming: bool = True,
        outgoing: bool = True,
        peers: Iterable[str] = (),
        match: str = "",
        percent: int = 100,
    ) -> None:
        """Lose packets without a word, at this host's door, until `heal`.

        `peers` are the addresses concerned, all without any; `match` is an nft expression such as `udp dport 5353`.
        Loopback is never touched.
        """
        share = f"numgen random mod 100 < {percent}" if percent < 100 else ""
        of = ", ".join(peers)
        rules = ["add table inet bed"]
        for chain, device, side, wanted in (
            ("input", "iifname", "saddr", incoming),
            ("output", "oifname", "daddr", outgoing),
        ):
            if wanted:
                who = f"ip {side} {{ {of} }}" if of else ""
                rules.append(f"add chain inet bed {chain} {{ type filter hook {chain} priority 0 ; }}")
                rules.append(f'add rule inet bed {chain} {device} != "lo" {who} {match} {share} drop')
        await command(*self.inside("nft", "; ".join(rules)))

    async def heal(self) -> None:
        """Lose no packets any more."""
        await command(*self.inside("nft", "add table inet bed ; delete table inet bed"))

    async def link(self, up: bool, device: str = LAN_DEVICE) -> None:
        """Pull the cable, or put it back."""
        await self._ip("link", "set", device, "up" if up else "down")

    async def add_address(self, address: str, device: str = LAN_DEVICE) -> None:
        """Add an address, written with its prefix length (`10.77.0.9/24`)."""
        await self._ip("address", "add", address, "broadcast", "+", "dev", device)

    async def remove_address(self, address: str, device: str = LAN_DEVICE) -> None:
        """Take an address away. A second one in the same subnet stays."""
        await self._ip("address", "del", address, "dev", device)

    async def add_adapter(self, name: str, address: str) -> None:
        """Add an adapter that leads nowhere, with an address, up: what a VPN or a virtual switch looks like."""
        await self._ip("link", "add", "name", name, "type", "veth", "peer", "name", f"{name}-far")
        await self._ip("link", "set", f"{name}-far", "up")
        await self._ip("link", "set", name, "up")
        await self.add_address(address, name)

    async def remove_adapter(self, name: str) -> None:
        """Take an adapter away."""
        await self._ip("link", "del", name)

    async def listeners(self) -> tuple[Listener, ...]:
        """The sockets of this host that wait for anybody: listening TCP, unconnected UDP."""
        found: set[Listener] = set()
        for protocol in ("tcp", "tcp6", "udp", "udp6"):
            table = await command(*self.inside("cat", f"/proc/net/{protocol}"))
            found |= {each for line in table.splitlines()[1:] if (each := _listener(protocol[:3], line))}
        return tuple(sorted(found))

    async def audit(self, expected: Callable[[Listener], bool]) -> None:
        """Fail when a socket waits that is not expected."""
        strangers = [each for each in await self.listeners() if not expected(each)]
        assert not strangers, f"unexpected listeners in {self.name}: {strangers}"

    async def _ip(self, *argv: str) -> None:
        await command("ip", "-n", self.namespace, *argv)


def _listener(protocol: str, line: str) -> Listener | None:
    local, remote, state = line.split()[1:4]
    waits = state == ("0A" if protocol == "tcp" else "07") and remote.endswith(":0000")
    if not waits:
        return None
    address, port = local.split(":")
    return Listener(protocol, _address(address), int(port, 16))


def _address(text: str) -> str:
    """The address in /proc/net: 32-bit words in the byte order of the machine."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    if len(words) == 1:
        return ".".join(str(each) for each in words[0])
    plain = {bytes(16): "::", bytes(15) + b"\x01": "::1"}
    raw = b"".join(words)
    return plain.get(raw) or (
        ".".join(str(each) for each in raw[12:]) if raw[10:12] == b"\xff\xff" else raw.hex(":", 2)
    )


class Bed:
    """The hosts of one LAN, by name. Made by `open_bed`."""

    def __init__(self, stem: str, hosts: Mapping[str, Host]) -> None:
        self.hosts = dict(hosts)
        self.switch = f"{stem}-switch"

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    async def partition(self, group: Sequence[str]) -> None:
        """Cut the LAN in two: the hosts of `group` and all others. `heal` ends it."""
        others = [host.address for host in self.hosts.values() if host.name not in group]
        for name in group:
            await self.hosts[name].drop(peers=[*others])

    async def heal(self) -> None:
        """Lose no packets any more, anywhere."""
        for host in self.hosts.values():
            await host.heal()

    async def unplug(self, name: str) -> None:
        """Pull a host's cable at the switch: its own adapter sees the carrier go."""
        await command("ip", "-n", self.switch, "link", "set", f"to-{name}", "down")

    async def plug(self, name: str) -> None:
        """Put it back."""
        await command("ip", "-n", self.switch, "link", "set", f"to-{name}", "up")

    async def leftovers(self) -> tuple[str, ...]:
        """The programs still running in the hosts, as `host: command line`."""
        found = []
        for host in self.hosts.values():
            for pid in await host.pids():
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.append(f"{host.name}: {' '.join(psutil.Process(pid).cmdline())[:120]}")
        return tuple(found)


@contextlib.asynccontextmanager
async def open_bed(*names: str, tag: str = "bed") -> AsyncIterator[Bed]:
    """A LAN of hosts with short lower-case `names`; the first has 10.77.0.1. Fails at the end if a program still runs.

    Everything is removed at the end, come what may. `tag` tells the beds of one owner apart.
    """
    reason = why_not()
    if reason is not None:
        raise BedError(reason)
    await remove_abandoned()
    stem = f"{PREFIX}-{os.getpid()}-{_start_of(os.getpid())}-{tag}"
    hosts = {name: Host(name, f"{stem}-{name}", f"{NETWORK}.{number}") for number, name in enumerate(names, 1)}
    bed = Bed(stem, hosts)
    try:
        await _build(bed)
        yield bed
        left = await bed.leftovers()
    finally:
        for namespace in (*(host.namespace for host in hosts.values()), bed.switch):
            await _remove(namespace)
        for host in hosts.values():
            for child in host.children:
                await child.wait()
    assert not left, f"programs still run in the hosts: {left}"


async def _build(bed: Bed) -> None:
    switch = ("ip", "-n", bed.switch)
    await command("ip", "netns", "add", bed.switch)
    # Without snooping a bridge passes every multicast on, as a simple switch does.
    await command(*switch, "link", "add", "lan", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
    await command(*switch, "link", "set", "lan", "up")
    for host in bed.hosts.values():
        port, own = f"to-{host.name}", ("ip", "-n", host.namespace)
        await command("ip", "netns", "add", host.namespace)
        ends = ("name", port, "type", "veth", "peer", "name", LAN_DEVICE, "netns", host.namespace)
        await command(*switch, "link", "add", *ends)
        await command(*switch, "link", "set", port, "master", "lan", "up")
        await command(*own, "link", "set", "lo", "up")
        await command(*own, "link", "set", LAN_DEVICE, "up")
        # As Windows does: an address that goes does not take the others of its subnet with it.
        promote = "echo 1 > /proc/sys/net/ipv4/conf/all/promote_secondaries"
        await command(*host.inside("sh", "-c", promote))
        await host.add_address(f"{host.address}/24")


async def remove_abandoned() -> tuple[str, ...]:
    """Remove the beds whose owner is dead, with the programs in them; returns their namespaces."""
    names = [each.name for each in Path("/run/netns").iterdir()] if Path("/run/netns").is_dir() else []
    abandoned = tuple(name for name in names if (found := _NAME.fullmatch(name)) and _is_dead(*found.groups()))
    for name in abandoned:
        await _remove(name)
    return abandoned


def _is_dead(pid: str, start: str) -> bool:
    return _start_of(int(pid)) != int(start)


def _start_of(pid: int) -> int | None:
    """When a process started, in ticks since boot: with its id, unique until the next boot."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None


async def _remove(namespace: str) -> None:
    if not Path("/run/netns", namespace).exists():
        return
    for pid in (await command("ip", "netns", "pids", namespace)).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    await command("ip", "netns", "del", namespace)
