"""Pairing as two state machines, one per side. Pure: message in, (reply, next state, outcome) out; time is passed in.

    joiner (types the code)                  inviter (shows the code)
    start: certificate, half of SPAKE2  -->  a try is counted now
                                        <--  answer: half of SPAKE2
    confirm: proof of the key           -->  wrong: refused, and nothing of the key was shown
                                        <--  confirmed: proof of the key
    card: name, certificate, signature  -->
                                        <--  card: the same, and both are paired

Any message out of its turn ends the attempt. What comes out is a `Member` to trust *pending*: add its certificate to
the trusted ones for `PENDING_SECONDS`, and keep it only when a normal connection between both has worked by then.
"""

import os
from dataclasses import dataclass, field, replace
from typing import Literal

from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from app.identity.certificate import Identity, check_signature
from app.identity.invitation import CodeDesk, Invitation
from app.identity.names import clean_name, own_name
from app.identity.pairing_keys import INVITER, JOINER, Entropy, InviterExchange, JoinerExchange, PairingKeys
from app.identity.pairing_messages import (
    Answer,
    Card,
    Confirm,
    Confirmed,
    Message,
    Reason,
    Refused,
    SealedCard,
    Start,
    read,
    written,
)
from app.identity.pairing_words import AT_INVITER, AT_JOINER
from app.identity.peer_certificate import check_peer_certificate, node_id
from app.identity.trust import Member
from app.schema.errors import CertificateRefused, InputError, PairingFailed
from app.schema.record import NodeId

SESSION_SECONDS = 10.0
"""One attempt, from its first message to its last."""

REPLY_DELAY = 0.1
"""Seconds to wait before each reply of the inviter goes out: hides how long it computed, slows guessing."""

PENDING_SECONDS = 30.0
"""How long a paired PC is trusted without having connected."""


@dataclass(frozen=True)
class OwnCard:
    """What this PC brings to a pairing. `port` is its peer link's; `removed` are PCs it must not trust again."""

    identity: Identity
    name: str
    port: int
    removed: frozenset[NodeId] = frozenset()


@dataclass(frozen=True)
class Paired:
    """The other PC knew the code and holds the key of its certificate. Its peer link listens on `port`."""

    member: Member
    port: int


@dataclass(frozen=True)
class Failed:
    """The attempt is over and nothing is trusted. Write the reply, if there is one, and hang up."""

    reason: Reason
    sentence: str
    hint: str = ""

    def error(self) -> PairingFailed:
        """The failure as an error to raise."""
        return PairingFailed(self.sentence, self.hint)


Outcome = Paired | Failed


@dataclass(frozen=True)
class JoinerStep:
    """What follows from a message at the joiner. With an outcome the attempt is over."""

    reply: bytes | None
    state: "Joiner"
    outcome: Outcome | None = None


