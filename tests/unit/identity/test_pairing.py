import pytest

from app.identity.certificate import Identity
from app.identity.invitation import TRIES_PER_HOUR, new_code
from app.identity.pairing import SESSION_SECONDS, Inviter, Paired, checked_code
from app.identity.pairing_messages import (
    Answer,
    Reason,
    Refused,
    read,
)
from app.identity.pairing_words import AT_INVITER
from app.schema.errors import InputError
from tests.unit.identity.pairs import CODE, WRONG, card, inviting, reasons, talk, trusted


def test_two_pcs_pair(identities: list[Identity]) -> None:
    host, guest, *_ = identities
    end = talk(inviting(host), guest).to_the_end()
    assert isinstance(end.inviter_outcome, Paired)
    assert isinstance(end.joiner_outcome, Paired)
    found, other = end.inviter_outcome.member, end.joiner_outcome.member
    assert (found.node, found.name, found.certificate, found.added_by) == (
        guest.node,
        "desk",
        guest.certificate,
        host.node,
    )
    assert (other.node, other.name, other.certificate) == (host.node, "host", host.certificate)
    assert end.joiner_outcome.port == 52416
    assert end.inviter.invitation(1.0) is None, "a code is used once"
    assert end.inviter.desk.failures == ()


def test_a_code_may_be_typed_with_spaces() -> None:
    assert checked_code(" 482 913 ") == checked_code("482-913") == "482913"
    for typed in ("", "48291", "4829130", "48291a", "４８２９１３", "٤٨٢٩١٣"):
        with pytest.raises(InputError):
            checked_code(typed)


def test_codes_are_six_digits_and_differ() -> None:
    codes = {new_code() for _ in range(200)}
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    assert len(codes) > 190


def test_no_code_or_key_in_any_text(identities: list[Identity]) -> None:
    going = talk(inviting(identities[0]), identities[1])
    states: list[object] = [going.joiner, going.inviter, going.inviter.invitation(1.0)]
    while going.joiner_outcome is None:
        going.round(1.0)
        states += [going.joiner, going.inviter, going.inviter_outcome, going.joiner_outcome]
    text = " ".join(map(repr, states))
    assert CODE not in text
    assert CODE.encode().hex() not in text
    assert "_keys" not in text
    assert "_state" not in text


# --- a wrong code, and how often ----------------------------------------------------------------------------------


def test_a_wrong_code(identities: list[Identity]) -> None:
    end = talk(inviting(identities[0]), identities[1], WRONG).to_the_end()
    assert reasons(end) == ("wrong_code", "wrong_code")
    shown = end.inviter.invitation(1.0)
    assert shown is not None
    assert (shown.code, shown.tries_left, shown.trouble) == (CODE, 2, AT_INVITER[Reason.WRONG_CODE])


def test_a_wrong_guess_learns_nothing_before_it_is_judged(identities: list[Identity]) -> None:
    going = talk(inviting(identities[0]), identities[1], WRONG)
    going.round(1.0)
    going.inviter_hears(going.to_inviter[-1], 1.0)
    # All the inviter has shown is its half of the exchange.
    assert [type(read(body)) for body in going.to_joiner] == [Answer, Refused]


def test_three_wrong_codes_void_the_code(identities: list[Identity]) -> None:
    inviter = inviting(identities[0], codes=(CODE, "111111"))
    for number in range(3):
        inviter = talk(inviter, identities[1], WRONG, now=1.0 + number).to_the_end(1.0 + number).inviter
    shown = inviter.invitation(3.0)
    assert shown is not None
    assert (shown.code, shown.tries_left, shown.seconds_left) == (None, 0, 30.0)
    assert reasons(talk(inviter, identities[1], CODE, now=4.0).to_the_end(4.0)) == ("no_code", "no_code")
    inviter = inviter.ticked(32.9)
    assert inviter.desk.code is None
    inviter = inviter.ticked(33.0)
    shown = inviter.invitation(33.0)
    assert shown is not None
    assert (shown.code, shown.tries_left, shown.seconds_left) == ("111111", 3, 120.0)
    assert reasons(talk(inviter, identities[1], CODE, now=34.0).to_the_end(34.0)) == ("wrong_code", "wrong_code")
    assert trusted(talk(inviter, identities[1], "111111", now=34.0).to_the_end(34.0).inviter_outcome)


