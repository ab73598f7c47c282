"""The messages of pairing: length-prefixed JSON, read strictly and with a size cap.

Joiner: start, confirm, card. Inviter: answer, confirmed, card; or refused, at any point, as its last word.
"""

import struct
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from app.identity.names import NAME_LIMIT
from app.identity.peer_certificate import CERTIFICATE_LIMIT

MESSAGE_LIMIT = 16 * 1024
"""Bytes of one message's body."""

HEADER_BYTES = 4
"""The length of the body, big-endian, before each."""

PAKE_BYTES = 33
TAG_BYTES = 32


class Reason(StrEnum):
    """Why pairing came to nothing."""

    WRONG_CODE = "wrong_code"
    NO_CODE = "no_code"
    BUSY = "busy"
    OUT_OF_TIME = "out_of_time"
    HUNG_UP = "hung_up"
    PROTOCOL = "protocol"
    CERTIFICATE = "certificate"
    REMOVED = "removed"
    OURSELVES = "ourselves"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class Start(_Message):
    """The joiner's certificate (DER) and its half of the key exchange; a guess at the code."""

    kind: Literal["start"] = "start"
    version: Literal[1] = 1
    certificate: bytes = Field(max_length=CERTIFICATE_LIMIT)
    pake: bytes = Field(min_length=PAKE_BYTES, max_length=PAKE_BYTES)


class Answer(_Message):
    """The inviter's half of the key exchange."""

    kind: Literal["answer"] = "answer"
    pake: bytes = Field(min_length=PAKE_BYTES, max_length=PAKE_BYTES)


class Confirm(_Message):
    """The joiner's proof that it has the key; it comes first, so that the inviter never answers a wrong guess."""

    kind: Literal["confirm"] = "confirm"
    tag: bytes = Field(min_length=TAG_BYTES, max_length=TAG_BYTES)


class Confirmed(_Message):
    """The inviter's proof that it has the key."""

    kind: Literal["confirmed"] = "confirmed"
    tag: bytes = Field(min_length=TAG_BYTES, max_length=TAG_BYTES)


class SealedCard(_Message):
    """A `Card` under the key."""

    kind: Literal["card"] = "card"
    sealed: bytes = Field(max_length=6 * 1024)


class Refused(_Message):
    """The inviter will not go on. Not authenticated: it can only end the attempt."""

    kind: Literal["refused"] = "refused"
    reason: Reason


class Card(_Message):
    """Who a PC is: its name, certificate (DER), the port of its peer link, and its signature of the whole exchange."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=NAME_LIMIT)]
    certificate: bytes = Field(max_length=CERTIFICATE_LIMIT)
    port: int = Field(ge=1024, le=65535)
    signature: bytes = Field(max_length=128)


Message = Start | Answer | Confirm | Confirmed | SealedCard | Refused

_reader: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def written(message: BaseModel) -> bytes:
    """The body of a message."""
    return message.model_dump_json().encode()


def read(body: bytes) -> Message | None:
    """The message in `body`, or None: too large, no JSON, an unknown kind, a missing, wrong or additional field."""
    if len(body) > MESSAGE_LIMIT:
        return None
    try:
        return _reader.validate_json(body)
    except ValidationError:
        return None


def framed(body: bytes) -> bytes:
    """The body as it goes over the connection."""
    return struct.pack("!I", len(body)) + body


def body_length(header: bytes) -> int | None:
    """Bytes of the body that follows these `HEADER_BYTES`, or None when it would be too large: hang up."""
    length: int = struct.unpack("!I", header)[0]
    return length if 0 < length <= MESSAGE_LIMIT else None
