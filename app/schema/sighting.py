"""What discovery saw of another node on the LAN: addresses to try, never a proof of who is there."""

from app.schema.record import NodeId, Record


class Sighting(Record):
    """One announcement of another node. Everything in it is a claim; only TLS and pairing prove anything.

    `node_hint` lets those who know the node's identity recognise it, and `node` is the trusted peer that was
    recognised, None for a stranger. `instance` is random per start. `addresses` are IPv4, most likely first; `port` is
    the peer link's. `pairing_port` is set while a pairing dialog is open there. `seen_at` is when it last announced
    itself, seconds since the epoch. `is_doubled`: two nodes announce this identity at once, so a disk was cloned or
    somebody pretends.
    """

    node_hint: str
    instance: str
    node: NodeId | None = None
    addresses: tuple[str, ...]
    port: int
    pairing_port: int | None = None
    seen_at: float
    is_doubled: bool = False