def test_the_third_try_may_be_the_right_one(identities: list[Identity]) -> None:
    inviter = inviting(identities[0])
    for _ in range(2):
        inviter = talk(inviter, identities[1], WRONG).to_the_end().inviter
    end = talk(inviter, identities[1]).to_the_end()
    assert trusted(end.inviter_outcome)
    assert len(end.inviter.desk.failures) == 2


def test_ten_tries_an_hour(identities: list[Identity]) -> None:
    inviter, now, tries = inviting(identities[0]), 1.0, 0
    while now < 3590.0:
        inviter = inviter.ticked(now)
        if inviter.desk.tries_left:
            inviter, tries = talk(inviter, identities[1], WRONG, now=now).to_the_end(now).inviter, tries + 1
        now += 7.0
    assert tries == TRIES_PER_HOUR
    shown = inviter.invitation(now)
    assert shown is not None
    assert shown.code is None
    reopened = inviter.closed(now).opened(now)
    assert reopened.desk.code is None, "closing does not reset the hour"
    assert inviter.ticked(now + shown.seconds_left).desk.code is not None
    assert inviter.ticked(now + shown.seconds_left).desk.tries_left == 1


def test_a_code_runs_out_and_is_replaced(identities: list[Identity]) -> None:
    inviter = inviting(identities[0], codes=("111111", "222222"))
    assert inviter.ticked(119.9).desk.code == "111111"
    later = inviter.ticked(120.0)
    assert later.desk.code == "222222"
    assert reasons(talk(inviter, identities[1], "111111", now=121.0).to_the_end(121.0))[0] == "wrong_code"


def test_hanging_up_after_the_answer_used_a_try(identities: list[Identity]) -> None:
    inviter = inviting(identities[0])
    for connection in range(3):
        going = talk(inviter, identities[1], connection=connection)
        going.round(1.0)
        assert going.inviter.gone(99, 1.0) == going.inviter
        inviter = going.inviter.gone(connection, 1.0)
    shown = inviter.invitation(1.0)
    assert shown is not None
    assert (shown.code, shown.trouble) == (None, AT_INVITER[Reason.HUNG_UP])


def test_a_guess_that_does_not_go_on_is_ended(identities: list[Identity]) -> None:
    going = talk(inviting(identities[0]), identities[1])
    going.round(1.0)
    assert going.inviter.ticked(1.0 + SESSION_SECONDS - 0.1).session is not None
    over = going.inviter.ticked(1.0 + SESSION_SECONDS)
    assert over.session is None
    assert over.desk.trouble == AT_INVITER[Reason.OUT_OF_TIME]
    going.inviter_hears(going.to_inviter[-1], 1.0 + SESSION_SECONDS)
    assert reasons(going)[0] == "protocol"
    assert going.inviter.desk.tries_left == 2


def test_one_at_a_time(identities: list[Identity]) -> None:
    first = talk(inviting(identities[0]), identities[1])
    first.round(1.0)
    second = talk(first.inviter, identities[2], connection=2).to_the_end()
    assert reasons(second) == ("busy", "busy")
    assert second.inviter.desk.tries_left == 2, "being turned away is no guess"
    first.inviter = second.inviter
    assert trusted(first.to_the_end().inviter_outcome)


def test_a_silent_connection_holds_nothing_up(identities: list[Identity]) -> None:
    inviter = inviting(identities[0])
    assert inviter.gone(5, 1.0) == inviter
    assert inviter.session is None


def test_nothing_is_open_when_nobody_invites(identities: list[Identity]) -> None:
    inviter = Inviter(card(identities[0]))
    assert inviter.ticked(10.0).invitation(10.0) is None
    assert reasons(talk(inviter, identities[1]).to_the_end()) == ("no_code", "no_code")
    closed = talk(inviting(identities[0]), identities[1])
    closed.round(1.0)
    closed.inviter = closed.inviter.closed(1.0)
    closed.round(1.0)
    assert not trusted(closed.inviter_outcome, closed.joiner_outcome)
    assert len(closed.inviter.desk.failures) == 1


def test_the_joiner_s_time_runs_out(identities: list[Identity]) -> None:
    going = talk(inviting(identities[0]), identities[1])
    going.inviter_hears(going.to_inviter[-1], 1.0)
    going.joiner_hears(going.to_joiner[-1], 1.0 + SESSION_SECONDS)
    assert reasons(going)[1] == "out_of_time"
    assert going.joiner.gone().reason is Reason.HUNG_UP
