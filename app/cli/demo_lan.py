"""The LAN of `caravan demo --hosts`: hosts with addresses of their own on one Linux machine.

Each is a network namespace on a bridge that lives in one more namespace, so the machine's own network is not touched.
Their names carry our process id: what a killed demo left behind is removed by the next one.
"""

import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from app.schema.errors import InputError, NodeError
from app.system.program import own_command
from app.system.spawn import run_short

NETWORK = "10.78.0"
_NAME = re.compile(r"caravandemo-(\d+)-[a-z0-9]+")
_NAMESPACES = Path("/run/netns")
_COMMAND_SECONDS = 10.0


@dataclass(frozen=True)
class DemoHost:
    """One host: its name for people, the namespace it is, its address, and the folder of its node."""

    name: str
    namespace: str
    address: str
    folder: Path

    def caravan(self, *arguments: str) -> tuple[str, ...]:
        """The command line that runs Caravan itself in this host, on this host's folder."""
        return ("ip", "netns", "exec", self.namespace, *own_command("--data-dir", str(self.folder), *arguments))


def check_possible() -> None:
    """Raises InputError with the reason when this machine cannot have such hosts."""
    hint = "`caravan demo` without --hosts runs everywhere."
    if sys.platform != "linux":
        raise InputError("Hosts with addresses of their own on one machine exist only on Linux.", hint)
    if os.geteuid() != 0:
        raise InputError("Making hosts with addresses of their own needs root.", f"Run it with sudo. {hint}")
    if shutil.which("ip") is None:
        raise InputError("The program `ip` is missing.", f"Install iproute2. {hint}")


async def _ip(*arguments: str) -> str:
    done = await run_short(("ip", *arguments), deadline=_COMMAND_SECONDS)
    if done.returncode != 0:
        raise NodeError(
            "This machine did not let the demo make its hosts.",
            "In a container, network namespaces may be forbidden.",
            (f"ip {' '.join(arguments)}: {done.stderr.strip()}",),
        )
    return done.stdout


@contextlib.asynccontextmanager
async def demo_lan(count: int) -> AsyncIterator[tuple[DemoHost, ...]]:
    """That many hosts on one LAN; they and their folders are gone afterwards. Raises InputError, NodeError."""
    check_possible()
    await _remove_abandoned()
    stem = f"caravandemo-{os.getpid()}"
    async with AsyncExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="caravan-demo-"))
        stack.push_async_callback(asyncio.to_thread, shutil.rmtree, root, True)
        switch = await _namespace(stack, f"{stem}-switch")
        await _ip("-n", switch, "link", "add", "lan", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
        await _ip("-n", switch, "link", "set", "lan", "up")
        hosts = []
        for number in range(1, count + 1):
            namespace = await _namespace(stack, f"{stem}-pc{number}")
            await _plug_in(switch, namespace, number)
            hosts.append(DemoHost(f"PC {number}", namespace, f"{NETWORK}.{number}", root / f"pc-{number}"))
        yield tuple(hosts)


async def _namespace(stack: AsyncExitStack, name: str) -> str:
    stack.push_async_callback(_remove, name)
    await _ip("netns", "add", name)
    return name


async def _plug_in(switch: str, namespace: str, number: int) -> None:
    ends = ("name", f"to-pc{number}", "type", "veth", "peer", "name", "eth0", "netns", namespace)
    await _ip("-n", switch, "link", "add", *ends)
    await _ip("-n", switch, "link", "set", f"to-pc{number}", "master", "lan", "up")
    await _ip("-n", namespace, "link", "set", "lo", "up")
    await _ip("-n", namespace, "link", "set", "eth0", "up")
    await _ip("-n", namespace, "address", "add", f"{NETWORK}.{number}/24", "broadcast", "+", "dev", "eth0")


async def _remove(namespace: str) -> None:
    """Remove a namespace and with it its adapters; programs still in it are killed."""
    if not (_NAMESPACES / namespace).exists():
        return
    for pid in (await _ip("netns", "pids", namespace)).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    await _ip("netns", "del", namespace)


async def _remove_abandoned() -> None:
    for name in await asyncio.to_thread(_abandoned):
        await _remove(name)


def _abandoned() -> list[str]:
    """The namespaces of demos whose process is gone."""
    names = [each.name for each in _NAMESPACES.iterdir()] if _NAMESPACES.is_dir() else []
    found = [(name, match.group(1)) for name in names if (match := _NAME.fullmatch(name))]
    return [name for name, pid in found if not Path("/proc", pid).exists()]
