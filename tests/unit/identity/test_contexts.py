import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from app.identity.certificate import Identity, load_or_create
from app.identity.contexts import (
    NODE_ALPN,
    PAIR_ALPN,
    PEER_ALPNS,
    RPC_ALPN,
    Contexts,
    check_pairing_guest,
    pairing_host,
    verified_peer,
)
from app.identity.peer_certificate import check_peer_certificate, node_id
from app.schema.errors import CertificateRefused, PeerRefused
from tests.unit.identity.forge import Forged, forged
from tests.unit.identity.handshakes import Side, pass_on, shaken


class Two:
    """A serving node that trusts a dialling one, and its listening context."""

    def __init__(self, serving: Identity, dialling: Identity) -> None:
        self.serving, self.dialling = serving, dialling
        self.server = Contexts(serving)
        self.server.trust([dialling.certificate])
        self.listening = self.server.listening()
        self.client = Contexts(dialling)

    def connect(self, alpn: str = NODE_ALPN) -> tuple[Side, Side]:
        return shaken(self.listening, self.client.client(self.serving.certificate, alpn))


@pytest.fixture
def two(identities: list[Identity]) -> Two:
    return Two(identities[0], identities[1])


def refused(server: Side, client: Side) -> bool:
    """The server refused in the handshake, and the client can neither read nor be read."""
    assert server.error is not None or not server.done
    with pytest.raises(ssl.SSLError):
        server.read()
    if client.done:
        # A TLS 1.3 client believes in its handshake until it reads the alert.
        with pytest.raises(ssl.SSLError, match="alert"):
            client.read()
    return True


@pytest.mark.parametrize("alpn", PEER_ALPNS)
def test_two_that_trust_each_other(two: Two, alpn: str) -> None:
    server, client = two.connect(alpn)
    assert verified_peer(server.tls, two.server.trusted) == (two.dialling.node, alpn)
    assert verified_peer(client.tls, two.serving.node) == (two.serving.node, alpn)
    client.tls.write(b"hello")
    pass_on(server, client)
    assert server.read() == b"hello"


def test_all_of_a_full_cluster_are_trusted(identities: list[Identity], tmp_path: Path) -> None:
    # One subject for several certificates would make OpenSSL verify only one of them.
    others = [forged() for _ in range(60)]
    contexts = Contexts(identities[0])
    contexts.trust([other.der for other in others] + [identities[1].certificate])
    listening = contexts.listening()
    for other in (others[0], others[30], others[-1]):
        server, _ = shaken(listening, dialling(other, tmp_path, identities[0]))
        assert verified_peer(server.tls, contexts.trusted)[0] == node_id(other.der)


def test_a_stranger_is_refused(two: Two, identities: list[Identity]) -> None:
    stranger = Contexts(identities[2])
    server, client = shaken(two.listening, stranger.client(two.serving.certificate))
    assert client.done
    assert refused(server, client)
    with pytest.raises(PeerRefused):
        verified_peer(server.tls, two.server.trusted)


def test_no_certificate_is_refused(two: Two) -> None:
    server, client = shaken(two.listening, plain_client())
    assert refused(server, client)
    assert "certificate" in str(server.error).lower()


def test_another_server_never_sees_our_certificate(two: Two, identities: list[Identity]) -> None:
    other = Contexts(identities[2])
    other.trust([two.dialling.certificate])
    server, client = shaken(other.listening(), two.client.client(two.serving.certificate))
    assert client.error is not None
    assert not server.done
    assert len(client.sent) == 2
    assert client.sent[1] < 50, "more than an alert"
    with pytest.raises(PeerRefused):
        verified_peer(server.tls, two.dialling.node)


def test_trust_begins_and_ends_while_listening(two: Two) -> None:
    two.server.trust([])
    assert refused(*two.connect())
    two.server.trust([two.dialling.certificate])
    assert two.connect()[0].done
    two.server.trust([forged().der])
    assert refused(*two.connect())


def test_before_trust_is_told_nobody_is_trusted(identities: list[Identity]) -> None:
    client = Contexts(identities[1]).client(identities[0].certificate)
    assert refused(*shaken(Contexts(identities[0]).listening(), client))