@dataclass(frozen=True)
class InviterStep:
    """What follows from a message at the inviter. With an outcome that connection is over, after the reply."""

    reply: bytes | None
    state: "Inviter"
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Joiner:
    """The side that types the code; one attempt with one PC."""

    own: OwnCard
    host: bytes = field(repr=False)
    """The inviter's certificate (DER) as TLS showed it."""
    until: float
    exchange: JoinerExchange | None = None
    start: bytes = field(default=b"", repr=False)
    keys: PairingKeys | None = None
    expects: Literal["answer", "confirmed", "card", "nothing"] = "answer"

    @classmethod
    def begin(
        cls, own: OwnCard, code: str, host: bytes, now: float, entropy: Entropy = os.urandom
    ) -> tuple["Joiner", bytes]:
        """Begin with the PC that showed the certificate `host`; also the first message's body.

        Raises InputError (the code is no six digits), CertificateRefused, PairingFailed (this PC itself, or removed).
        """
        digits = checked_code(code)
        check_peer_certificate(host)
        reason = _unwanted(own, host)
        if reason is not None:
            raise _failed_joiner(reason).error()
        certificate = own.identity.certificate
        exchange = JoinerExchange.begin(digits, certificate, host, entropy)
        start = written(Start(certificate=certificate, pake=exchange.pake))
        return cls(own, host, now + SESSION_SECONDS, exchange, start), start

    def received(self, body: bytes, now: float) -> JoinerStep:
        """The inviter's next message."""
        message = read(body)
        if now >= self.until:
            return self._over(Reason.OUT_OF_TIME)
        if isinstance(message, Refused) and self.expects != "nothing":
            return self._over(message.reason)
        if isinstance(message, Answer) and self.expects == "answer":
            return self._confirm(message, body)
        if isinstance(message, Confirmed) and self.expects == "confirmed":
            return self._send_card(message)
        if isinstance(message, SealedCard) and self.expects == "card":
            return self._finish(message)
        return self._over(Reason.PROTOCOL)

    def gone(self) -> Failed:
        """The connection ended before the outcome."""
        return _failed_joiner(Reason.HUNG_UP)

    def _confirm(self, message: Answer, body: bytes) -> JoinerStep:
        keys = self.exchange.finish(message.pake, (self.start, body)) if self.exchange else None
        if keys is None:
            return self._over(Reason.PROTOCOL)
        state = replace(self, keys=keys, exchange=None, expects="confirmed")
        return JoinerStep(written(Confirm(tag=keys.tag(JOINER))), state)

    def _send_card(self, message: Confirmed) -> JoinerStep:
        if self.keys is None or not self.keys.proves(INVITER, message.tag):
            return self._over(Reason.PROTOCOL)
        return JoinerStep(_sealed_card(self.own, self.keys, JOINER), replace(self, expects="card"))

    def _finish(self, message: SealedCard) -> JoinerStep:
        paired = _read_card(self.own, self.keys, INVITER, message, self.host)
        if isinstance(paired, Reason):
            return self._over(paired)
        return JoinerStep(None, self._ended(), paired)

    def _over(self, reason: Reason) -> JoinerStep:
        return JoinerStep(None, self._ended(), _failed_joiner(reason))

    def _ended(self) -> "Joiner":
        return replace(self, exchange=None, keys=None, expects="nothing")


@dataclass(frozen=True)
class _Session:
    """The one attempt that is under way at the inviter."""

    connection: int
    guest: bytes = field(repr=False)
    until: float
    keys: PairingKeys
    expects: Literal["confirm", "card"] = "confirm"


