"""Which peer may reach which local rpc-server: one ticket per lease, made by the worker's node."""

import hmac
from dataclasses import dataclass, field

from app.cluster.link_process.messages import AddTicket
from app.cluster.link_process.wire import Wire
from app.schema.record import NodeId

STREAMS_PER_TICKET = 8
"""An rpc-server serves one client at a time; a head's next connection may come before its last is closed."""


@dataclass
class Ticket:
    """One ticket, and the streams it opened."""

    order: AddTicket
    wires: set[Wire] = field(default_factory=set)


class Tickets:
    """The tickets that are valid now."""

    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}

    @property
    def any(self) -> bool:
        """Whether some peer may reach a worker here: it serves, or is about to."""
        return bool(self._tickets)

    def add(self, order: AddTicket) -> None:
        """Make a ticket valid; one of the same name ends first."""
        self.drop(order.ticket)
        self._tickets[order.ticket] = Ticket(order)

    def drop(self, name: str) -> None:
        """End a ticket and its streams."""
        ticket = self._tickets.pop(name, None)
        for wire in tuple(ticket.wires) if ticket else ():
            wire.abort()

    def find(self, name: str, peer: NodeId) -> Ticket | None:
        """The ticket of this name, if it is this peer's."""
        ticket = self._tickets.get(name)
        return ticket if ticket is not None and hmac.compare_digest(ticket.order.peer, peer) else None
