"""One mDNS responder on an explicit list of adapters: the only place that knows zeroconf.

It announces one service and tells what any service of our type says. All it tells is unauthenticated.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zeroconf import (  # type: ignore[attr-defined]
    DNSAddress,
    DNSOutgoing,
    DNSQuestion,
    DNSQuestionType,
    DNSRecord,
    DNSService,
    DNSText,
    Error,
    IPVersion,
    RecordUpdate,
    RecordUpdateListener,
    ServiceInfo,
    Zeroconf,
    current_time_millis,
)
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
from zeroconf.const import _CLASS_IN, _FLAGS_QR_QUERY, _TYPE_A, _TYPE_PTR, _TYPE_SRV, _TYPE_TXT

from app.cluster.advert import SERVICE_TYPE, instance_of, service_name

logger = logging.getLogger("caravan.cluster.discovery")

MDNS_PORT = 5353
MdnsFailure = (OSError, Error)
"""What a responder may raise."""

_RECORD_SECONDS = 120
_RESOLVE_SECONDS = 2.0
_CLOSE_SECONDS = 2.0
_FIRST_QUESTIONS = 3


@dataclass(frozen=True)
class Records:
    """What is announced of one service: SRV, TXT and A."""

    port: int
    text: bytes
    addresses: tuple[str, ...]


class Voice(RecordUpdateListener):
    """One open mDNS responder.

    `hear` gets the name of a service that spoke and its records, None when they are not complete; `forget` gets an
    instance that said goodbye.
    """

    def __init__(
        self,
        instance: str,
        hear: Callable[[str, Records | None], None],
        forget: Callable[[str], None],
    ) -> None:
        self._instance = instance
        self._own_name = service_name(instance)
        self.said: Records | None = None
        """What is announced now."""
        self.unheard = 1
        """Own announcements since one was heard back; the first is made at once."""
        self._hear, self._forget = hear, forget
        # Opened with a list that fails, zeroconf would leave sockets open; adapters are added afterwards.
        self._mdns = AsyncZeroconf(interfaces=[])
        self._spoken: dict[str, None] = {}
        self._packet: dict[tuple[str, int], list[DNSRecord]] = {}
        self._announced = time.monotonic()
        self._asked, self._questions = 0.0, 0
        self._repeats: set[asyncio.Future[Any]] = set()
        self._announcing: asyncio.Future[Any] | None = None

    async def introduce(self, records: Records) -> None:
        """Listen, and announce the service three times within a second. The name is random: nothing is probed for.

        Raises OSError when none of the addresses can be spoken on.
        """
        self.said = records
        await self._speak_on(records.addresses)
        self._mdns.zeroconf.async_add_listener(self, None)
        registered = await self._mdns.async_register_service(self._service(), cooperating_responders=True)
        self._announcing = self._keep(registered)

    def _unsay(self) -> None:
        """Say nothing any more of what was said so far.

        zeroconf repeats an announcement, and answers up to 1.3 s after a question, our own too, with the records as
        they were then. Sent after the new ones such an answer would win: the new ones that follow repeat a packet of
        the last second, which zeroconf passes over where it is heard.
        """
        if self._announcing is not None:
            self._announcing.cancel()
        for answers in (self._mdns.zeroconf.out_queue, self._mdns.zeroconf.out_delay_queue):
            answers.queue.clear()

    async def change(self, records: Records) -> None:
        """Announce other addresses, text or port, on the adapters as they are now."""
        self.said = records
        self._unsay()
        self._announcing = self._keep(await self._mdns.async_update_service(self._service()))
        self._keep(self._speak_on(records.addresses))
        self._asked, self._questions = 0.0, 0

    def _service(self) -> ServiceInfo:
        assert self.said is not None
        return ServiceInfo(
            SERVICE_TYPE,
            self._own_name,
            port=self.said.port,
            properties=self.said.text,
            server=f"{self._instance}.local.",
            parsed_addresses=list(self.said.addresses),
            host_ttl=_RECORD_SECONDS,
            other_ttl=_RECORD_SECONDS,
        )

    async def _speak_on(self, addresses: Sequence[str]) -> None:
        """Use these addresses; one that fails does not stop the others. Raises OSError when all fail."""
        with contextlib.suppress(OSError):
            return await self._mdns.async_update_interfaces(list(addresses))
        usable: list[str] = []
        problem = OSError("no address")
        for address in addresses:
            try:
                await self._mdns.async_update_interfaces([*usable, address])
                usable.append(address)
            except OSError as error:
                logger.warning("discovery cannot speak on %s: %s", address, error)
                problem = error
        if not usable:
            raise problem

    def announce_if_due(self, period: float) -> None:
        """Speak unasked when `period` seconds passed since the last time."""
        if time.monotonic() - self._announced >= period:
            self._announced = time.monotonic()
            self.unheard += 1
            zeroconf = self._mdns.zeroconf
            zeroconf.async_send(zeroconf.generate_service_broadcast(self._service(), None))

    def ask_if_due(self, period: float) -> None:
        """Ask everybody to speak: at the first calls, then every `period` seconds."""
        if self._questions < _FIRST_QUESTIONS or time.monotonic() - self._asked >= period:
            self._asked = time.monotonic()
            self._questions += 1
            question = DNSOutgoing(_FLAGS_QR_QUERY)
            question.add_question(DNSQuestion(SERVICE_TYPE, _TYPE_PTR, _CLASS_IN))
            self._mdns.zeroconf.async_send(question)

    async def resolve(self, name: str) -> Records | None:
        """Ask for the records of one service; None when they do not come in time."""
        info = AsyncServiceInfo(SERVICE_TYPE, name)
        # Answers by unicast reach only one of the programs that share the port.
        with contextlib.suppress(Error):  # the sockets were closed meanwhile
            await info.async_request(self._mdns.zeroconf, 1000 * _RESOLVE_SECONDS, DNSQuestionType.QM)
        if info.port is None or not info.text or not (addresses := info.parsed_addresses(IPVersion.V4Only)):
            return None
        return Records(info.port, info.text, tuple(addresses))

    async def close(self) -> None:
        """Say goodbye and close the sockets, under a deadline. Interrupted, it may be called again."""
        for repeat in self._repeats:
            repeat.cancel()
        await asyncio.gather(*self._repeats, return_exceptions=True)
        if self in self._mdns.zeroconf.listeners:
            self._mdns.zeroconf.async_remove_listener(self)
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._mdns.async_close()
        except (OSError, TimeoutError, Error) as error:
            logger.warning("discovery did not end cleanly: %s", str(error) or "no goodbye in time")

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Note what a packet says (called by zeroconf with all its records, before they are in its cache)."""
        for record in (update.new for update in records):
            if record.type == _TYPE_PTR and record.name.lower() == SERVICE_TYPE:
                self._note(getattr(record, "alias", ""), record.is_expired(now))
            elif not record.is_expired(now):
                self._packet.setdefault((record.name.lower(), record.type), []).append(record)
                self._note(record.name, False)

    def async_update_records_complete(self) -> None:
        """Take in the services of which the packet spoke (called by zeroconf)."""
        spoken, self._spoken = self._spoken, {}
        for name in spoken:
            self._hear(name, self._records(name))
        self._packet = {}

    def _records(self, name: str) -> Records | None:
        service, text = self._last(name, _TYPE_SRV), self._last(name, _TYPE_TXT)
        if not service or not text:
            return None
        assert isinstance(service[0], DNSService)
        assert isinstance(text[0], DNSText)
        hosts = [each for each in self._last(service[0].server, _TYPE_A) if isinstance(each, DNSAddress)]
        addresses = tuple(socket.inet_ntoa(each.address) for each in hosts if len(each.address) == 4)
        return Records(service[0].port, text[0].text, addresses) if addresses else None

    def _last(self, name: str, kind: int) -> list[DNSRecord]:
        """The records of one kind as they were said last: in this packet, or else the newest in the cache.

        The cache alone will not do. It keeps what was replaced for a while, and a flood of long-lived names leaves no
        room in it for short-lived records.
        """
        if said := self._packet.get((name.lower(), kind)):
            return said
        now = current_time_millis()
        cached = self._mdns.zeroconf.cache.async_all_by_details(name, kind, _CLASS_IN)
        cached = [each for each in cached if not each.is_expired(now)]
        newest = max((each.created for each in cached), default=0.0)
        return [each for each in cached if each.created == newest]

    def _note(self, name: str, is_goodbye: bool) -> None:
        instance = instance_of(name)
        if instance is None:
            return
        if name == self._own_name:
            self.unheard = 0
        elif is_goodbye:
            self._spoken.pop(name, None)
            self._forget(instance)
        else:
            self._spoken[name] = None

    def _keep(self, repeats: Awaitable[Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(repeats)
        self._repeats.add(task)
        task.add_done_callback(self._repeated)
        return task

    def _repeated(self, task: asyncio.Future[Any]) -> None:
        self._repeats.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("discovery could not announce itself: %r", error)


def why_port_is_taken() -> str | None:
    """Bind the mDNS port as zeroconf does, and let go; the system's words when another program keeps it to itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind(("", MDNS_PORT))
        except OSError as error:
            return error.strerror or str(error)
    return None