def test_a_removed_peer_has_no_ticket_to_come_back_with(two: Two) -> None:
    context = two.client.client(two.serving.certificate)
    server, client = shaken(two.listening, context)
    client.tls.write(b"x")
    server.tls.write(b"y")
    pass_on(server, client)
    assert client.read() == b"y"
    session = client.tls.session
    assert session is None or not session.has_ticket
    two.server.trust([])
    assert refused(*shaken(two.listening, context, session))


def test_a_session_resumed_by_ticket_is_refused_by_the_check(two: Two, tmp_path: Path) -> None:
    # What the standard library does by itself, and why `verified_peer` looks.
    listening = plain_server(two.serving, [two.dialling.certificate])
    context = two.client.client(two.serving.certificate)
    context.options &= ~ssl.OP_NO_TICKET
    server, client = shaken(listening, context)
    server.tls.write(b"y")
    pass_on(server, client)
    client.read()
    server, client = shaken(listening, context, client.tls.session)
    assert server.done
    assert server.tls.session_reused
    with pytest.raises(PeerRefused):
        verified_peer(server.tls, {two.dialling.node})


def test_a_leaf_minted_by_a_trusted_peer_is_refused(two: Two, tmp_path: Path) -> None:
    authority = forged(authority=True)
    with pytest.raises(CertificateRefused):
        two.server.trust([two.dialling.certificate, authority.der])
    assert two.server.trusted == {two.dialling.node}
    # Even where TLS itself is content, the leaf's hash is not.
    leaf = forged(issuer=authority)
    server, _ = shaken(plain_server(two.serving, [authority.der]), dialling(leaf, tmp_path, two.serving))
    assert server.done
    with pytest.raises(PeerRefused):
        verified_peer(server.tls, {node_id(authority.der)})


def test_a_leaf_minted_by_a_good_peer_is_refused_in_the_handshake(two: Two, tmp_path: Path) -> None:
    peer = forged()
    two.server.trust([peer.der])
    leaf = forged(issuer=peer)
    chain = dialling(leaf, tmp_path, two.serving)
    assert refused(*shaken(two.listening, chain))


def test_a_false_certificate_of_the_same_name_is_refused(two: Two, tmp_path: Path) -> None:
    name = x509.load_der_x509_certificate(two.dialling.certificate).subject.rfc4514_string().removeprefix("CN=")
    same = forged(name=name)
    with pytest.raises(CertificateRefused):
        check_peer_certificate(same.der)
    assert refused(*shaken(two.listening, dialling(same, tmp_path, two.serving)))
    assert two.connect()[0].done


@pytest.mark.parametrize("alpns", [[], ["h2"], [PAIR_ALPN], ["caravan-node/2", "http/1.1"]])
def test_no_common_protocol_is_refused_by_the_check(two: Two, alpns: list[str]) -> None:
    context = plain_client(two.dialling)
    if alpns:
        context.set_alpn_protocols(alpns)
    server, client = shaken(two.listening, context)
    assert server.done
    for side, expected in ((server, two.dialling.node), (client, two.serving.node)):
        with pytest.raises(PeerRefused):
            verified_peer(side.tls, expected)


def test_tls_1_2_is_refused(two: Two) -> None:
    context = plain_client(two.dialling)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server, client = shaken(two.listening, context)
    assert server.error is not None
    assert client.error is not None


@pytest.mark.parametrize("years", [(1990, 1999), (2098, 2099)])
def test_a_wrong_clock_does_not_matter(two: Two, tmp_path: Path, years: tuple[int, int]) -> None:
    peer = forged(years=years)
    two.server.trust([peer.der])
    server, _ = shaken(two.listening, dialling(peer, tmp_path, two.serving))
    assert verified_peer(server.tls, two.server.trusted)[0] == node_id(peer.der)


def test_a_fault_in_the_callback_lets_nobody_in(two: Two) -> None:
    two.listening.sni_callback = None
    assert refused(*two.connect())


def test_the_node_itself_is_refused(two: Two) -> None:
    own = two.serving
    two.server.trust([own.certificate, two.dialling.certificate])
    assert two.server.trusted == {two.dialling.node}
    assert refused(*shaken(two.listening, two.server.client(own.certificate)))


