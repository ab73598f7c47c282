"""Certificates and identities for tests, honest ones and such as an attacker would make."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.identity.peer_certificate import common_name

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class Forged:
    """A certificate with its key; `file` (PEM, open) is what `ssl` loads."""

    key: Key
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def file(self, folder: Path) -> Path:
        pem = serialization.Encoding.PEM
        key = self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = folder / f"{hash(self.der) & 0xFFFFFFFF:x}.pem"
        path.write_bytes(key + self.certificate.public_bytes(pem))
        return path


def forged(
    *,
    key: Key | None = None,
    name: str | None = None,
    authority: bool | None = False,
    purposes: tuple[x509.ObjectIdentifier, ...] = BOTH,
    identifiers: bool = True,
    signs: bool = False,
    issuer: Forged | None = None,
    years: tuple[int, int] = (2000, 9999),
    padding: int = 0,
    serial: int | None = None,
) -> Forged:
    """A certificate as Caravan makes it, but for what is asked otherwise."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    own = common_name(public) if isinstance(public, ec.EllipticCurvePublicKey) else "caravan-0123456789abcdef"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name or own)])
    first, last = (datetime.datetime(year, 12, 31) for year in years)
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else subject,
        subject,
        public,
        serial or x509.random_serial_number(),
        first,
        last,
    )
    for value, critical in _extensions(public, authority, purposes, identifiers, signs, issuer, padding):
        builder = builder.add_extension(value, critical)
    signer = issuer.key if issuer else key
    return Forged(key, builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()))


def _extensions(public, authority, purposes, identifiers, signs, issuer, padding):
    if authority is not None:
        yield x509.BasicConstraints(ca=authority, path_length=None), True
    if purposes:
        yield x509.ExtendedKeyUsage(purposes), False
    if identifiers:
        yield x509.SubjectKeyIdentifier.from_public_key(public), False
        above = issuer.key.public_key() if issuer else public
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False
    if signs:
        yield x509.KeyUsage(True, False, False, False, False, True, False, False, False), True
    if padding:
        yield x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(padding)), False
