"""What membership needs of the rest of the node, and how fast it goes."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.identity.pairing import PENDING_SECONDS
from app.identity.trust import Member
from app.node.membership.spreading import Send
from app.schema.event import MembersChanged
from app.schema.node import HealthWarning
from app.schema.record import NodeId


@dataclass(frozen=True)
class MembershipPace:
    """Seconds. `prove`: a new PC has to connect; `retry`: between two tries to reach it; `tell`: another member has to
    take our list; `farewell`: a removed PC has to hear of it before its connections are cut; `exchange`: one way of an
    exchange of lists; `save`: between two times that addresses are saved.
    """

    prove: float = PENDING_SECONDS
    retry: float = 0.5
    tell: float = 1.0
    farewell: float = 0.3
    exchange: float = 5.0
    save: float = 60.0


@dataclass(frozen=True)
class MembershipTools:
    """What membership needs of others.

    `publish` hears the members, `warn` all warnings of membership, whenever they changed. `trust` tells the link
    process whom to trust from now on, with addresses to try. `fetch` asks a peer over the link for its signed list (its
    `text_for`), `send` brings it one (its `receive`); both raise CaravanError. `restart` ends this node so that a new
    one begins with a new identity. `clock` is monotonic seconds.
    """

    publish: Callable[[MembersChanged], None]
    warn: Callable[[tuple[HealthWarning, ...]], None]
    trust: Callable[[tuple[Member, ...]], Awaitable[None]]
    fetch: Callable[[NodeId], Awaitable[bytes]]
    send: Send
    restart: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
