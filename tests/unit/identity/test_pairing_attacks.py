import json
from dataclasses import replace

import pytest

from app.identity.certificate import Identity
from app.identity.invitation import CodeDesk
from app.identity.pairing import Failed, Joiner, Paired
from app.identity.pairing_keys import INVITER, JOINER, InviterExchange
from app.identity.pairing_messages import (
    Answer,
    Card,
    Confirm,
    Confirmed,
    Reason,
    SealedCard,
    Start,
    read,
    written,
)
from app.identity.pairing_words import AT_INVITER, AT_JOINER
from app.schema.errors import CertificateRefused, PairingFailed
from tests.unit.identity.forge import forged
from tests.unit.identity.pairs import (
    CODE,
    WRONG,
    Knowing,
    as_own,
    bytes_of_one,
    card,
    inviting,
    reasons,
    talk,
    trusted,
)


def test_a_man_in_the_middle_with_certificates_of_his_own(identities: list[Identity]) -> None:
    host, guest, mallory, _ = identities
    # He shows the guest his certificate and passes messages on, or swaps in his certificate towards the host as well.
    relayed = talk(inviting(host), guest, seen=mallory.certificate).to_the_end()
    assert reasons(relayed) == ("wrong_code", "wrong_code")
    going = talk(inviting(host), guest, seen=mallory.certificate)
    start = json.loads(going.to_inviter[0])
    start["certificate"] = json.loads(written(Start(certificate=mallory.certificate, pake=bytes(33))))["certificate"]
    going.to_inviter[0] = json.dumps(start).encode()
    going.to_the_end()
    assert reasons(going) == ("wrong_code", "wrong_code")


def test_a_host_that_does_not_know_the_code(identities: list[Identity]) -> None:
    _, guest, mallory, _ = identities
    joiner, start = Joiner.begin(card(guest), CODE, mallory.certificate, 0.0)
    message = read(start)
    assert isinstance(message, Start)
    exchange = InviterExchange.answer(WRONG, guest.certificate, mallory.certificate, message.pake, bytes_of_one)
    assert exchange is not None
    answer = written(Answer(pake=exchange.pake))
    step = joiner.received(answer, 0.0)
    keys = exchange.keys((start, answer))
    confirm = read(step.reply or b"")
    assert isinstance(confirm, Confirm)
    assert not keys.proves(JOINER, confirm.tag)
    for tag in (keys.tag(INVITER), confirm.tag, bytes(32)):
        outcome = step.state.received(written(Confirmed(tag=tag)), 0.0).outcome
        assert isinstance(outcome, Failed)
    skipped = step.state.received(written(SealedCard(sealed=keys.seal(INVITER, b"{}"))), 0.0).outcome
    assert isinstance(skipped, Failed)


def test_a_host_that_knows_the_code_but_not_the_order(identities: list[Identity]) -> None:
    host, guest, *_ = identities
    going = talk(inviting(host), guest)
    going.round(1.0)
    waiting = going.joiner
    going.round(1.0)
    going.inviter_hears(going.to_inviter[-1], 1.0)
    _, _, sealed = going.to_joiner
    assert isinstance(waiting.received(sealed, 1.0).outcome, Failed), "the card before the proof"
    assert isinstance(going.joiner.received(sealed, 1.0).outcome, Paired)


def test_a_card_must_be_signed_by_the_key_of_the_certificate(identities: list[Identity]) -> None:
    host, guest, mallory, _ = identities

    def outcome(
        signer: Identity, shown: Identity, side: bytes = JOINER, name: str = "x", says: str = "x", confirms: bool = True
    ) -> object:
        knowing = Knowing(host, guest.certificate, confirms)
        signature = signer.sign(knowing.keys.to_sign(side, name, shown.certificate, 52416))
        text = Card(name=says, certificate=shown.certificate, port=52416, signature=signature)
        return knowing.shows(knowing.keys.seal(JOINER, written(text)))

    assert isinstance(outcome(guest, guest), Paired)
    assert isinstance(outcome(guest, guest, confirms=False), Failed), "the card before the proof"
    assert isinstance(outcome(mallory, guest), Failed), "a certificate whose key he does not have"
    assert isinstance(outcome(mallory, mallory), Failed), "another certificate than at the start"
    assert isinstance(outcome(guest, guest, side=INVITER), Failed), "a signature of the other role"
    assert isinstance(outcome(guest, guest, says="y"), Failed), "another name than signed"
    for name in ("a\nb", "gnp\u202e.exe", " "):
        assert isinstance(outcome(guest, guest, name=name, says=name), Failed)


