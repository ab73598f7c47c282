"""Whether Windows lets other PCs reach this one, watched, told in plain words, and put right on a click.

A network that Windows calls Public, and a firewall without our rule or with a block rule (which a cancelled prompt
leaves behind), are the two ways in which a cluster silently does not come about. What Windows does not say is no
warning. Elsewhere nothing is watched.
"""

import asyncio
import logging
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Protocol

from app.cluster.adapters import choose, read_adapters
from app.schema.errors import CaravanError, InputError, NodeError, NotAllowed
from app.schema.node import HealthWarning
from app.schema.settings import PAIR_PORT, PEER_PORT
from app.system.elevate import Elevation, Ending, elevate
from app.system.elevated import Verb
from app.system.firewall import ENGINE_PROGRAMS
from app.system.firewall_state import FirewallState, firewall_state, lets_in
from app.system.network_profile import ConnectedNetwork, NetworkCategory, adapter_name, networks
from app.system.program import own_command

logger = logging.getLogger("caravan.node.health")

LOOK_SECONDS = 30.0
"""Time between two looks."""

NETWORK_PUBLIC = "network_public"
FIREWALL_BLOCKS = "firewall_blocks"

_TCP = 6
_PRIVATE_HINT = (
    "Click Fix, or in Windows: Settings, Network & internet, the properties of this network, Private network. "
    "Do that only at home or where you trust everybody."
)
_FIREWALL_HINT = (
    "Click Fix, or in Windows: Windows Security, Firewall & network protection, Allow an app through firewall, and "
    "tick Caravan for private networks."
)
_BLOCKS_ALL_HINT = (
    "In Windows: Windows Security, Firewall & network protection, Private network, and untick "
    '"Blocks all incoming connections".'
)


class Elevate(Protocol):
    """Does one fixed thing with administrator rights, after the user agreed."""

    async def __call__(self, verb: Verb, *arguments: str) -> Elevation:
        """What became of it."""


@dataclass(frozen=True)
class HealthTools:
    """What the service looks with. `networks` and `firewall` block and give None for unknown.

    `program` is the full path of the program that listens for peers, `port` where it does, `engines` the engine's
    programs. `is_watched` is False where there is nothing to watch: elsewhere than on Windows.
    """

    networks: Callable[[], tuple[ConnectedNetwork, ...] | None]
    firewall: Callable[[Iterable[str]], FirewallState | None]
    elevate: Elevate
    program: str
    port: Callable[[], int]
    engines: Callable[[], Sequence[str]]
    is_watched: bool


def tools_here(port: Callable[[], int], engines: Callable[[], Sequence[str]], on_the_lan: bool) -> HealthTools:
    """The tools of this PC; a node that peers do not reach over the LAN (`on_the_lan` False) watches nothing."""
    return HealthTools(
        networks=lan_networks,
        firewall=firewall_state,
        elevate=elevate,
        program=listening_program(),
        port=port,
        engines=engines,
        is_watched=sys.platform == "win32" and on_the_lan,
    )


def listening_program() -> str:
    """The program that peers must reach, by full path: the firewall knows no other name of it."""
    if getattr(sys, "frozen", False):
        return own_command()[0]
    # The Python of a virtual environment on Windows only starts the one it was made from.
    return str(getattr(sys, "_base_executable", sys.executable))


def lan_networks() -> tuple[ConnectedNetwork, ...] | None:
    """The networks in which peers may be. Blocking. A VPN or a virtual switch is often Public and does no harm."""
    found = networks()
    if found is None:
        return None
    try:
        real = {each.name for each in read_adapters() if not each.is_virtual and choose([each])}
    except OSError as error:
        logger.info("the network adapters cannot be read: %s", error)
        return found
    return of_adapters(found, real, adapter_name)


def of_adapters(
    found: Iterable[ConnectedNetwork], names: Collection[str], name_of: Callable[[uuid.UUID], str | None]
) -> tuple[ConnectedNetwork, ...]:
    """Those of the networks whose adapter has one of these names, or none that Windows knows."""
    return tuple(each for each in found if (name := name_of(each.adapter)) is None or name in names)


@dataclass(frozen=True)
class Seen:
    """What Windows said at one look; None is unknown."""

    networks: tuple[ConnectedNetwork, ...] | None
    firewall: FirewallState | None

    @property
    def public(self) -> tuple[ConnectedNetwork, ...]:
        """The networks that Windows calls Public."""
        return tuple(each for each in self.networks or () if each.category is NetworkCategory.PUBLIC)


def judge(seen: Seen, program: str, port: int) -> tuple[HealthWarning, ...]:
    """PURE: what a person should know of it."""
    return (*_network(seen, program, port), *_firewall(seen, program, port))


