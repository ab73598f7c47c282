"""PURE: how much context the memory has room for, in words, as marks on the slider and as a click."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.schema.plan import Alternative, Plan, Refusal
from app.ui.models.context_steps import ASSUMED_LIMIT
from app.ui.parts.sizes import count_text
from app.ui.words import Phrase, tr

_MOST_OFFERS = 2


@dataclass(frozen=True)
class ContextFit:
    """What an answer says of larger contexts, in tokens.

    `marks` are where more PCs are needed, `largest` is the most that fits as asked (None when nothing is known of it),
    `offers` are what is worth a click. `words` say what fits, `beyond` what to say above `largest`; None without.
    """

    marks: tuple[int, ...] = ()
    largest: int | None = None
    offers: tuple[int, ...] = ()
    words: Phrase | None = None
    beyond: Phrase | None = None


def context_fit(answer: Plan | Refusal, limit: int | None) -> ContextFit:
    """What an answer tells; `limit` is what the model was trained for, over all slots, None when that is unknown."""
    end = limit or ASSUMED_LIMIT
    steps = _steps(answer.alternatives, end)
    if not steps:
        return ContextFit(largest=answer.largest_context)
    told = _listed(steps, limit)
    return ContextFit(
        marks=tuple(tokens for tokens, _ in steps),
        largest=answer.largest_context,
        offers=_offers(answer, steps, end),
        words=_words(answer, steps, told, limit),
        beyond=tr("More than fits. It fits up to {list}.", list=told),
    )


def _steps(known: Sequence[Alternative], end: int) -> list[tuple[int, int]]:
    """(tokens, PCs) of each number of PCs that has room for more than fewer have, as far as the slider goes."""
    found: list[tuple[int, int]] = []
    for each in sorted(known, key=lambda one: one.pcs):
        tokens = min(each.largest_context or 0, end)
        if tokens > (found[-1][0] if found else 0):
            found.append((tokens, each.pcs))
    return found


def _offers(answer: Plan | Refusal, steps: Sequence[tuple[int, int]], end: int) -> tuple[int, ...]:
    """Larger contexts than the plan's that fit as asked: where the next device or PC is needed, and the largest. A
    refusal's banner has its own.
    """
    if isinstance(answer, Refusal) or answer.largest_context is None:
        return ()
    largest = min(answer.largest_context, end)
    wanted = {answer.largest_context_in_place or 0, largest, *(tokens for tokens, _ in steps)}
    able = sorted(tokens for tokens in wanted if answer.context < tokens <= largest)
    return tuple(able) if len(able) <= _MOST_OFFERS else (able[0], able[-1])


def _words(answer: Plan | Refusal, steps: Sequence[tuple[int, int]], told: Phrase, limit: int | None) -> Phrase:
    if steps[0][0] == limit:
        fits = tr("All {limit} fit on\u00a0{pcs}.", limit=count_text(limit), pcs=_pcs(steps[0][1]))
    else:
        fits = tr("Fits up to {list}.", list=told)
    in_place = answer.largest_context_in_place if isinstance(answer, Plan) else None
    if in_place is None or in_place >= steps[-1][0] or in_place in {tokens for tokens, _ in steps}:
        return fits
    return tr("{fits} The devices below hold up to {most}.", fits=fits, most=count_text(in_place))


def _listed(steps: Sequence[tuple[int, int]], limit: int | None) -> Phrase:
    """`32 768 on 1 PC, all 131 072 on 2 PCs`."""
    told: Phrase | None = None
    for tokens, pcs in steps:
        values = {"context": count_text(tokens), "pcs": _pcs(pcs)}
        each = (
            tr("all {context} on\u00a0{pcs}", **values) if tokens == limit else tr("{context} on\u00a0{pcs}", **values)
        )
        told = each if told is None else tr("{list}, {next}", list=told, next=each)
    assert told is not None
    return told


def _pcs(count: int) -> Phrase:
    """`3 PCs`, which no line ends in the middle of."""
    return tr("1\u00a0PC") if count == 1 else tr("{count}\u00a0PCs", count=count)
