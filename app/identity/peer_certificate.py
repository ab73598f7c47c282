"""Which certificates a node accepts from another: only such as `app.identity.certificate` makes.

A trusted certificate that may sign others (CA:TRUE) could mint leaves that pass TLS, and two with one subject make
OpenSSL verify only one of them; both are refused here, before anything is trusted.
"""

import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.schema.errors import CertificateRefused
from app.schema.record import NodeId

CERTIFICATE_LIMIT = 2048
"""Bytes of DER; one of ours has about 480."""

_MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    CryptographyDeprecationWarning,  # what a later release refuses, where warnings are errors
)


def node_id(certificate: bytes) -> NodeId:
    """The identity a certificate (DER) stands for: its SHA-256 in lower-case hex."""
    return NodeId(hashlib.sha256(certificate).hexdigest())


def common_name(key: ec.EllipticCurvePublicKey) -> str:
    """The only name a certificate for `key` may bear: unique per key, as OpenSSL finds trusted ones by name."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return f"caravan-{hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()[:16]}"


def check_peer_certificate(der: bytes) -> None:
    """Raises CertificateRefused unless `der` is a certificate as ours: P-256, self-signed, named by its key, no CA."""
    peer_key(der)


def peer_key(der: bytes) -> ec.EllipticCurvePublicKey:
    """The public key in a peer's certificate, which is checked first. Raises CertificateRefused."""
    if len(der) > CERTIFICATE_LIMIT:
        raise _refused("it is too large")
    try:
        return _checked_key(x509.load_der_x509_certificate(der), der)
    except InvalidSignature:
        raise _refused("it is not signed by its own key") from None
    except _MALFORMED as error:
        raise _refused("it is malformed") from error


def _checked_key(certificate: x509.Certificate, der: bytes) -> ec.EllipticCurvePublicKey:
    if certificate.public_bytes(serialization.Encoding.DER) != der or certificate.serial_number <= 0:
        raise _refused("it is malformed")
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refused("its key is not of the kind Caravan uses (P-256)")
    if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256):
        raise _refused("its signature is not of the kind Caravan uses")
    _check_names(certificate, common_name(key))
    _check_uses(certificate.extensions)
    certificate.verify_directly_issued_by(certificate)
    return key


def _check_names(certificate: x509.Certificate, expected: str) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, expected)])
    if certificate.subject != name or certificate.issuer != name:
        raise _refused("it does not bear the name of its key")


def _check_uses(extensions: x509.Extensions) -> None:
    found = {extension.oid: extension.value for extension in extensions}
    basic = found.get(x509.BasicConstraints.oid)
    usage = found.get(x509.KeyUsage.oid)
    if not isinstance(basic, x509.BasicConstraints) or basic.ca:
        raise _refused("it could sign other certificates")
    if isinstance(usage, x509.KeyUsage) and usage.key_cert_sign:
        raise _refused("it could sign other certificates")
    purposes = found.get(x509.ExtendedKeyUsage.oid)
    both = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    if not isinstance(purposes, x509.ExtendedKeyUsage) or not both <= set(purposes):
        raise _refused("it does not serve both ends of a connection")
    if {x509.SubjectKeyIdentifier.oid, x509.AuthorityKeyIdentifier.oid} - found.keys():
        raise _refused("it does not identify its key")


def _refused(reason: str) -> CertificateRefused:
    return CertificateRefused(
        f"The other PC's certificate was refused: {reason}.",
        "Run the same version of Caravan on both PCs. If you did not try to connect a PC, somebody else did.",
    )
