"""TLS between nodes: 1.3 only, both sides authenticated by pinned certificates, protocols chosen by ALPN.

What the standard library does by itself is not enough, hence these rules: trust is a new context swapped in by the SNI
callback (a context cannot forget a certificate); no tickets (one would let a removed PC back in without verification);
after every handshake both sides call `verified_peer` (OpenSSL accepts what a trusted CA:TRUE certificate signed, and a
client without a common ALPN). The context that accepts trusts nobody, so a fault in the callback lets nobody in.
"""

import ssl
from collections.abc import Container, Iterable

from app.identity.certificate import Identity
from app.identity.peer_certificate import check_peer_certificate, node_id
from app.schema.errors import PeerRefused
from app.schema.record import NodeId

NODE_ALPN = "caravan-node/1"
"""HTTP between nodes."""

RPC_ALPN = "caravan-rpc/1"
"""A byte tunnel to one local worker process."""

PAIR_ALPN = "caravan-pair/1"
"""Pairing, on a port of its own."""

PEER_ALPNS = (NODE_ALPN, RPC_ALPN)

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME; a pin has no date, and a PC's clock may be wrong by decades

TlsObject = ssl.SSLObject | ssl.SSLSocket
"""Either face of a finished handshake; with asyncio it is the transport's extra info `ssl_object`."""


class Contexts:
    """Makes the TLS contexts of one node. Loading the key takes about 1 ms per context."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._trusting = self._serving()
        self._trusted: frozenset[NodeId] = frozenset()

    @property
    def trusted(self) -> frozenset[NodeId]:
        """Who may connect now; give it to `verified_peer` after each accepted handshake."""
        return self._trusted

    def listening(self) -> ssl.SSLContext:
        """The context for the peer link's listener; it follows every later `trust`."""
        context = self._serving()

        def swap(connection: TlsObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._trusting

        context.sni_callback = swap
        return context

    def trust(self, certificates: Iterable[bytes]) -> None:
        """From now on exactly these peers (DER each) can connect, never this node itself. Any thread may call.

        Close live connections of removed peers afterwards. Raises CertificateRefused, and then nothing changes.
        """
        pins = {node_id(certificate): certificate for certificate in certificates}
        pins.pop(self._identity.node, None)
        context = self._serving()
        for certificate in pins.values():
            _pin(context, certificate)
        self._trusted = frozenset(pins)
        self._trusting = context

    def client(self, certificate: bytes, alpn: str = NODE_ALPN) -> ssl.SSLContext:
        """The context to reach one peer: another server is refused before it sees our certificate. `alpn` is offered.

        Raises CertificateRefused.
        """
        context = self._base(ssl.PROTOCOL_TLS_CLIENT, (alpn,))
        context.check_hostname = False
        _pin(context, certificate)
        return self._with_chain(context)

    def pairing_listening(self) -> ssl.SSLContext:
        """The context for the pairing listener: shows our certificate, asks for none (pairing itself proves it)."""
        context = self._base(ssl.PROTOCOL_TLS_SERVER, (PAIR_ALPN,))
        context.num_tickets = 0
        return self._with_chain(context)

    def pairing_client(self) -> ssl.SSLContext:
        """The context to pair with: any server. Take its certificate with `pairing_host` and let pairing bind it."""
        context = self._base(ssl.PROTOCOL_TLS_CLIENT, (PAIR_ALPN,))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def _serving(self) -> ssl.SSLContext:
        context = self._base(ssl.PROTOCOL_TLS_SERVER, PEER_ALPNS)
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_REQUIRED
        return self._with_chain(context)

    def _base(self, protocol: int, alpns: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
        context.verify_flags |= _NO_CHECK_TIME
        context.set_alpn_protocols(list(alpns))
        return context

    def _with_chain(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.load_cert_chain(self._identity.chain_file, password=self._identity.key_password)
        return context


def verified_peer(connection: TlsObject, expected: NodeId | Container[NodeId]) -> tuple[NodeId, str]:
    """Who is at the other end, and the protocol agreed on. Call on both sides before the first application byte.

    `expected` is the one peer that was dialled, or all that may connect. Raises PeerRefused: abort the connection.
    """
    alpn = _checked_protocol(connection, PEER_ALPNS)
    node = node_id(_shown_certificate(connection))
    allowed = node == expected if isinstance(expected, str) else node in expected
    if not allowed:
        raise PeerRefused("A PC that is not trusted here tried to connect and was refused.")
    return node, alpn


def pairing_host(connection: TlsObject) -> bytes:
    """The certificate (DER) of the PC to pair with, not yet trusted. Raises PeerRefused, CertificateRefused."""
    _checked_protocol(connection, (PAIR_ALPN,))
    certificate = _shown_certificate(connection)
    check_peer_certificate(certificate)
    return certificate


def check_pairing_guest(connection: TlsObject) -> None:
    """Raises PeerRefused unless the client on the pairing port speaks the pairing protocol."""
    _checked_protocol(connection, (PAIR_ALPN,))


def _checked_protocol(connection: TlsObject, allowed: tuple[str, ...]) -> str:
    alpn = connection.selected_alpn_protocol()
    reused = connection.session_reused
    if connection.version() != "TLSv1.3" or reused or alpn not in allowed:
        raise PeerRefused("A program that is no node of Caravan's tried to connect and was refused.")
    return alpn


def _shown_certificate(connection: TlsObject) -> bytes:
    try:
        certificate = connection.getpeercert(binary_form=True)
    except ValueError as error:
        raise PeerRefused("A PC broke off while connecting and was refused.") from error
    if not certificate:
        raise PeerRefused("A PC connected without a certificate and was refused.")
    return certificate


def _pin(context: ssl.SSLContext, certificate: bytes) -> None:
    check_peer_certificate(certificate)
    context.load_verify_locations(cadata=certificate)