def test_what_is_no_tls_is_refused(two: Two) -> None:
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(64), b"\x16\x03\x01\xff\xff" + bytes(300)):
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = two.listening.wrap_bio(inward, outward, server_side=True)
        inward.write(data)
        inward.write_eof()
        with pytest.raises(ssl.SSLError):
            server.do_handshake()


def test_the_expected_peer_is_compared_whole(two: Two) -> None:
    server, client = two.connect()
    for expected in ("", two.serving.node[:-1], two.serving.node + "0", two.serving.node.upper()):
        with pytest.raises(PeerRefused):
            verified_peer(client.tls, expected)
    with pytest.raises(PeerRefused):
        verified_peer(server.tls, frozenset())


def test_pairing_shows_one_certificate_and_asks_for_none(two: Two) -> None:
    server, client = shaken(two.server.pairing_listening(), two.client.pairing_client())
    check_pairing_guest(server.tls)
    assert pairing_host(client.tls) == two.serving.certificate
    assert server.tls.getpeercert(binary_form=True) is None
    with pytest.raises(PeerRefused):
        verified_peer(server.tls, two.server.trusted)


def test_pairing_with_what_is_no_pairing_listener(two: Two, tmp_path: Path) -> None:
    server, client = shaken(two.server.pairing_listening(), plain_client())
    with pytest.raises(PeerRefused):
        check_pairing_guest(server.tls)
    authority = plain_server(forged(authority=True), [], tmp_path)
    authority.verify_mode = ssl.CERT_NONE
    authority.set_alpn_protocols([PAIR_ALPN])
    _, client = shaken(authority, two.client.pairing_client())
    with pytest.raises(CertificateRefused):
        pairing_host(client.tls)


def test_the_pairing_port_and_the_peer_port_are_not_exchanged(two: Two) -> None:
    assert refused(*shaken(two.listening, two.client.pairing_client()))
    server, client = shaken(two.server.pairing_listening(), two.client.client(two.serving.certificate))
    for side in (server, client):
        with pytest.raises(PeerRefused):
            verified_peer(side.tls, {two.serving.node, two.dialling.node})
    with pytest.raises(PeerRefused):
        check_pairing_guest(server.tls)


def test_a_damaged_identity_gives_no_context(tmp_path: Path) -> None:
    identity = load_or_create(tmp_path)
    identity.chain_file.write_bytes(b"")
    with pytest.raises(ssl.SSLError):
        Contexts(identity)


async def test_over_a_connection_of_asyncio(two: Two) -> None:
    seen: list[object] = []
    listening = two.listening

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(verified_peer(writer.get_extra_info("ssl_object"), two.server.trusted))
        writer.write(b"ready\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=listening, ssl_handshake_timeout=3)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await first_line(port, two.client.client(two.serving.certificate, RPC_ALPN)) == b"ready\n"
        two.server.trust([])
        assert await first_line(port, two.client.client(two.serving.certificate)) == b""
    assert seen == [(two.dialling.node, RPC_ALPN)]


async def first_line(port: int, context: ssl.SSLContext) -> bytes:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="")
    except ConnectionError:
        return b""
    try:
        return await reader.readline()
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def dialling(forged_one: Forged, folder: Path, server: Identity) -> ssl.SSLContext:
    """A client with a certificate of its own that reaches `server` with everything else in order."""
    context = plain_client()
    context.load_cert_chain(forged_one.file(folder))
    context.set_alpn_protocols([NODE_ALPN])
    return context


def plain_client(identity: Identity | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(identity.chain_file, password=identity.key_password)
    return context


def plain_server(own: Identity | Forged, trusted: list[bytes], folder: Path | None = None) -> ssl.SSLContext:
    """A server as one writes it without knowing the traps."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(own, Identity):
        context.load_cert_chain(own.chain_file, password=own.key_password)
    elif folder is not None:
        context.load_cert_chain(own.file(folder))
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([NODE_ALPN])
    for certificate in trusted:
        context.load_verify_locations(cadata=certificate)
    return context
