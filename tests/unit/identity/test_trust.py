import contextlib
import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity.certificate import Identity
from app.identity.member_text import LIST_LIMIT, from_json, opened, signed, to_json
from app.identity.names import clean_name, own_name
from app.identity.peer_certificate import node_id
from app.identity.trust import MEMBER_LIMIT, REMOVED_LIMIT, Member, MemberList, merge
from app.identity.trust_store import TrustStore, own_member
from app.schema.errors import ClusterFull, ListRefused, TrustUnusable
from app.schema.record import NodeId
from tests.unit.identity.forge import forged

NODES = [NodeId(f"{number:064x}") for number in range(12)]


def plain(number: int, name: str = "pc", addresses: tuple[str, ...] = ()) -> Member:
    return Member(NODES[number], name, b"certificate %d" % number, addresses)


def listed(*members: Member, version: int = 1, removed: tuple[NodeId, ...] = ()) -> MemberList:
    return MemberList(version, tuple(sorted(members, key=lambda member: member.node)), removed)


@st.composite
def lists(draw: st.DrawFn) -> MemberList:
    removed = tuple(sorted(draw(st.sets(st.sampled_from(NODES), max_size=4))))
    numbers = draw(st.sets(st.integers(0, len(NODES) - 1), max_size=8))
    names = st.sampled_from(["anna", "bert"])
    by = st.sampled_from([None, *NODES[:3]])
    addresses = st.lists(st.sampled_from(["a:1", "b:2", "c:3"]), unique=True).map(tuple)
    members = [
        replace(plain(number, draw(names), draw(addresses)), added_by=draw(by))
        for number in sorted(numbers)
        if NODES[number] not in removed
    ]
    return listed(*members, version=draw(st.integers(0, 9)), removed=removed)


def essence(members: MemberList) -> tuple[object, ...]:
    addresses = tuple(frozenset(member.addresses) for member in members.members)
    return members.digest, members.version, addresses


@given(lists(), lists())
def test_merging_commutes(one: MemberList, two: MemberList) -> None:
    assert essence(merge(one, two)) == essence(merge(two, one))


@given(lists(), lists(), lists())
def test_merging_is_associative(one: MemberList, two: MemberList, three: MemberList) -> None:
    assert merge(merge(one, two), three).digest == merge(one, merge(two, three)).digest


@given(lists(), lists())
def test_merging_again_changes_nothing(one: MemberList, two: MemberList) -> None:
    assert merge(one, one) == one
    merged = merge(one, two)
    assert merge(merged, two) == merged
    assert merge(merged, one) == merged


@given(lists(), lists())
def test_removed_wins(one: MemberList, two: MemberList) -> None:
    merged = merge(one, two)
    assert set(merged.removed) == {*one.removed, *two.removed}
    assert not {member.node for member in merged.members} & set(merged.removed)
    everybody = {member.node for member in (*one.members, *two.members)}
    assert {member.node for member in merged.members} == everybody - set(merged.removed)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.integers(0, 2)), max_size=25), st.randoms())
def test_nodes_that_went_different_ways_agree(changes: list[tuple[bool, int, int]], random) -> None:  # type: ignore[no-untyped-def]
    nodes = [MemberList(), MemberList(), MemberList()]
    gone: set[NodeId] = set()
    for adds, number, where in changes:
        if adds and NODES[number] not in nodes[where].removed:
            nodes[where] = nodes[where].adding(plain(number))
        elif not adds:
            nodes[where] = nodes[where].removing(NODES[number])
            gone.add(NODES[number])
    for _ in range(3):
        random.shuffle(nodes)
        nodes = [merge(nodes[0], nodes[1]), merge(nodes[1], nodes[2]), merge(nodes[2], nodes[0])]
    assert len({node.digest for node in nodes}) == 1
    assert not gone & {member.node for member in nodes[0].members}


def test_the_version_grows_with_every_change() -> None:
    one = MemberList().adding(plain(1))
    two = one.adding(plain(2)).removing(NODES[1])
    assert (one.version, two.version, merge(one, two).version) == (1, 3, 3)
    assert two.removing(NODES[1]) == two


def test_a_removed_pc_is_not_added_again() -> None:
    members = MemberList().adding(plain(1)).removing(NODES[1])
    with pytest.raises(ListRefused, match="removed"):
        members.adding(plain(1))


def test_a_removed_pc_trusts_nobody() -> None:
    members = listed(plain(1), plain(2))
    assert members.trusted_by(NODES[1]) == (plain(2),)
    assert members.removing(NODES[1]).trusted_by(NODES[1]) == ()
    assert members.removing(NODES[1]).trusted_by(NODES[2]) == ()