@dataclass(frozen=True)
class Inviter:
    """The side that shows the code: its desk of codes, and one attempt at a time. Keep it while the node runs.

    Connections are told apart by numbers of the caller's.
    """

    own: OwnCard
    desk: CodeDesk = field(default_factory=CodeDesk)
    entropy: Entropy = field(default=os.urandom, repr=False)
    session: _Session | None = None

    def opened(self, now: float) -> "Inviter":
        """Begin to show codes."""
        return replace(self, desk=self.desk.open(now))

    def closed(self, now: float) -> "Inviter":
        """Show codes no more; an attempt under way has failed."""
        ended = self._over(Reason.HUNG_UP, now).state if self.session else self
        return replace(ended, desk=ended.desk.close())

    def ticked(self, now: float) -> "Inviter":
        """What time has changed; call at least each second while open."""
        late = self.session is not None and now >= self.session.until
        state = self._over(Reason.OUT_OF_TIME, now).state if late else self
        return replace(state, desk=state.desk.tick(now))

    def gone(self, connection: int, now: float) -> "Inviter":
        """A connection ended."""
        ours = self.session is not None and self.session.connection == connection
        return self._over(Reason.HUNG_UP, now).state if ours else self

    def invitation(self, now: float) -> Invitation | None:
        """What to show a person now; None while nothing is open."""
        return self.desk.shown(now)

    def received(self, connection: int, body: bytes, now: float) -> InviterStep:
        """A message from a connection. `REPLY_DELAY` goes before every reply."""
        return self.ticked(now)._received(connection, read(body), body, now)

    def _received(self, connection: int, message: Message | None, body: bytes, now: float) -> InviterStep:
        session = self.session
        if session is None or session.connection != connection:
            return self._begin(connection, message, body, now)
        if isinstance(message, Confirm) and session.expects == "confirm":
            return self._confirm(session, message, now)
        if isinstance(message, SealedCard) and session.expects == "card":
            return self._finish(session, message, now)
        return self._over(Reason.PROTOCOL, now)

    def _begin(self, connection: int, message: Message | None, body: bytes, now: float) -> InviterStep:
        if not isinstance(message, Start):
            return self._turned_away(Reason.PROTOCOL)
        if self.session is not None:
            return self._turned_away(Reason.BUSY)
        if self.desk.tries_left == 0 or self.desk.code is None:
            return self._turned_away(Reason.NO_CODE)
        return replace(self, desk=self.desk.try_begins(now))._answer(connection, self.desk.code, message, body, now)

    def _answer(self, connection: int, code: str, start: Start, body: bytes, now: float) -> InviterStep:
        try:
            check_peer_certificate(start.certificate)
        except CertificateRefused:
            return self._over(Reason.CERTIFICATE, now)
        if node_id(start.certificate) == self.own.identity.node:
            return self._over(Reason.OURSELVES, now)
        own = self.own.identity.certificate
        exchange = InviterExchange.answer(code, start.certificate, own, start.pake, self.entropy)
        if exchange is None:
            return self._over(Reason.PROTOCOL, now)
        reply = written(Answer(pake=exchange.pake))
        keys = exchange.keys((body, reply))
        session = _Session(connection, start.certificate, now + SESSION_SECONDS, keys)
        return InviterStep(reply, replace(self, session=session))

    def _confirm(self, session: _Session, message: Confirm, now: float) -> InviterStep:
        if not session.keys.proves(JOINER, message.tag):
            return self._over(Reason.WRONG_CODE, now)
        reply = written(Confirmed(tag=session.keys.tag(INVITER)))
        return InviterStep(reply, replace(self, session=replace(session, expects="card")))

    def _finish(self, session: _Session, message: SealedCard, now: float) -> InviterStep:
        paired = _read_card(self.own, session.keys, JOINER, message, session.guest)
        if isinstance(paired, Reason):
            return self._over(paired, now)
        reply = _sealed_card(self.own, session.keys, INVITER)
        return InviterStep(reply, replace(self, session=None, desk=self.desk.try_succeeded()), paired)

    def _turned_away(self, reason: Reason) -> InviterStep:
        return InviterStep(written(Refused(reason=reason)), self, Failed(reason, AT_INVITER[reason]))

    def _over(self, reason: Reason, now: float) -> InviterStep:
        desk = self.desk.try_failed(now, AT_INVITER[reason])
        return replace(self, session=None, desk=desk)._turned_away(reason)


def checked_code(typed: str) -> str:
    """The six digits of a typed code; spaces and dashes do not matter. Raises InputError."""
    digits = "".join(typed.replace("-", "").split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        raise InputError("The code has six digits.", "Type the code that the other PC shows, such as 123 456.")
    return digits


def _sealed_card(own: OwnCard, keys: PairingKeys, side: bytes) -> bytes:
    name, certificate = own_name(own.name), own.identity.certificate
    signature = own.identity.sign(keys.to_sign(side, name, certificate, own.port))
    card = Card(name=name, certificate=certificate, port=own.port, signature=signature)
    return written(SealedCard(sealed=keys.seal(side, written(card))))


def _read_card(
    own: OwnCard, keys: PairingKeys | None, side: bytes, message: SealedCard, expected: bytes
) -> Paired | Reason:
    text = keys.open(side, message.sealed) if keys else None
    if keys is None or text is None:
        return Reason.PROTOCOL
    try:
        card = Card.model_validate_json(text)
        name = clean_name(card.name)
        check_signature(card.certificate, card.signature, keys.to_sign(side, card.name, card.certificate, card.port))
    except (ValidationError, InvalidSignature, CertificateRefused, ValueError):
        return Reason.PROTOCOL
    if card.certificate != expected:
        return Reason.PROTOCOL
    added_by = own.identity.node if side == JOINER else None
    return _unwanted(own, expected) or Paired(Member(node_id(expected), name, expected, (), added_by), card.port)


def _unwanted(own: OwnCard, certificate: bytes) -> Reason | None:
    node = node_id(certificate)
    if node == own.identity.node:
        return Reason.OURSELVES
    return Reason.REMOVED if node in own.removed else None


def _failed_joiner(reason: Reason) -> Failed:
    return Failed(reason, *AT_JOINER[reason])
