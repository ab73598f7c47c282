"""The trusted peers and what runs to and from each: streams, bytes, round trips."""

import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from app.cluster.link_process.messages import LinkPeer, LinkState, Refused
from app.cluster.link_process.wire import Count, Wire
from app.schema.record import NodeId

ROUND_TRIPS = 64
"""Measured round trips kept per peer."""

STREAMS_PER_PEER = 128


def percentile(samples: tuple[float, ...], share: float) -> float | None:
    """The smallest sample that at least `share` of all do not exceed (nearest rank); None without samples."""
    if not samples:
        return None
    ranked = sorted(samples)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


@dataclass
class Link:
    """One trusted peer."""

    peer: LinkPeer
    wires: set[Wire] = field(default_factory=set)
    sent: Count = field(default_factory=Count)
    received: Count = field(default_factory=Count)
    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=ROUND_TRIPS))
    good_address: str | None = None
    problem: str | None = None
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)
    """What it is dialled with, by protocol."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where to dial, the last good one first."""
        others = tuple(each for each in self.peer.addresses if each != self.good_address)
        return (self.good_address, *others) if self.good_address else others

    def state(self) -> LinkState:
        """How it is now."""
        samples = tuple(self.round_trips)
        return LinkState(
            peer=self.peer.node,
            connected=bool(self.wires),
            address=self.good_address,
            streams=len(self.wires),
            round_trip_p50=percentile(samples, 0.5),
            round_trip_p95=percentile(samples, 0.95),
            sent=self.sent.total,
            received=self.received.total,
            problem=self.problem,
        )


class Links:
    """All trusted peers.

    `changed` hears of each that gets its first stream, is reached at another address, or loses its last stream.
    """

    def __init__(self, changed: Callable[[LinkState], None]) -> None:
        self._changed = changed
        self._links: dict[NodeId, Link] = {}

    @property
    def nodes(self) -> frozenset[NodeId]:
        """Who is trusted."""
        return frozenset(self._links)

    def states(self) -> tuple[LinkState, ...]:
        """How all links are now."""
        return tuple(link.state() for link in self._links.values())

    def total(self) -> int:
        """Bytes that passed so far over all links together, without pings and measurements."""
        return sum(link.sent.total + link.received.total for link in self._links.values())

    def get(self, node: NodeId) -> Link | None:
        """The link to a peer, None when it is not trusted."""
        return self._links.get(node)

    def trust(self, peers: tuple[LinkPeer, ...]) -> None:
        """Keep exactly these; the streams of others, and of a changed certificate, are cut."""
        wanted = {peer.node: peer for peer in peers}
        for node, link in list(self._links.items()):
            kept = wanted.get(node)
            if kept is None or kept.certificate != link.peer.certificate:
                del self._links[node]
                for wire in tuple(link.wires):
                    wire.abort()
        for node, peer in wanted.items():
            self._links.setdefault(node, Link(peer)).peer = peer

    def cut(self, node: NodeId) -> None:
        """Cut all streams of a peer."""
        link = self._links.get(node)
        for wire in tuple(link.wires) if link else ():
            wire.abort()

    def open(self, link: Link, wire: Wire, address: str | None = None) -> None:
        """A proven connection of this peer, which we dialled at `address` or which dialled us (None).

        The caller calls `close` when it is gone.
        """
        is_news = not link.wires or address not in (None, link.good_address)
        link.good_address = address or link.good_address
        link.wires.add(wire)
        if is_news:
            self._changed(link.state())

    def close(self, link: Link, wire: Wire) -> None:
        """That connection is gone."""
        if wire in link.wires:
            link.wires.discard(wire)
            if not link.wires:
                self._changed(link.state())


class Refusals:
    """How often connections were refused, by reason."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, reason: Refused) -> None:
        """One more."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
