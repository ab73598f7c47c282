"""Who belongs to the cluster, and how a PC joins it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.schema.errors import ErrorInfo
from app.schema.record import NodeId, Record


class MemberInfo(Record):
    """One PC of the cluster, this one included. `short_name` tells PCs of one name apart (`ABCDEFG-HIJKLMN`).

    `addresses` are `host:port` to try, the last good one first.
    """

    node: NodeId
    name: str
    short_name: str
    addresses: tuple[str, ...] = ()
    added_by: NodeId | None = None


class InvitationStatus(Record):
    """An open invitation. `code` is None in the pause after too many wrong tries, until `ends_at` (epoch seconds).

    With a code, `ends_at` is when the next one replaces it. `trouble` is the last thing that went wrong, as a sentence.
    `joined` are the names of the PCs that joined since it was opened. `addresses` are `host:port` at which a PC can
    join when discovery is blocked.
    """

    code: str | None = Field(default=None, repr=False)
    ends_at: float
    tries_left: int = 0
    trouble: str = ""
    joined: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


class JoinState(StrEnum):
    """Where an attempt to join is. `joined` and `failed` are its ends."""

    SEARCHING = "searching"
    DIALLING = "dialling"
    CHECKING_CODE = "checking_code"
    CONNECTING = "connecting"
    JOINED = "joined"
    FAILED = "failed"


class JoinStatus(Record):
    """The last attempt of this PC to join a cluster. `partner` is the PC that invited, once the code was right."""

    state: JoinState
    address: str | None = None
    partner: str | None = None
    error: ErrorInfo | None = None


class JoinRequest(Record):
    """Join the PC that shows `code`; spaces and dashes in it do not matter.

    `address` is `host` or `host:port`; None takes the PC that discovery sees inviting.
    """

    code: Annotated[str, Field(max_length=40, repr=False)]
    address: Annotated[str, Field(max_length=200)] | None = None
