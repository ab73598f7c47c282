"""Discovery: announce this node over mDNS on the real adapters, and keep the table of the others that were heard.

Whatever goes wrong on the network becomes a warning in plain words; the service goes on and tries again.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from app.cluster.adapters import usable_addresses
from app.cluster.advert import decode, encode, hint_of, reachable
from app.cluster.multicast import MdnsFailure, Records, Voice, why_port_is_taken
from app.cluster.sightings import LIFETIME, Sightings
from app.schema.node import HealthWarning
from app.schema.record import NodeId
from app.schema.sighting import Sighting

logger = logging.getLogger("caravan.cluster.discovery")

_RESOLVERS = 4
_MOST_UNRESOLVED = 32
_PUBLISH_PAUSE = 0.2
_MOST_UNHEARD = 1
"""Own announcements in a row that may get lost before the sockets are opened anew."""


@dataclass(frozen=True)
class Pace:
    """How often discovery does what, in seconds.

    `announce`: this node speaks without being asked; `lifetime`: others are forgotten without a word from them;
    `rescan`: the adapters are looked at; `ask`: everybody is asked to speak.
    """

    announce: float = 15.0
    lifetime: float = LIFETIME
    rescan: float = 3.0
    ask: float = 60.0


class Discovery:
    """Makes this node known on the LAN and others known to it.

    `publish` gets all sightings whenever one changed visibly (a mere repetition is no change), `warn` all warnings of
    discovery whenever they changed; both are called on the loop and must not block. `look` reads this PC's addresses in
    a thread. `allowed` are networks besides the own subnets from which addresses are taken.
    """

    def __init__(
        self,
        node: NodeId,
        port: int,
        publish: Callable[[tuple[Sighting, ...]], None],
        warn: Callable[[tuple[HealthWarning, ...]], None],
        *,
        pace: Pace = Pace(),
        look: Callable[[], tuple[IPv4Interface, ...]] = usable_addresses,
        allowed: Collection[IPv4Network] = (),
    ) -> None:
        self.instance = secrets.token_hex(8)
        self._node, self._port = node, port
        self._hint = hint_of(node, self.instance)
        self._pairing_port: int | None = None
        self._names: Mapping[NodeId, str] = {}
        self._publish, self._warn = publish, warn
        self._pace, self._look, self._allowed = pace, look, allowed
        self._table = Sightings(node, self.instance, pace.lifetime)
        self._addresses: tuple[IPv4Interface, ...] = ()
        self._voice: Voice | None = None
        self._problem: HealthWarning | None = None
        self._unresolved: asyncio.Queue[str] = asyncio.Queue(_MOST_UNRESOLVED)
        self._news, self._prod = asyncio.Event(), asyncio.Event()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of this PC that are announced."""
        return tuple(str(each.ip) for each in self._addresses)

    def set_pairing(self, port: int | None) -> None:
        """Announce that a pairing dialog is open at `port`, or with None that none is."""
        self._pairing_port = port
        self._prod.set()

    def set_known(self, names: Mapping[NodeId, str]) -> None:
        """Set the trusted peers to recognise, with the names that warnings call them by."""
        self._names = dict(names)
        self._table.know(self._names.keys())
        self._news.set()

    async def run(self) -> None:
        """Announce and listen until cancelled, then say goodbye. Never raises for what the network does."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tend(), name="discovery: tend")
                group.create_task(self._tell(), name="discovery: tell")
                for number in range(_RESOLVERS):
                    group.create_task(self._resolve(), name=f"discovery: resolve {number}")
        finally:
            await self._silence()

    async def _tend(self) -> None:
        """Follow the adapters, speak when it is time, forget who fell silent."""
        while True:
            self._prod.clear()
            try:
                await self._follow_adapters()
                self._speak()
            except MdnsFailure as error:
                await self._give_up(_failed(error))
            self._table.expire(time.monotonic())
            self._news.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.rescan):
                    await self._prod.wait()

    async def _follow_adapters(self) -> None:
        try:
            self._addresses = await asyncio.to_thread(self._look)
        except OSError as error:
            logger.debug("the network adapters cannot be read: %s", error)
            self._addresses = ()
        if not self._addresses:
            return await self._give_up(_NO_ADAPTER)
        if self._voice is not None and self._voice.unheard > _MOST_UNHEARD:
            logger.warning("not even our own announcement is heard; the sockets are opened anew")
            await self._give_up(_DEAF)
        records = Records(self._port, encode(self._hint, self._pairing_port), self.addresses)
        if self._voice is None:
            await self._open(records)
        elif self._voice.said != records:
            logger.info("discovery now speaks on %s", ", ".join(self.addresses))
            await self._voice.change(records)

    async def _open(self, records: Records) -> None:
        if (reason := why_port_is_taken()) is not None:
            return await self._give_up(_port_taken(reason))
        logger.info("discovery speaks on %s", ", ".join(self.addresses))
        self._voice = Voice(self.instance, self._hear, self._forget)
        await self._voice.introduce(records)

    def _speak(self) -> None:
        if self._voice is None:
            return
        self._voice.announce_if_due(self._pace.announce)
        self._voice.ask_if_due(self._pace.ask)
        if self._voice.unheard == 0:
            self._set_problem(None)

    async def _give_up(self, problem: HealthWarning) -> None:
        self._set_problem(problem)
        await self._silence()

    async def _silence(self) -> None:
        # Cancelled in here, it is called once more by `run`: the voice stays until it is closed.
        if self._voice is not None:
            await self._voice.close()
            self._voice = None

    def _set_problem(self, problem: HealthWarning | None) -> None:
        if problem != self._problem:
            if problem is not None:
                logger.warning("%s", problem.sentence)
            self._problem = problem
            self._news.set()

    def _hear(self, name: str, records: Records | None) -> None:
        """Take in what a service just said of itself; what was not said is asked for."""
        if records is None:
            with contextlib.suppress(asyncio.QueueFull):
                self._unresolved.put_nowait(name)
            return
        advert = decode(name, records.text, records.port)
        if advert is not None:
            addresses = reachable(records.addresses, self._addresses, self._allowed)
            before = self._table.revision
            self._table.hear(advert, addresses, time.monotonic(), time.time())
            if self._table.revision != before:
                self._news.set()

    def _forget(self, instance: str) -> None:
        self._table.bye(instance)
        self._news.set()

    async def _resolve(self) -> None:
        while True:
            name = await self._unresolved.get()
            if self._voice is not None and (records := await self._voice.resolve(name)) is not None:
                self._hear(name, records)

    async def _tell(self) -> None:
        """Publish what is new, at most five times a second."""
        revision = self._table.revision
        warnings: tuple[HealthWarning, ...] = ()
        while True:
            await self._news.wait()
            self._news.clear()
            if self._table.revision != revision:
                revision = self._table.revision
                self._publish(self._table.view())
            if (now := self._warnings()) != warnings:
                warnings = now
                self._warn(now)
            await asyncio.sleep(_PUBLISH_PAUSE)

    def _warnings(self) -> tuple[HealthWarning, ...]:
        doubled = (self._double_warning(node) for node in sorted(self._table.doubled))
        return (*((self._problem,) if self._problem else ()), *doubled)

    def _double_warning(self, node: NodeId) -> HealthWarning:
        who = "this PC" if node == self._node else self._names.get(node, "a trusted PC")
        return HealthWarning(
            code="same_key_on_two_pcs",
            sentence=f"Two PCs on this network announce the identity of {who}.",
            hint="Was a disk or a data folder copied? Delete Caravan's data folder on the copy and let it join again.",
        )


_TYPE_IT = "PCs that joined before are still found at their last address; to join another one, type its address."

_NO_ADAPTER = HealthWarning(
    code="discovery_no_network",
    sentence="This PC is in no local network, so Caravan finds no other PCs.",
    hint="Connect it by cable or Wi-Fi.",
)

_DEAF = HealthWarning(
    code="discovery_blocked",
    sentence="Something on this PC blocks discovery (mDNS, UDP port 5353): Caravan does not hear its own announcement.",
    hint=f"Allow Caravan in the firewall. {_TYPE_IT}",
)


def _port_taken(reason: str) -> HealthWarning:
    return HealthWarning(
        code="discovery_port_taken",
        sentence=f"Caravan cannot use UDP port 5353 of this PC to find other PCs: {reason}.",
        hint=f"Another program may keep the port to itself. {_TYPE_IT}",
    )


def _failed(error: Exception) -> HealthWarning:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return HealthWarning(
        code="discovery_failed",
        sentence=f"Caravan cannot look for other PCs on the network of this PC: {reason}.",
        hint=f"It goes on trying. {_TYPE_IT}",
    )
