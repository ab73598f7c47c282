"""Two PCs that pair, in memory."""

from dataclasses import replace

from app.identity.certificate import Identity
from app.identity.invitation import CodeDesk
from app.identity.pairing import Failed, Inviter, Joiner, Outcome, OwnCard, Paired
from app.identity.pairing_keys import JOINER, JoinerExchange
from app.identity.pairing_messages import Answer, Confirm, SealedCard, Start, read, written

CODE = "482913"
WRONG = "482914"


def card(identity: Identity, name: str = "desk", port: int = 52416) -> OwnCard:
    return OwnCard(identity, name, port)


def inviting(identity: Identity, now: float = 0.0, codes: tuple[str, ...] = (CODE,)) -> Inviter:
    """An inviter that shows the codes in turn, the last one for ever."""
    rest = list(codes)

    def make_code() -> str:
        return rest.pop(0) if len(rest) > 1 else rest[0]

    return Inviter(card(identity, "host"), CodeDesk(make_code=make_code)).opened(now)


class Talk:
    """A joiner and an inviter, message by message; keeps what was said."""

    def __init__(self, inviter: Inviter, joiner: Joiner, start: bytes, connection: int = 1) -> None:
        self.inviter, self.joiner, self.connection = inviter, joiner, connection
        self.to_inviter: list[bytes] = [start]
        self.to_joiner: list[bytes] = []
        self.inviter_outcome: Outcome | None = None
        self.joiner_outcome: Outcome | None = None

    def inviter_hears(self, body: bytes, now: float) -> None:
        step = self.inviter.received(self.connection, body, now)
        self.inviter, self.inviter_outcome = step.state, step.outcome
        if step.reply is not None:
            self.to_joiner.append(step.reply)

    def joiner_hears(self, body: bytes, now: float) -> None:
        step = self.joiner.received(body, now)
        self.joiner, self.joiner_outcome = step.state, step.outcome
        if step.reply is not None:
            self.to_inviter.append(step.reply)

    def round(self, now: float) -> None:
        """The joiner's last message goes over, and the answer comes back."""
        self.inviter_hears(self.to_inviter[-1], now)
        self.joiner_hears(self.to_joiner[-1], now)

    def to_the_end(self, now: float = 1.0) -> "Talk":
        while self.joiner_outcome is None:
            self.round(now)
        return self


def talk(
    inviter: Inviter,
    joiner: Identity,
    code: str = CODE,
    now: float = 1.0,
    seen: bytes | None = None,
    connection: int = 1,
) -> Talk:
    """A joiner that begins with `inviter`, whose certificate it sees as `seen`."""
    host = seen or inviter.own.identity.certificate
    return Talk(inviter, *Joiner.begin(card(joiner), code, host, now), connection=connection)


def trusted(*outcomes: Outcome | None) -> bool:
    return any(isinstance(outcome, Paired) for outcome in outcomes)


def reasons(end: Talk) -> tuple[str | None, str | None]:
    """Why it failed, at the inviter and at the joiner."""
    both = (end.inviter_outcome, end.joiner_outcome)
    return tuple(each.reason.value if isinstance(each, Failed) else None for each in both)  # type: ignore[return-value]


def as_own(inviter: Inviter, **changes: object) -> Inviter:
    return replace(inviter, own=replace(inviter.own, **changes))  # type: ignore[arg-type]


class Knowing:
    """A joiner that knows the code and then cheats with its card."""

    def __init__(self, host: Identity, certificate: bytes, confirms: bool = True) -> None:
        self.inviter = inviting(host)
        exchange = JoinerExchange.begin(CODE, certificate, host.certificate, bytes_of_one)
        start = written(Start(certificate=certificate, pake=exchange.pake))
        step = self.inviter.received(1, start, 1.0)
        keys = exchange.finish(json_pake(step.reply), (start, step.reply or b""))
        assert keys is not None
        self.keys = keys
        self.inviter = step.state
        if confirms:
            self.inviter = self.inviter.received(1, written(Confirm(tag=keys.tag(JOINER))), 1.0).state

    def shows(self, sealed: bytes) -> Paired | Failed | None:
        return self.inviter.received(1, written(SealedCard(sealed=sealed)), 1.0).outcome


def json_pake(reply: bytes | None) -> bytes:
    message = read(reply or b"")
    assert isinstance(message, Answer)
    return message.pake


def bytes_of_one(count: int) -> bytes:
    return b"\1" * count
