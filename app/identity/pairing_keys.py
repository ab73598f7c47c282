"""The cryptography of pairing: SPAKE2 over the code, bound to both certificates, then keys for proof and for cards.

SPAKE2 as the library `spake2` 0.9 has it (not RFC 9382, not constant in time; a session has one guess, so there is
nothing to time). A man in the middle has to show each side a certificate of his own, which changes idA or idB and
with them the key. HKDF-SHA256 (RFC 5869) salts with the hash of everything said before, so a changed message changes
every key. Each key is used once; cards are under ChaCha20-Poly1305 (RFC 8439).
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from spake2 import SPAKE2_A, SPAKE2_B  # type: ignore[import-untyped]
from spake2.ed25519_basic import NotOnCurve  # type: ignore[import-untyped]
from spake2.spake2 import SPAKEError  # type: ignore[import-untyped]

JOINER = b"A"
INVITER = b"B"

_PURPOSE = b"caravan-pair-1|"
_NONCE_BYTES = 12
_BAD_ELEMENT = (SPAKEError, NotOnCurve, ValueError, AssertionError)

Entropy = Callable[[int], bytes]


@dataclass(frozen=True)
class PairingKeys:
    """What both sides have in common when they know one code and see each other's true certificate."""

    transcript: bytes = field(repr=False)
    _keys: bytes = field(repr=False)

    def tag(self, side: bytes) -> bytes:
        """The proof that `side` has the key."""
        return hmac.digest(self._key(side, 0), self.transcript, hashlib.sha256)

    def proves(self, side: bytes, tag: bytes) -> bool:
        """Whether `tag` is the proof of `side`."""
        return hmac.compare_digest(self.tag(side), tag)

    def seal(self, side: bytes, text: bytes) -> bytes:
        """`text` from `side`, for the other side only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + ChaCha20Poly1305(self._key(side, 1)).encrypt(nonce, text, self.transcript)

    def open(self, side: bytes, sealed: bytes) -> bytes | None:
        """What `side` sealed, or None when it was not sealed by it."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return ChaCha20Poly1305(self._key(side, 1)).decrypt(nonce, text, self.transcript)
        except (InvalidTag, ValueError):
            return None

    def to_sign(self, side: bytes, name: str, certificate: bytes, port: int) -> bytes:
        """What the private key of `side` signs: the exchange, its role, and what its card says."""
        said = hashlib.sha256(name.encode()).digest() + hashlib.sha256(certificate).digest() + port.to_bytes(2, "big")
        return _PURPOSE + b"card|" + side + self.transcript + said

    def _key(self, side: bytes, purpose: int) -> bytes:
        place = 32 * (2 * (side == INVITER) + purpose)
        return self._keys[place : place + 32]


@dataclass(frozen=True)
class JoinerExchange:
    """The joiner's half of SPAKE2, waiting for the inviter's. Holds the code."""

    pake: bytes = field(repr=False)
    _state: bytes = field(repr=False)

    @classmethod
    def begin(cls, code: str, joiner: bytes, inviter: bytes, entropy: Entropy) -> "JoinerExchange":
        """Guess `code` between these two certificates (DER). Takes about 3 ms."""
        ids = {"idA": _identity(JOINER, joiner), "idB": _identity(INVITER, inviter)}
        half = SPAKE2_A(code.encode("ascii"), **ids, entropy_f=entropy)
        return cls(half.start(), half.serialize())

    def finish(self, pake: bytes, said: tuple[bytes, ...]) -> PairingKeys | None:
        """The keys, or None when `pake` is no half of an exchange. `said` are the bodies sent so far. About 10 ms."""
        try:
            return _derived(SPAKE2_A.from_serialized(self._state).finish(pake), said)
        except _BAD_ELEMENT:
            return None


@dataclass(frozen=True)
class InviterExchange:
    """The inviter's half of SPAKE2, done in one step."""

    pake: bytes = field(repr=False)
    shared: bytes = field(repr=False)

    @classmethod
    def answer(
        cls, code: str, joiner: bytes, inviter: bytes, pake: bytes, entropy: Entropy
    ) -> "InviterExchange | None":
        """Answer the joiner's `pake`, or None when it is no half of an exchange. Takes about 7 ms."""
        ids = {"idA": _identity(JOINER, joiner), "idB": _identity(INVITER, inviter)}
        half = SPAKE2_B(code.encode("ascii"), **ids, entropy_f=entropy)
        try:
            return cls(half.start(), half.finish(pake))
        except _BAD_ELEMENT:
            return None

    def keys(self, said: tuple[bytes, ...]) -> PairingKeys:
        """The keys, bound to the bodies sent so far."""
        return _derived(self.shared, said)


def _identity(side: bytes, certificate: bytes) -> bytes:
    return _PURPOSE + side + b"|" + hashlib.sha256(certificate).digest()


def _derived(shared: bytes, said: tuple[bytes, ...]) -> PairingKeys:
    digests = b"".join(hashlib.sha256(body).digest() for body in said)
    transcript = hashlib.sha256(_PURPOSE + digests).digest()
    keys = HKDF(hashes.SHA256(), 4 * 32, salt=transcript, info=_PURPOSE + b"keys").derive(shared)
    return PairingKeys(transcript, keys)
