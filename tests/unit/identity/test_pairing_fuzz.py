import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.identity.certificate import Identity, load_or_create
from app.identity.invitation import TRIES_PER_HOUR
from app.identity.pairing import Joiner
from app.identity.pairing_keys import INVITER, JOINER
from app.identity.pairing_messages import (
    MESSAGE_LIMIT,
    Card,
    Confirm,
    Confirmed,
    Reason,
    Refused,
    SealedCard,
    body_length,
    framed,
    read,
    written,
)
from tests.unit.identity.pairs import (
    CODE,
    WRONG,
    Knowing,
    Talk,
    card,
    inviting,
    talk,
    trusted,
)


def test_frames() -> None:
    assert framed(b"ab") == b"\0\0\0\2ab"
    assert body_length(b"\0\0\0\2") == 2
    for header in (bytes(4), b"\xff" * 4, (MESSAGE_LIMIT + 1).to_bytes(4, "big")):
        assert body_length(header) is None
    assert body_length(MESSAGE_LIMIT.to_bytes(4, "big")) == MESSAGE_LIMIT


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_garbage_is_no_message(body: bytes) -> None:
    assert read(body) is None


def test_hostile_bodies_are_no_message() -> None:
    good = json.loads(written(Confirm(tag=bytes(32))))
    for change in (
        {"kind": "other"},
        {"more": 1},
        {"tag": ""},
        {"tag": None},
        {"tag": "AA" * 64},
        {"kind": ["confirm"]},
    ):
        assert read(json.dumps(good | change).encode()) is None
    for body in (
        b"[" * 16_000,
        b'{"kind":' * 2000,
        b"9" * 16_000,
        b"",
        b"null",
        written(Confirm(tag=bytes(32))) + b" " * 17_000,
    ):
        assert read(body) is None
    assert read(json.dumps(good).encode()) == Confirm(tag=bytes(32))
    assert read(written(Refused(reason=Reason.BUSY))) == Refused(reason=Reason.BUSY)


@pytest.fixture(scope="module")
def said(identities: list[Identity]) -> dict[str, list[bytes]]:
    """Messages of a pairing that worked and of one that did not."""
    right = talk(inviting(identities[0]), identities[1]).to_the_end()
    wrong = talk(inviting(identities[0]), identities[1], WRONG).to_the_end()
    return {
        "inviter": right.to_inviter + wrong.to_inviter,
        "any": right.to_inviter + right.to_joiner + wrong.to_inviter + wrong.to_joiner + [b"", b"{}", b"x" * 17_000],
    }


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 2)), max_size=7))
def test_recorded_messages_in_any_order_bring_no_trust(
    turns: list[tuple[int, int]], said: dict[str, list[bytes]], identities: list[Identity]
) -> None:
    inviter = inviting(identities[0])
    joiner, _ = Joiner.begin(card(identities[1]), CODE, identities[0].certificate, 1.0)
    for index, connection in turns:
        body = said["any"][index % len(said["any"])]
        invited, joined = inviter.received(connection, body, 1.0), joiner.received(body, 1.0)
        inviter, joiner = invited.state, joined.state
        assert not trusted(invited.outcome, joined.outcome)


@settings(max_examples=40, deadline=None)
@given(turn=st.integers(0, 5), place=st.integers(0, 5000), change=st.integers(1, 255))
def test_a_changed_byte_in_any_message_brings_no_trust(
    turn: int, place: int, change: int, identities: list[Identity]
) -> None:
    going = talk(inviting(identities[0]), identities[1])
    altered = False
    for number in range(6):
        to_inviter = number % 2 == 0
        body = going.to_inviter[-1] if to_inviter else going.to_joiner[-1]
        if number == turn:
            before, body = body, changed(body, place, change)
            # The last character of base64 has spare bits; the first two messages count as they were written.
            altered = turn < 2 or read(body) != read(before)
        (going.inviter_hears if to_inviter else going.joiner_hears)(body, 1.0)
        if trusted(going.inviter_outcome) and number < turn:
            assert turn == 5, "only the inviter's last message comes after its trust, which then is never confirmed"
        if (going.inviter_outcome if to_inviter else going.joiner_outcome) and not trusted(going.inviter_outcome):
            break
    assert trusted(going.joiner_outcome) != altered
    assert trusted(going.inviter_outcome) == (turn == 5 or not altered)


