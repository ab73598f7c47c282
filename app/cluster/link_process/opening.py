"""PURE: the few bytes that stand before a stream: the opening line, its answer, the preface, a request's key.

dialling peer:   open node | open ping | open bulk | open rpc TICKET       one line, first thing after TLS
answering peer:  ready | refused REASON                        one line; bytes flow after `ready`
towards our own node, before the HTTP of a peer:  caravan-peer SECRET NODE-ID
"""

import hmac
import re
from dataclasses import dataclass

from app.schema.record import NodeId

NODE_ALPN = "caravan-node/1"
RPC_ALPN = "caravan-rpc/1"

LINE_LIMIT = 256
"""Longest line in bytes, its end included."""

HEAD_LIMIT = 16 << 10
"""Longest head of a first HTTP request through a mouth, in bytes."""

READY = b"ready\n"

_OPENING = re.compile(rb"open (?:(node|ping|bulk)|rpc ([0-9a-f]{32}))\n")
_PREFACE = re.compile(rb"caravan-peer ([0-9a-zA-Z_-]{16,128}) ([0-9a-f]{64})\n")
_REFUSED = re.compile(rb"refused ([ -~]{1,200})\n")


@dataclass(frozen=True)
class Opening:
    """What a stream is for: `node` (HTTP), `ping` (bytes come back), `bulk` (counted), or `rpc` with its ticket."""

    purpose: str
    ticket: str | None = None

    @property
    def alpn(self) -> str:
        """The protocol the stream is opened with."""
        return RPC_ALPN if self.purpose == "rpc" else NODE_ALPN

    def line(self) -> bytes:
        """The line that opens it."""
        return f"open {self.purpose}{f' {self.ticket}' if self.ticket else ''}\n".encode("ascii")


NODE = Opening("node")
PING = Opening("ping")
BULK = Opening("bulk")


def parse_opening(line: bytes, alpn: str) -> Opening | None:
    """The opening of a line, None when it is malformed or not of this protocol."""
    found = _OPENING.fullmatch(line)
    if found is None:
        return None
    opening = Opening(found[1].decode("ascii")) if found[1] else Opening("rpc", found[2].decode("ascii"))
    return opening if opening.alpn == alpn else None


def refusal(reason: str) -> bytes:
    """The answer to a proven peer whose stream is not opened."""
    return f"refused {reason}\n".encode("ascii")


def parse_answer(line: bytes) -> str | None:
    """None for `ready`, else why not."""
    if line == READY:
        return None
    found = _REFUSED.fullmatch(line)
    return found[1].decode("ascii") if found else "it answered in a way this version does not know"


def preface(secret: str, peer: NodeId) -> bytes:
    """The line that tells our own node who speaks."""
    return f"caravan-peer {secret} {peer}\n".encode("ascii")


def parse_preface(line: bytes, secret: str) -> NodeId | None:
    """Who speaks, None when the line is malformed or does not know the secret."""
    found = _PREFACE.fullmatch(line)
    if found is None or not hmac.compare_digest(found[1], secret.encode("ascii")):
        return None
    return NodeId(found[2].decode("ascii"))


def bears_key(head: bytes, key: str) -> bool:
    """Whether the head of an HTTP request has `Authorization: Bearer KEY`."""
    wanted = f"Bearer {key}".encode("ascii")
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"authorization" and hmac.compare_digest(value.strip(), wanted):
            return True
    return False
