"""Who this node is: one key and one self-signed certificate, made at first use and kept in one private file.

The file is PEM in three blocks: the password of the key as the system protects it (`app.system.protect`), the
encrypted key, the certificate. OpenSSL skips the block it does not know. One file, replaced in one step, is never half
there. The certificate is valid from 2000 to 9999, so that a wrong clock does no harm.
"""

import base64
import binascii
import datetime
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.identity.peer_certificate import common_name, node_id, peer_key
from app.schema.errors import IdentityUnusable, PeerRefused
from app.schema.record import NodeId
from app.system.files import plain_reason, write_atomically
from app.system.protect import protect, unprotect

FILE_NAME = "identity.pem"

_FIRST_DAY = datetime.datetime(2000, 1, 1)
_LAST_SECOND = datetime.datetime(9999, 12, 31, 23, 59, 59)
_PASSWORD_BLOCK = re.compile(rb"-----BEGIN CARAVAN PASSWORD-----\s+(.*?)-----END CARAVAN PASSWORD-----", re.DOTALL)


@dataclass(frozen=True)
class Identity:
    """This node's identity. `certificate` is DER; `chain_file` holds it with the key that `key_password` opens."""

    node: NodeId
    certificate: bytes = field(repr=False)
    chain_file: Path
    key_password: str = field(repr=False)
    key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """An ECDSA signature (SHA-256) of `data`; `check_signature` checks it."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def check_signature(certificate: bytes, signature: bytes, data: bytes) -> None:
    """Raises cryptography's InvalidSignature, or CertificateRefused when the certificate is none of ours."""
    peer_key(certificate).verify(signature, data, ec.ECDSA(hashes.SHA256()))


def load_or_create(folder: Path) -> Identity:
    """The identity kept in `folder`, made when there is none. Takes milliseconds; reads and writes the disk.

    Raises IdentityUnusable when the file is there and cannot be used, or cannot be written.
    """
    path = folder / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _create(path)
    except OSError as error:
        raise _unusable(path, plain_reason(error)) from error
    return _load(path, content)


def forget(folder: Path) -> None:
    """Delete the identity, for a node that has left its cluster: the next start makes a new one. Raises OSError."""
    (folder / FILE_NAME).unlink(missing_ok=True)


def _create(path: Path) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    password = secrets.token_hex(32)
    content = _password_block(password) + _encrypted(key, password) + _certificate(key)
    try:
        write_atomically(path, content, private=True)
    except OSError as error:
        raise _unusable(path, plain_reason(error)) from error
    return _load(path, content)


def _certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name(public))])
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number(), _FIRST_DAY, _LAST_SECOND)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _encrypted(key: ec.EllipticCurvePrivateKey, password: str) -> bytes:
    encryption = serialization.BestAvailableEncryption(password.encode("ascii"))
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _password_block(password: str) -> bytes:
    text = base64.encodebytes(protect(password.encode("ascii")))
    return b"-----BEGIN CARAVAN PASSWORD-----\n" + text + b"-----END CARAVAN PASSWORD-----\n"


def _load(path: Path, content: bytes) -> Identity:
    password = _password(path, content)
    try:
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, password.encode("ascii"))
        der = certificate.public_bytes(serialization.Encoding.DER)
        expected = peer_key(der)
    except (ValueError, TypeError, PeerRefused) as error:
        raise _unusable(path, "it is damaged") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != expected:
        raise _unusable(path, "its key and its certificate do not belong together")
    return Identity(node_id(der), der, path, password, key)


def _password(path: Path, content: bytes) -> str:
    block = _PASSWORD_BLOCK.search(content)
    if block is None:
        raise _unusable(path, "it is damaged")
    try:
        return unprotect(base64.b64decode(b"".join(block[1].split()), validate=True)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _unusable(path, "it is damaged") from error
    except OSError as error:
        raise _unusable(path, "another user or another PC wrote it") from error


def _unusable(path: Path, reason: str) -> IdentityUnusable:
    return IdentityUnusable(
        f"Caravan cannot use this PC's identity in {path}: {reason}.",
        "Put the file back from a backup. Or delete it: this PC then is a new one to all others and must join again.",
    )
