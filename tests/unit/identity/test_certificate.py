import hashlib
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from app.identity.certificate import FILE_NAME, Identity, check_signature, forget, load_or_create
from app.identity.peer_certificate import check_peer_certificate, common_name, node_id
from app.identity.short_name import node_named, short_name
from app.schema.errors import CertificateRefused, DataFolderUnusable, IdentityUnusable, InputError
from app.schema.record import NodeId
from app.system.protect import protect, unprotect
from tests.unit.identity.forge import forged


def test_the_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    assert load_or_create(tmp_path) == made
    assert made.node == hashlib.sha256(made.certificate).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    forget(tmp_path)
    assert load_or_create(tmp_path).node != made.node


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists, not modes")
def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    assert stat.S_IMODE(load_or_create(tmp_path).chain_file.stat().st_mode) == 0o600


def test_openssl_loads_the_file_with_the_password_only(identities: list[Identity]) -> None:
    identity = identities[0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.chain_file, password=identity.key_password)
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(identity.chain_file, password="another")


def test_the_certificate_is_as_designed(identities: list[Identity]) -> None:
    certificate = x509.load_der_x509_certificate(identities[0].certificate)
    assert (certificate.not_valid_before_utc.year, certificate.not_valid_after_utc.year) == (2000, 9999)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert not basic.value.ca
    check_peer_certificate(identities[0].certificate)


def test_nothing_secret_is_in_its_text(identities: list[Identity]) -> None:
    assert identities[0].key_password not in repr(identities[0])
    assert "PrivateKey" not in repr(identities[0])


@pytest.mark.parametrize("damage", ["empty", "half", "no password", "no certificate", "garbage", "another key"])
def test_a_damaged_identity_is_never_replaced(tmp_path: Path, identities: list[Identity], damage: str) -> None:
    content = identities[0].chain_file.read_bytes()
    other = identities[1].chain_file.read_bytes()
    key_ends = content.index(b"-----BEGIN CERT")
    damaged = {
        "empty": b"",
        "half": content[: len(content) // 2],
        "no password": content[content.index(b"-----BEGIN ENC") :],
        "no certificate": content[:key_ends],
        "garbage": bytes(range(256)) * 4,
        "another key": content[:key_ends] + other[other.index(b"-----BEGIN CERT") :],
    }[damage]
    path = tmp_path / FILE_NAME
    path.write_bytes(damaged)
    with pytest.raises(IdentityUnusable, match="identity") as caught:
        load_or_create(tmp_path)
    assert isinstance(caught.value, DataFolderUnusable)
    assert str(path) in caught.value.sentence
    assert "delete it" in caught.value.hint
    assert path.read_bytes() == damaged


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(IdentityUnusable, match="identity"):
        load_or_create(tmp_path)


def test_signatures(identities: list[Identity]) -> None:
    one, two, *_ = identities
    check_signature(one.certificate, one.sign(b"said"), b"said")
    for certificate, text in ((one.certificate, b"unsaid"), (two.certificate, b"said")):
        with pytest.raises(InvalidSignature):
            check_signature(certificate, one.sign(b"said"), text)


GOOD = forged(serial=0x70 << 152).der
CURVE = ec.generate_private_key(ec.SECP256R1())
STRANGE = {
    "a certificate authority": forged(authority=True).der,
    "no basic constraints": forged(authority=None).der,
    "may sign certificates": forged(signs=True).der,
    "another name": forged(name="caravan-0123456789abcdef").der,
    "server only": forged(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)).der,
    "no purposes": forged(purposes=()).der,
    "no key identifiers": forged(identifiers=False).der,
    "RSA": forged(key=rsa.generate_private_key(65537, 2048)).der,
    "Ed25519": forged(key=ed25519.Ed25519PrivateKey.generate()).der,
    "P-384": forged(key=ec.generate_private_key(ec.SECP384R1())).der,
    "large": forged(padding=2000).der,
    "minted": forged(issuer=forged(authority=True)).der,
    "signed by another of its name": forged(key=CURVE, issuer=forged(name=common_name(CURVE.public_key()))).der,
    "more after it": forged().der + b"\0",
    "a negative serial number": GOOD.replace(b"\2\x14\x70", b"\2\x14\xf0", 1),
    "cut": forged().der[:-1],
    "empty": b"",
    "no certificate": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_certificates_are_refused(kind: str) -> None:
    with pytest.raises(CertificateRefused):
        check_peer_certificate(STRANGE[kind])


def test_the_forge_makes_good_ones_too() -> None:
    check_peer_certificate(forged().der)


@given(st.binary(max_size=600))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateRefused):
        check_peer_certificate(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_certificate_is_refused_or_another_node(place: int, change: int) -> None:
    changed = GOOD[:place] + bytes([GOOD[place] ^ change]) + GOOD[place + 1 :]
    with pytest.raises(CertificateRefused):
        check_peer_certificate(changed)
    assert node_id(changed) != node_id(GOOD)


def test_protect_and_back() -> None:
    for data in (b"", b"x", bytes(range(256))):
        assert unprotect(protect(data)) == data


nodes = st.binary(min_size=32, max_size=32).map(lambda data: NodeId(data.hex()))


@given(nodes, nodes)
def test_a_short_name_finds_its_node(node: NodeId, other: NodeId) -> None:
    text = short_name(node)
    assert len(text) == 15
    assert node_named(f" {text.lower()} ", [other, node]) == node
    assert (node_named(text, [other]) is None) == (short_name(other) != text)


@given(nodes, st.integers(0, 14), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_character_is_noticed(node: NodeId, place: int, wrong: str) -> None:
    text = short_name(node)
    changed = text[:place] + wrong + text[place + 1 :]
    if text[place] in ("-", wrong):
        return
    with pytest.raises(InputError):
        node_named(changed, [node])


@pytest.mark.parametrize("typed", ["", "ABC", "1BCDEFG-HIJKLMN", "ÄBCDEFG-HIJKLMN"])
def test_what_is_no_short_name(typed: str) -> None:
    with pytest.raises(InputError):
        node_named(typed, [])