def test_a_signature_of_another_exchange_is_refused(identities: list[Identity]) -> None:
    host, guest, *_ = identities
    first, second = Knowing(host, guest.certificate), Knowing(host, guest.certificate)
    signature = guest.sign(first.keys.to_sign(JOINER, "x", guest.certificate, 52416))
    text = written(Card(name="x", certificate=guest.certificate, port=52416, signature=signature))
    assert isinstance(second.shows(second.keys.seal(JOINER, text)), Failed)
    assert isinstance(second.shows(first.keys.seal(JOINER, text)), Failed), "sealed under other keys"
    assert isinstance(second.shows(second.keys.seal(INVITER, text)), Failed), "sealed in the other direction"
    for garbage in (b"", b"x", bytes(40), second.keys.seal(JOINER, b"[]")):
        assert isinstance(second.shows(garbage), Failed)


def test_a_strange_certificate_is_refused_and_counted(identities: list[Identity]) -> None:
    inviter = inviting(identities[0])
    for der in (forged(authority=True).der, b"", forged(name="caravan-0123456789abcdef").der):
        step = inviter.received(1, written(Start(certificate=der, pake=b"A" + bytes(32))), 1.0)
        assert isinstance(step.outcome, Failed)
        assert step.outcome.reason is Reason.CERTIFICATE
        assert step.state.desk.tries_left == 2
    with pytest.raises(CertificateRefused):
        Joiner.begin(card(identities[1]), CODE, forged(authority=True).der, 0.0)


@pytest.mark.parametrize(
    "pake", [bytes(33), b"B" + bytes(32), b"A" + bytes(32), b"A" + b"\xff" * 32, b"A\1" + bytes(31)]
)
def test_an_exchange_of_garbage_is_refused_and_counted(identities: list[Identity], pake: bytes) -> None:
    start = written(Start(certificate=identities[1].certificate, pake=pake))
    step = inviting(identities[0]).received(1, start, 1.0)
    assert isinstance(step.outcome, Failed)
    assert step.state.desk.tries_left == 2
    joiner, _ = Joiner.begin(card(identities[1]), CODE, identities[0].certificate, 0.0)
    assert isinstance(joiner.received(written(Answer(pake=pake)), 0.0).outcome, Failed)


def test_reflected_messages_are_refused(identities: list[Identity]) -> None:
    joiner, start = Joiner.begin(card(identities[1]), CODE, identities[0].certificate, 0.0)
    message = read(start)
    assert isinstance(message, Start)
    assert isinstance(joiner.received(start, 0.0).outcome, Failed)
    for side in (b"A", b"B"):
        assert isinstance(joiner.received(written(Answer(pake=side + message.pake[1:])), 0.0).outcome, Failed)


def test_a_replayed_pairing_gets_nowhere(identities: list[Identity]) -> None:
    end = talk(inviting(identities[0]), identities[1]).to_the_end()
    again = replace(end.inviter, desk=CodeDesk(make_code=lambda: CODE).open(2.0))
    for body in end.to_inviter:
        step = again.received(2, body, 2.0)
        again = step.state
        assert not trusted(step.outcome)
    assert again.desk.failures


def test_a_removed_pc_does_not_pair_with_its_old_identity(identities: list[Identity]) -> None:
    host, guest, *_ = identities
    end = talk(as_own(inviting(host), removed=frozenset({guest.node})), guest).to_the_end()
    assert reasons(end) == ("removed", "removed")
    assert isinstance(end.joiner_outcome, Failed)
    assert "Leave" in end.joiner_outcome.hint
    with pytest.raises(PairingFailed, match="removed"):
        Joiner.begin(replace(card(guest), removed=frozenset({host.node})), CODE, host.certificate, 0.0)


def test_a_pc_does_not_pair_with_itself(identities: list[Identity]) -> None:
    with pytest.raises(PairingFailed, match="itself"):
        Joiner.begin(card(identities[0]), CODE, identities[0].certificate, 0.0)
    end = talk(inviting(identities[0]), identities[0], seen=identities[1].certificate).to_the_end()
    assert reasons(end) == ("ourselves", "ourselves")


def test_every_reason_has_words() -> None:
    assert set(AT_INVITER) == set(AT_JOINER) == set(Reason)
