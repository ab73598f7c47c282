"""TLS handshakes in memory: no sockets, no waiting."""

import ssl
from dataclasses import dataclass, field


@dataclass
class Side:
    """One end of a handshake: what happened to it."""

    tls: ssl.SSLObject
    inward: ssl.MemoryBIO
    outward: ssl.MemoryBIO
    done: bool = False
    error: ssl.SSLError | None = None
    sent: list[int] = field(default_factory=list)
    """Bytes of each flight it sent."""

    def step(self) -> None:
        if self.done or self.error:
            return
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.error = error

    def read(self) -> bytes:
        """What the other side wrote; raises ssl.SSLError for its alert, ssl.SSLWantReadError for nothing."""
        return self.tls.read(1000)


def shaken(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None) -> tuple[Side, Side]:
    """Server and client after as much of a handshake as comes about."""
    sides = _server(server), _client(client, session)
    for _ in range(6):
        for side in sides:
            side.step()
            pass_on(*sides)
    return sides


def pass_on(one: Side, other: Side) -> None:
    """Carry what both wrote to each other."""
    for source, target in ((one, other), (other, one)):
        if data := source.outward.read():
            source.sent.append(len(data))
            target.inward.write(data)


def _server(context: ssl.SSLContext) -> Side:
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    return Side(context.wrap_bio(inward, outward, server_side=True), inward, outward)


def _client(context: ssl.SSLContext, session: ssl.SSLSession | None) -> Side:
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    return Side(context.wrap_bio(inward, outward, session=session), inward, outward)