def changed(body: bytes, place: int, change: int) -> bytes:
    at = place % len(body)
    return body[:at] + bytes([body[at] ^ change]) + body[at + 1 :]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(3)), drop=st.integers(0, 2), twice=st.integers(0, 2))
def test_a_joiner_that_knows_the_code_but_not_the_order(
    order: list[int], drop: int, twice: int, identities: list[Identity]
) -> None:
    knowing = Knowing(identities[0], identities[1].certificate)
    guest = identities[1]
    signature = guest.sign(knowing.keys.to_sign(JOINER, "x", guest.certificate, 52416))
    text = Card(name="x", certificate=guest.certificate, port=52416, signature=signature)
    confirm, sealed = Confirm(tag=knowing.keys.tag(JOINER)), SealedCard(sealed=knowing.keys.seal(JOINER, written(text)))
    messages = [written(confirm), written(sealed), written(Confirmed(tag=knowing.keys.tag(INVITER)))]
    inviter, ended = knowing.inviter, False
    for number in (index for index in [*order, twice] if index != drop):
        step = inviter.received(1, messages[number], 1.0)
        # The only message in its turn is the card, and only as the very first.
        assert trusted(step.outcome) == (number == 1 and not ended)
        inviter, ended = step.state, True


# --- a stranger does as he likes for hours ---------------------------------------------------------------------------


class Stranger(RuleBasedStateMachine):
    """Anybody on the network, over any connections, for any time, without the code: no trust, few tries."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        for name in ("host", "guest"):
            (root / name).mkdir()
        self.host, self.guest = load_or_create(root / "host"), load_or_create(root / "guest")
        self.now = 0.0
        self.inviter = inviting(self.host, codes=(CODE,))
        self.tries: list[float] = []
        self.talks: dict[int, Talk] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    def hears(self, connection: int, body: bytes) -> None:
        before = self.inviter.desk.failures.count(self.now)
        step = self.inviter.received(connection, body, self.now)
        self.tries += [self.now] * (step.state.desk.failures.count(self.now) - before)
        self.inviter = step.state
        assert not trusted(step.outcome)
        if connection in self.talks and step.reply is not None:
            self.talks[connection].to_joiner.append(step.reply)

    @rule(connection=st.integers(1, 3))
    def guess(self, connection: int) -> None:
        self.talks[connection] = talk(self.inviter, self.guest, WRONG, now=self.now, connection=connection)
        self.hears(connection, self.talks[connection].to_inviter[0])

    @rule(connection=st.integers(1, 3))
    def go_on(self, connection: int) -> None:
        if going := self.talks.get(connection):
            if going.to_joiner and going.joiner_outcome is None:
                going.joiner_hears(going.to_joiner[-1], self.now)
                assert not trusted(going.joiner_outcome)
            self.hears(connection, going.to_inviter[-1])

    @rule(connection=st.integers(1, 3), other=st.integers(1, 3))
    def send_another_s_message(self, connection: int, other: int) -> None:
        if going := self.talks.get(other):
            self.hears(connection, going.to_inviter[-1])
            if going.to_joiner:
                self.hears(connection, going.to_joiner[-1])

    @rule(connection=st.integers(1, 3), body=st.binary(max_size=40))
    def send_garbage(self, connection: int, body: bytes) -> None:
        self.hears(connection, body)

    @rule(connection=st.integers(1, 3))
    def hang_up(self, connection: int) -> None:
        self.inviter = self.inviter.gone(connection, self.now)

    @rule(seconds=st.sampled_from([0.5, 11.0, 31.0, 121.0, 900.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.inviter = self.inviter.ticked(self.now)

    @rule()
    def reopen(self) -> None:
        self.inviter = self.inviter.closed(self.now).opened(self.now)

    @invariant()
    def few_tries(self) -> None:
        if hasattr(self, "tries"):
            assert len([each for each in self.tries if self.now - each < 3600]) <= TRIES_PER_HOUR
            assert self.inviter.desk.tries_left <= 3


Stranger.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
test_a_stranger_gets_nowhere = Stranger.TestCase
