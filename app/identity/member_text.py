"""Member lists as text: strictly read, and signed for the way between nodes."""

from typing import Annotated

from cryptography.exceptions import InvalidSignature
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.identity.certificate import Identity, check_signature
from app.identity.names import NAME_LIMIT, clean_name
from app.identity.peer_certificate import CERTIFICATE_LIMIT, check_peer_certificate, node_id
from app.identity.trust import ADDRESS_LIMIT, MEMBER_LIMIT, REMOVED_LIMIT, Member, MemberList
from app.schema.errors import ListRefused, PeerRefused
from app.schema.record import NodeId

LIST_LIMIT = 256 * 1024
"""Bytes of a signed list; a full one has about 150 KiB."""

_PURPOSE = b"caravan-members-1|"

_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Address = Annotated[str, StringConstraints(min_length=1, max_length=261, pattern=r"^[^\s\x00-\x1f]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")


class _Member(_Strict):
    name: str = Field(max_length=NAME_LIMIT)
    certificate: bytes = Field(max_length=CERTIFICATE_LIMIT)
    addresses: tuple[_Address, ...] = Field((), max_length=ADDRESS_LIMIT)
    added_by: _Hash | None = None


class _List(_Strict):
    version: int = Field(ge=0, lt=2**53)
    members: tuple[_Member, ...] = Field(max_length=MEMBER_LIMIT)
    removed: tuple[_Hash, ...] = Field((), max_length=REMOVED_LIMIT)


class _Signed(_Strict):
    signer: _Hash
    body: bytes
    signature: bytes = Field(max_length=128)


def to_json(members: MemberList) -> bytes:
    """The list as JSON; `from_json` reads it."""
    texts = tuple(
        _Member(name=each.name, certificate=each.certificate, addresses=each.addresses, added_by=each.added_by)
        for each in members.members
    )
    return _List(version=members.version, members=texts, removed=members.removed).model_dump_json().encode()


def from_json(data: bytes) -> MemberList:
    """The list in `data`. Identities are computed from the certificates, each of which must be one of ours.

    Raises ListRefused when anything is wrong: a list is taken whole or not at all.
    """
    try:
        text = _List.model_validate_json(data)
        members = {member.node: member for member in map(_member, text.members)}
    except (ValidationError, PeerRefused, ValueError) as error:
        raise _damaged() from error
    removed = tuple(NodeId(node) for node in sorted(set(text.removed)))
    if len(members) != len(text.members) or members.keys() & set(removed):
        raise _damaged()
    return MemberList(text.version, tuple(members[node] for node in sorted(members)), removed)


def _member(text: _Member) -> Member:
    check_peer_certificate(text.certificate)
    node = node_id(text.certificate)
    return Member(
        node, clean_name(text.name), text.certificate, text.addresses, NodeId(text.added_by) if text.added_by else None
    )


def signed(members: MemberList, identity: Identity) -> bytes:
    """The list under this node's signature, to be sent to other members. At most `LIST_LIMIT` bytes."""
    body = to_json(members)
    signature = identity.sign(_PURPOSE + body)
    return _Signed(signer=identity.node, body=body, signature=signature).model_dump_json().encode()


def opened(data: bytes, current: MemberList) -> MemberList:
    """The list in `data`, when a member of `current` signed it; give it to `merge`.

    An old list that is sent again changes nothing, as merging only ever adds. Raises ListRefused.
    """
    if len(data) > LIST_LIMIT:
        raise _damaged()
    try:
        text = _Signed.model_validate_json(data)
    except ValidationError as error:
        raise _damaged() from error
    signer = current.member(NodeId(text.signer))
    if signer is None:
        raise ListRefused("A list of trusted PCs came from a PC that is not trusted; it was not used.")
    try:
        check_signature(signer.certificate, text.signature, _PURPOSE + text.body)
    except InvalidSignature as error:
        raise ListRefused(
            f"A list of trusted PCs said to be from {signer.name} was forged; it was not used."
        ) from error
    return from_json(text.body)


def _damaged() -> ListRefused:
    return ListRefused("A list of trusted PCs is damaged; it was not used.", "Run the same version on all PCs.")