def test_sizes_are_bounded() -> None:
    many = [Member(NodeId(f"{number:064x}"), "pc", b"") for number in range(2 * MEMBER_LIMIT)]
    full = listed(*many[:MEMBER_LIMIT])
    with pytest.raises(ClusterFull):
        full.adding(many[-1])
    for pair in ((full, listed(*many[MEMBER_LIMIT:])), (listed(*many[MEMBER_LIMIT:]), full)):
        with pytest.raises(ListRefused):
            merge(*pair)
    with pytest.raises(ClusterFull):
        listed(removed=tuple(NodeId(f"{number:064x}") for number in range(REMOVED_LIMIT))).removing(NodeId("f" * 64))


def test_the_last_good_address_is_first_and_few_are_kept() -> None:
    members = listed(plain(1), plain(2))
    for number in range(20):
        members = members.reached(NODES[1], f"10.0.0.{number}:52416")
    members = members.reached(NODES[1], "10.0.0.15:52416")
    found = members.member(NODES[1])
    assert found is not None
    assert found.addresses[:2] == ("10.0.0.15:52416", "10.0.0.19:52416")
    assert len(found.addresses) == 8
    assert members.digest == listed(plain(1), plain(2)).digest


@pytest.fixture
def cluster(identities: list[Identity]) -> MemberList:
    members = MemberList()
    for identity, name in zip(identities[:3], ("Küche", "desk", "attic"), strict=True):
        members = members.adding(own_member(identity, name))
    return members.reached(identities[1].node, "192.168.1.7:52416")


def test_a_list_as_text_and_back(cluster: MemberList) -> None:
    assert from_json(to_json(cluster)) == cluster


def test_a_full_list_fits_its_limit(identities: list[Identity]) -> None:
    members = [Member(node_id(each.der), "ü" * 64, each.der) for each in (forged() for _ in range(MEMBER_LIMIT))]
    for member in members:
        object.__setattr__(member, "addresses", tuple(f"{'x' * 40}{number}:52416" for number in range(8)))
    removed = tuple(NodeId(f"{number:064x}") for number in range(REMOVED_LIMIT))
    full = listed(*members, removed=removed)
    data = signed(full, identities[0])
    assert len(data) < LIST_LIMIT
    assert from_json(to_json(full)) == full


def test_a_member_s_list_is_taken(cluster: MemberList, identities: list[Identity]) -> None:
    wider = cluster.removing(identities[2].node)
    received = opened(signed(wider, identities[1]), cluster)
    assert received == wider
    assert merge(cluster, received).member(identities[2].node) is None


def test_only_a_current_member_s_list_is_taken(cluster: MemberList, identities: list[Identity]) -> None:
    stranger = identities[3]
    evil = cluster.adding(own_member(stranger, "evil"))
    with pytest.raises(ListRefused, match="not trusted"):
        opened(signed(evil, stranger), cluster)
    after = cluster.removing(identities[2].node)
    with pytest.raises(ListRefused, match="not trusted"):
        opened(signed(evil, identities[2]), after)


def test_a_forged_signature_is_refused(cluster: MemberList, identities: list[Identity]) -> None:
    text = json.loads(signed(cluster.adding(own_member(identities[3], "evil")), identities[3]))
    text["signer"] = identities[0].node
    with pytest.raises(ListRefused, match="forged"):
        opened(json.dumps(text).encode(), cluster)


def test_a_replayed_old_list_brings_nobody_back(cluster: MemberList, identities: list[Identity]) -> None:
    old = signed(cluster, identities[1])
    now = cluster.removing(identities[2].node)
    assert merge(now, opened(old, now)) == now


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int, identities: list[Identity]) -> None:
    members = MemberList().adding(own_member(identities[0], "one")).adding(own_member(identities[1], "two"))
    text = signed(members, identities[0])
    place = at % len(text)
    changed = text[:place] + bytes([text[place] ^ change]) + text[place + 1 :]
    with contextlib.suppress(ListRefused):
        assert opened(changed, members) == members


@given(
    st.binary(max_size=300) | st.recursive(st.none() | st.text(), st.lists).map(lambda each: json.dumps(each).encode())
)
def test_garbage_is_no_list(data: bytes) -> None:
    for read in (from_json, lambda text: opened(text, MemberList())):
        with pytest.raises(ListRefused):
            read(data)


