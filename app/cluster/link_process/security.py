"""PURE: what the link process needs of TLS. `app.identity` has it; the composition root hands it in."""

import ssl
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from app.schema.record import NodeId


class LinkContexts(Protocol):
    """The TLS contexts of one identity. All demand TLS 1.3 and a certificate."""

    def listening(self) -> ssl.SSLContext:
        """A context to accept with; it follows every later `trust`."""

    def trust(self, certificates: Iterable[bytes]) -> None:
        """From the next handshake on, accept exactly these certificates (DER). Raises CaravanError."""

    def client(self, certificate: bytes, alpn: str) -> ssl.SSLContext:
        """A context to dial with: it accepts this one certificate and offers this one protocol. Raises CaravanError."""


VerifyPeer = Callable[[ssl.SSLObject, Collection[NodeId]], tuple[NodeId, str]]
"""After a handshake: who is there, and the protocol. Raises CaravanError unless it is one of these nodes."""


@dataclass(frozen=True)
class Security:
    """The contexts, and the check after the handshake."""

    contexts: LinkContexts
    verified_peer: VerifyPeer


LoadSecurity = Callable[[str], Security]
"""Makes them for the identity kept in a folder. Blocking; raises CaravanError, OSError or ValueError."""
