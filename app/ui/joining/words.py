"""PURE: what the two dialogs say for each state."""

from dataclasses import dataclass

from app.schema.cluster import InvitationStatus, JoinState, JoinStatus
from app.ui.style.palette import Tone
from app.ui.words import Phrase, tr, verbatim


@dataclass(frozen=True)
class InviteWords:
    """`timing` is the countdown; `news` what happened last, in `tone`."""

    code: str | None
    timing: Phrase
    news: Phrase
    tone: Tone
    by_hand: Phrase | None


def invite_words(invitation: InvitationStatus | None, now: float) -> InviteWords:
    """What Invite says at `now` (epoch seconds); None is before the node has answered."""
    if invitation is None:
        return InviteWords(None, tr("Asking for a code"), Phrase(""), Tone.NEUTRAL, None)
    left = max(0, round(invitation.ends_at - now))
    clock = f"{left // 60}:{left % 60:02d}"
    timing = tr("A new code comes in {clock}", clock=clock)
    if invitation.code is not None:
        timing = tr("{clock} left · {tries}", clock=clock, tries=_tries(invitation.tries_left))
    by_hand = None
    if invitation.addresses:
        where = " · ".join(invitation.addresses[:2])
        by_hand = tr("If it does not find this PC, type there: {address}", address=where)
    return InviteWords(invitation.code, timing, *_news(invitation), by_hand)


def _news(invitation: InvitationStatus) -> tuple[Phrase, Tone]:
    if invitation.joined:
        names = ", ".join(invitation.joined)
        return tr("Joined: {names}", names=names), Tone.GOOD
    if invitation.trouble:
        return verbatim(invitation.trouble), Tone.TIGHT
    return tr("Nobody has tried yet."), Tone.NEUTRAL


def _tries(tries: int) -> Phrase:
    return tr("1 try") if tries == 1 else tr("{tries} tries", tries=tries)


@dataclass(frozen=True)
class JoinWords:
    """Where an attempt is. `is_busy` while it goes on, `is_done` when this PC has joined."""

    sentence: Phrase
    hint: Phrase
    tone: Tone
    is_busy: bool = False
    is_done: bool = False


_STEPS = {
    JoinState.SEARCHING: tr("Looking for the PC that shows this code"),
    JoinState.DIALLING: tr("Calling {address}"),
    JoinState.CHECKING_CODE: tr("Checking the code"),
    JoinState.CONNECTING: tr("Connecting to the cluster"),
}


def join_words(join: JoinStatus) -> JoinWords:
    """What Join says of an attempt."""
    if join.state is JoinState.JOINED:
        name = join.partner or ""
        sentence = tr("Joined the cluster of {name}", name=name) if name else tr("Joined the cluster")
        return JoinWords(sentence, tr("Its PCs appear in the picture."), Tone.GOOD, is_done=True)
    if join.state is JoinState.FAILED:
        if join.error is None:
            return JoinWords(tr("This PC did not join."), tr("Ask for a new code and try again."), Tone.TIGHT)
        return JoinWords(verbatim(join.error.sentence), verbatim(join.error.hint), Tone.TIGHT)
    step = _STEPS[join.state]
    if join.state is JoinState.DIALLING:
        step = tr(step.source, address=join.address or "...")
    return JoinWords(step, Phrase(""), Tone.NEUTRAL, is_busy=True)
