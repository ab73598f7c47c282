"""What the node and its link process say to each other: one JSON object per line, orders in, events out.

Every order has a number and gets exactly one `Answered` with it. The other events come by themselves.
"""

import base64
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from app.schema.record import Bytes, NodeId, Record

END_LINE = "end"
"""The last line a node sends; the end of the input means the same."""

Port = Annotated[int, Field(ge=0, le=65535)]


class LinkPeer(Record):
    """A trusted peer: its certificate as base64 of the DER, and the addresses (`host:port`) to try, best first."""

    node: NodeId
    certificate: str
    addresses: tuple[str, ...] = ()

    @property
    def der(self) -> bytes:
        """The certificate. Raises ValueError when it is not base64."""
        return base64.b64decode(self.certificate, validate=True)


class Begin(Record):
    """The first order: whose identity to use, and where the node takes requests of peers, on 127.0.0.1."""

    kind: Literal["begin"] = "begin"
    identity: str
    node_port: Port
    secret: str = Field(min_length=16, max_length=128)


class Listen(Record):
    """Listen on exactly these addresses; others are closed. Port 0 takes any free one on each."""

    kind: Literal["listen"] = "listen"
    hosts: tuple[str, ...]
    port: Port


class Trust(Record):
    """Trust exactly these peers; connections of others are cut at once."""

    kind: Literal["trust"] = "trust"
    peers: tuple[LinkPeer, ...]


class AddTicket(Record):
    """Let this one peer reach the rpc-server on this local port. `largest_bytes` bounds one tensor it sends."""

    kind: Literal["add_ticket"] = "add_ticket"
    ticket: str = Field(pattern=r"^[0-9a-f]{32}$")
    peer: NodeId
    port: Port
    largest_bytes: Bytes | None = None


class DropTicket(Record):
    """End a ticket and the streams it opened."""

    kind: Literal["drop_ticket"] = "drop_ticket"
    ticket: str


class OpenMouth(Record):
    """Open a port on 127.0.0.1 that leads to a peer: to its node, or with a ticket to one of its rpc-servers.

    `key`, when given, must be the bearer token of the first HTTP request of each connection. Answered with the port.
    """

    kind: Literal["open_mouth"] = "open_mouth"
    peer: NodeId
    ticket: str | None = None
    key: str | None = None
    port: Port = 0


class CloseMouth(Record):
    """Close a mouth and the streams through it."""

    kind: Literal["close_mouth"] = "close_mouth"
    port: Port


class Cut(Record):
    """Cut all connections from and to a peer now; it stays trusted and may come back."""

    kind: Literal["cut"] = "cut"
    peer: NodeId


class Measure(Record):
    """Measure the throughput to a peer, the way there alone. Answered with bytes/s."""

    kind: Literal["measure"] = "measure"
    peer: NodeId


Command = Begin | Listen | Trust | AddTicket | DropTicket | OpenMouth | CloseMouth | Cut | Measure


class Order(Record):
    """One numbered command."""

    number: int
    command: Annotated[Command, Field(discriminator="kind")]


class Answered(Record):
    """How an order ended: `problem` says why it failed, `port` and `value` are what was asked for."""

    kind: Literal["answered"] = "answered"
    number: int
    problem: str | None = None
    port: int | None = None
    value: float | None = None


class Refused(StrEnum):
    """Why a connection from outside was closed."""

    RATE = "too many connections from one address"
    CROWDED = "too many unproven connections at once"
    HANDSHAKE = "no TLS 1.3 handshake with a trusted certificate"
    UNTRUSTED = "certificate or protocol not accepted"
    OPENING = "no proper opening line"
    TICKET = "unknown ticket, or another peer's"
    STREAMS = "too many streams at once"
    LOCAL = "the local program does not answer"
    MEASURING = "another link is being measured"
    IN_USE = "the link is in use"
    FRAME = "a forbidden or malformed RPC command"


class Listening(Record):
    """Where peers are heard now, `host:port`; `problems` says which addresses could not be bound."""

    kind: Literal["listening"] = "listening"
    addresses: tuple[str, ...]
    problems: tuple[str, ...] = ()


class LinkState(Record):
    """The link to one peer. Round trips in seconds over the last minutes; bytes since the link process started."""

    peer: NodeId
    connected: bool
    address: str | None = None
    streams: int = 0
    round_trip_p50: float | None = None
    round_trip_p95: float | None = None
    sent: Bytes = 0
    received: Bytes = 0
    problem: str | None = None


class LinkChanged(Record):
    """A peer was connected or disconnected."""

    kind: Literal["link_changed"] = "link_changed"
    link: LinkState


class Report(Record):
    """All links, and how many connections were refused for which reason since the start. Comes every 2 s."""

    kind: Literal["report"] = "report"
    links: tuple[LinkState, ...] = ()
    refused: dict[str, int] = Field(default_factory=dict)


Event = Answered | Listening | LinkChanged | Report

EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