def test_hostile_lists_are_refused(cluster: MemberList) -> None:
    good = json.loads(to_json(cluster))
    member = good["members"][0]
    changes = (
        {"members": [member] * 2},
        {"members": [member | {"name": "a\nb"}]},
        {"members": [member | {"name": "gnp\u202e.exe"}]},
        {"members": [member | {"certificate": "AAAA"}]},
        {"members": [member | {"addresses": ["a"] * 9}]},
        {"members": [member | {"addresses": ["a b"]}]},
        {"removed": [cluster.members[0].node]},
        {"removed": ["xyz"]},
        {"removed": ["A" * 64]},
        {"version": -1},
        {"version": 2**60},
        {"version": "x"},
    )
    for change in changes:
        with pytest.raises(ListRefused):
            from_json(json.dumps(good | change).encode())
    for data in (b"[" * 50_000, b"9" * 10_000, b'{"version":' + b"9" * 5000 + b"}", bytes(LIST_LIMIT + 1)):
        with pytest.raises(ListRefused):
            opened(data, cluster)


@given(st.text(max_size=200))
def test_our_own_name_is_always_acceptable(name: str) -> None:
    assert clean_name(own_name(name)) == own_name(name)


# --- the store ---------------------------------------------------------------------------------------------------


class Store:
    """A store with what its hook heard."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.path = folder / "trust.json"
        self.heard: list[tuple[MemberList, MemberList]] = []
        self.store = TrustStore(self.path, own_member(identity, "own"), lambda old, new: self.heard.append((old, new)))

    @property
    def backup(self) -> Path:
        return self.path.with_name("trust.json.bak")


def test_alone_at_first(tmp_path: Path, identities: list[Identity]) -> None:
    store = Store(tmp_path, identities[0]).store
    assert [member.node for member in store.current.members] == [identities[0].node]
    assert store.trusted == ()
    assert list(tmp_path.iterdir()) == []


def test_a_change_is_kept_and_heard(tmp_path: Path, identities: list[Identity]) -> None:
    first = Store(tmp_path, identities[0])
    other = own_member(identities[1], "other")
    first.store.change(lambda members: members.adding(other))
    first.store.change(lambda members: members)
    assert [(len(old.members), len(new.members)) for old, new in first.heard] == [(1, 2)]
    assert Store(tmp_path, identities[0]).store.trusted == (other,)
    first.store.forget()
    assert first.store.trusted == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", None])
def test_a_damaged_copy_is_replaced_by_the_other(
    tmp_path: Path, identities: list[Identity], damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    first = Store(tmp_path, identities[0])
    first.store.change(lambda members: members.adding(own_member(identities[1], "one")))
    first.store.change(lambda members: members.adding(own_member(identities[2], "two")).removing(identities[1].node))
    first.path.write_bytes(damage) if damage is not None else first.path.unlink()
    with caplog.at_level(logging.WARNING):
        again = Store(tmp_path, identities[0]).store
    # The copy is not one behind: the removed PC does not come back with it.
    assert again.current == first.store.current
    assert str(first.path) in caplog.text


def test_two_damaged_copies_are_told_and_kept(tmp_path: Path, identities: list[Identity]) -> None:
    first = Store(tmp_path, identities[0])
    first.path.write_bytes(b"{")
    first.backup.write_bytes(b"{")
    with pytest.raises(TrustUnusable, match="damaged") as caught:
        Store(tmp_path, identities[0])
    assert str(first.path) in caught.value.sentence
    assert first.path.read_bytes() == b"{"


def test_another_identity_s_list_is_told(tmp_path: Path, identities: list[Identity]) -> None:
    Store(tmp_path, identities[0]).store.change(lambda members: members.adding(own_member(identities[1], "one")))
    with pytest.raises(TrustUnusable, match="another identity"):
        Store(tmp_path, identities[3])


def test_a_node_that_was_removed_loads_and_trusts_nobody(tmp_path: Path, identities: list[Identity]) -> None:
    store = Store(tmp_path, identities[0]).store
    store.change(lambda members: members.adding(own_member(identities[1], "one")))
    store.change(lambda members: members.removing(identities[0].node))
    assert store.trusted == ()
    assert Store(tmp_path, identities[0]).store.trusted == ()


def test_when_saving_fails_trust_ends_but_does_not_begin(tmp_path: Path, identities: list[Identity]) -> None:
    first = Store(tmp_path, identities[0])
    first.store.change(lambda members: members.adding(own_member(identities[1], "one")))
    for path in (first.path, first.backup):
        path.unlink()
        path.mkdir()
        (path / "in the way").touch()
    swapped = first.store.current.removing(identities[1].node).adding(own_member(identities[2], "two"))
    with pytest.raises(TrustUnusable, match="cannot be saved"):
        first.store.replace(swapped)
    assert first.store.trusted == ()
    assert first.heard[-1][1].removed == (identities[1].node,)


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists, not modes")
def test_the_files_are_private(tmp_path: Path, identities: list[Identity]) -> None:
    first = Store(tmp_path, identities[0])
    first.store.change(lambda members: members.adding(own_member(identities[1], "one")))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
