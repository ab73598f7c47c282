"""What both sides of pairing need of the rest of the node, and how fast they go."""

import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.identity.contexts import Contexts
from app.identity.pairing import REPLY_DELAY, OwnCard
from app.identity.trust import Member
from app.schema.event import InvitationChanged, JoinChanged
from app.system.redaction import Secrets


@dataclass(frozen=True)
class PairingPace:
    """Seconds. `read`: a message of the other side; `reply`: from a guest's message to our answer; `tick`: how often an
    invitation is looked at; `unused`: an invitation through which nobody joins closes; `dial`: to the end of the TLS
    handshake; `search`: for a PC that invites, looking every `look`; `settle`, shorter than that: for several of them
    to become one, and for word of another when one does not answer.
    """

    read: float = 3.0
    reply: float = REPLY_DELAY
    tick: float = 1.0
    unused: float = 600.0
    dial: float = 6.0
    search: float = 5.0
    settle: float = 2.0
    look: float = 0.2


@dataclass(frozen=True)
class PairingTools:
    """What pairing needs of others.

    `own` is this PC's card as of now. `bind` opens the pairing port (`pairing_listener.bind_pairing` on the LAN hosts);
    `announce` tells discovery its port, or None. `paired` proves that the other PC can be reached (`host:port` to
    try) and makes it a member; it raises CaravanError when nothing came of it. `inviters` are the PCs that discovery
    sees inviting, each as its `host:port`s. `may_invite` and `may_join` raise CaravanError when this PC may not.
    `secrets` are kept out of logs. `clock` is monotonic seconds, `wall` seconds since the epoch.
    """

    own: Callable[[], OwnCard]
    contexts: Contexts
    bind: Callable[[], list[socket.socket]]
    announce: Callable[[int | None], None]
    publish: Callable[[InvitationChanged | JoinChanged], None]
    paired: Callable[[Member, tuple[str, ...]], Awaitable[None]]
    inviters: Callable[[], tuple[tuple[str, ...], ...]]
    may_invite: Callable[[], None]
    may_join: Callable[[], None]
    secrets: Secrets
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