def _network(seen: Seen, program: str, port: int) -> tuple[HealthWarning, ...]:
    # Where the firewall is off or lets us in all the same, a Public network does no harm.
    is_open = seen.firewall and lets_in(seen.firewall, program, port, _TCP, NetworkCategory.PUBLIC)
    if not seen.public or is_open:
        return ()
    names = _names(seen.public)
    sentence = f"This PC's network{names} is set to Public, so Windows blocks other PCs."
    return (HealthWarning(code=NETWORK_PUBLIC, sentence=sentence, hint=_PRIVATE_HINT),)


def _firewall(seen: Seen, program: str, port: int) -> tuple[HealthWarning, ...]:
    """The firewall as it is in the networks that are not Public, or will be once they are Private."""
    if seen.firewall is None:
        return ()
    found = {each.category for each in seen.networks or ()} - {NetworkCategory.PUBLIC} or {NetworkCategory.PRIVATE}
    closed = [each for each in sorted(found) if lets_in(seen.firewall, program, port, _TCP, each) is False]
    if not closed:
        return ()
    blocks_all = any(seen.firewall.profiles[each].blocks_all for each in closed)
    hint = _BLOCKS_ALL_HINT if blocks_all else _FIREWALL_HINT
    sentence = "The Windows firewall on this PC does not let other PCs reach Caravan."
    return (HealthWarning(code=FIREWALL_BLOCKS, sentence=sentence, hint=hint),)


def _names(networks: Sequence[ConnectedNetwork]) -> str:
    named = [f'"{each.name}"' for each in networks if each.name]
    return f" {' and '.join(named)}" if named else ""


def engine_programs(programs: Iterable[str]) -> tuple[str, ...]:
    """PURE: those of the engine's programs that the firewall helper knows by their names."""
    return tuple(each for each in programs if PureWindowsPath(each).name.lower() in ENGINE_PROGRAMS)


class Health:
    """Looks every half minute and warns; `fix` puts right what can be, with the user's consent to Windows."""

    def __init__(self, tools: HealthTools, warn: Callable[[tuple[HealthWarning, ...]], None]) -> None:
        self._tools = tools
        self._warn = warn
        self._fixing = asyncio.Lock()

    async def run(self, period: float = LOOK_SECONDS) -> None:
        """Look until cancelled."""
        while self._tools.is_watched:
            await self._look()
            await asyncio.sleep(period)

    async def fix(self, code: str) -> str:
        """Put right what a warning of this code says; returns what happened, in a sentence.

        Raises InputError for a code that has no fix, NotAllowed when the user refuses or this is not Windows, NodeError
        when it had no effect.
        """
        work = {NETWORK_PUBLIC: self._make_private, FIREWALL_BLOCKS: self._allow}.get(code)
        if work is None:
            raise InputError(f"There is no fix for {code!r}.", f"There is one for {NETWORK_PUBLIC}, {FIREWALL_BLOCKS}.")
        if not self._tools.is_watched:
            ports = f"{PEER_PORT}, {PAIR_PORT} and UDP port 5353"
            raise NotAllowed(
                "Caravan changes networks and firewalls on Windows only.",
                f"If a firewall runs on this PC, open TCP ports {ports} for the local network in it.",
            )
        async with self._fixing:
            done = await work()
            left = {each.code: each for each in judge(await self._look(), self._tools.program, self._tools.port())}
        if code in left:
            raise NodeError(f"That did not help. {left[code].sentence}", left[code].hint)
        return done

    async def _look(self) -> Seen:
        seen = await asyncio.to_thread(self._see)
        self._warn(judge(seen, self._tools.program, self._tools.port()))
        return seen

    def _see(self) -> Seen:
        return Seen(self._tools.networks(), self._tools.firewall((self._tools.program,)))

    async def _make_private(self) -> str:
        seen = await asyncio.to_thread(self._see)
        if seen.networks is None:
            raise NodeError("Windows does not say which networks this PC is in.", _PRIVATE_HINT)
        for network in seen.public:
            _check(await self._tools.elevate(Verb.NETWORK_PRIVATE, str(network.adapter)), _PRIVATE_HINT)
        if not seen.public:
            return "None of this PC's networks is set to Public."
        return f"This PC's network{_names(seen.public)} is set to Private now."

    async def _allow(self) -> str:
        engines = engine_programs(self._tools.engines())
        _check(await self._tools.elevate(Verb.FIREWALL_ALLOW, *engines), _FIREWALL_HINT)
        return "The Windows firewall lets the PCs of your network reach Caravan now."


def _check(elevation: Elevation, hint: str) -> None:
    """Raises what a person is told when it was not done."""
    if elevation.ending is Ending.DONE:
        return
    logger.warning("Windows was not changed: %s", elevation.reason)
    error: type[CaravanError] = NotAllowed if elevation.ending is Ending.REFUSED else NodeError
    again = "Try again, and answer Yes when Windows asks." if error is NotAllowed else hint
    raise error(f"Nothing was changed: {elevation.reason}.", again)
