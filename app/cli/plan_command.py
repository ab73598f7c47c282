"""`caravan plan`: where a model would run, how fast, and what one, two or three PCs would make of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli import words
from app.cli.cluster_file import read_cluster
from app.cli.console import EXIT_FAILED, Session, run, session, show_json
from app.cli.facts import AsJson
from app.cli.running import Model, model_name, planned, show_stages
from app.cli.wishes import (
    AtLeast,
    Avoid,
    Context,
    Head,
    Kv,
    Pcs,
    Prefer,
    Repetitive,
    Shares,
    Slots,
    Use,
    Wishes,
    pcs_of,
    pcs_of_status,
)
from app.client import NodeClient
from app.schema.plan import Alternative, KvType, Plan, Prediction, Refusal
from app.schema.question import PlanQuestion

ClusterFile = Annotated[
    Path | None,
    typer.Option("--cluster", metavar="FILE", help="Ask about the PCs that this JSON file describes instead."),
]


def plan(
    context: typer.Context,
    model: Model,
    pcs: Pcs = None,
    min_pcs: AtLeast = 1,
    tokens: Context = None,
    slots: Slots = 1,
    prefer: Prefer = None,
    kv: Kv = KvType.F16,
    head: Head = None,
    avoid: Avoid = None,
    use: Use = None,
    share: Shares = None,
    cluster: ClusterFile = None,
    repetitive: Repetitive = False,
    as_json: AsJson = False,
) -> None:
    """Where a model would run, how fast, and what each PC would hold."""
    to = session(context)
    wishes = Wishes(
        pcs=pcs,
        min_pcs=min_pcs,
        context=tokens,
        slots=slots,
        prefer=prefer,
        kv=kv,
        head=head,
        avoid=avoid or (),
        use=use or (),
        shares=share or (),
        repetitive=repetitive,
    )

    async def work() -> int:
        described = read_cluster(cluster) if cluster is not None else None
        async with to.client() as client:
            names = pcs_of(described) if described else pcs_of_status(await client.status())
            request = wishes.request(model_name(model), names)
            answer = await ask(client, PlanQuestion(request=request, cluster=described))
        if as_json:
            show_json(answer)
            return 0 if isinstance(answer, Plan) else EXIT_FAILED
        show_answer(to, planned(answer))
        return 0

    run(to, work, as_json)


async def ask(client: NodeClient, question: PlanQuestion) -> Plan | Refusal:
    """The node's answer, for its own cluster or for the described one."""
    return await (client.plan(question.request) if question.cluster is None else client.plan_for(question))


def show_answer(to: Session, found: Plan) -> None:
    """A plan with its speed, the comparison with other numbers of PCs, and a reason for everyone left out."""
    show_stages(to, found)
    if found.prediction is None:
        to.say("  Its speed is not known: no device was measured yet.")
    else:
        to.say(f"  {speed_line(found.prediction)}")
    if (load := words.load(found)) is not None:
        to.say(f"  {load}")
    if (most := context_line(found)) is not None:
        to.say(f"  {most}")
    if found.speculation is not None:
        to.say(f"  {found.speculation.sentence}")
    for note in found.notes:
        to.say(f"  ! {note}")
    rows = comparison(found)
    if len(rows) > 1:
        to.out.print(_comparison_table(rows, {each.pcs: each for each in found.alternatives}))
    told = {row[0] for row in rows if row[2] is not None} if len(rows) > 1 else set()
    for each in found.alternatives:
        if each.pcs not in told or not each.fits:
            to.say(f"  {each.sentence}", "dim")
    for reason in (*found.spare_devices, *found.left_out):
        to.say(f"  {reason.sentence}", "dim")


def speed_line(found: Prediction) -> str:
    """PURE: a prediction in one line, with what it is for and what it rests on."""
    parts = [
        f"{found.decode:.1f} tok/s",
        f"first token after {words.duration(found.first_token)}",
        f"prompt {words.number(round(found.prefill))} tok/s",
    ]
    mix = f"{words.number(found.prompt_tokens)} tokens in, {words.number(found.answer_tokens)} out"
    if found.throughput is not None:
        parts.append(f"{found.throughput:.1f} tok/s of {found.conversations} conversations together")
    basis = "measured devices and links" if found.is_measured else "partly estimated"
    learned = ", corrected by earlier runs" if found.corrected_by is not None else ""
    return f"Expected: {', '.join(parts)} ({mix}; {basis}{learned})."


def context_line(found: Plan) -> str | None:
    """PURE: the most tokens of context that fit, and that fit without further devices; None where it is not known."""
    largest, in_place = found.largest_context, found.largest_context_in_place
    if largest is None:
        return None
    if largest <= found.context:
        return f"Context: {words.number(largest)} tokens are the most that fit."
    told = f"Context: up to {words.number(largest)} tokens fit"
    if in_place is None or in_place >= largest:
        return f"{told} on these devices."
    if in_place <= found.context:
        return f"{told}, on further devices than these."
    return f"{told}, up to {words.number(in_place)} on these devices."


def comparison(found: Plan) -> tuple[tuple[int, bool, Prediction | None], ...]:
    """PURE: (PCs, chosen, prediction) of the plan and of every number of PCs that would fit, fewest first."""
    others = [(each.pcs, False, each.prediction) for each in found.alternatives if each.fits and each.pcs != found.pcs]
    return tuple(sorted([*others, (found.pcs, True, found.prediction)], key=lambda row: row[0]))


def _comparison_table(rows: tuple[tuple[int, bool, Prediction | None], ...], known: Mapping[int, Alternative]) -> Table:
    """A row for each number of PCs; with several conversations also what all of them get."""
    together = any(told is not None and told.throughput is not None for _, _, told in rows)
    columns = ("PCs", "tok/s", *(("together",) if together else ()), "first token", "whole answer", "context up to")
    table = Table(box=None, pad_edge=False)
    for name in (*columns, "", "on"):
        table.add_column(name, justify="left" if name in {"", "on"} else "right")
    for pcs, is_chosen, told in rows:
        alternative = known.get(pcs)
        most = alternative.largest_context if alternative is not None else None
        names = ", ".join(_names(alternative)) if alternative is not None else ""
        context = words.number(most) if most else "-"
        table.add_row(str(pcs), *_figures(told, together), context, "planned" if is_chosen else "", names)
    return table


def _names(found: Alternative) -> Sequence[str]:
    """The PCs, the head first, with a word where it holds nothing."""
    if not found.idle_head or not found.names:
        return found.names
    return (f"{found.names[0]} (no layers)", *found.names[1:])


def _figures(told: Prediction | None, together: bool) -> tuple[str, ...]:
    if told is None:
        return ("-",) * (4 if together else 3)
    all_of_them = (f"{told.throughput:.1f}" if told.throughput is not None else "-",) if together else ()
    return (f"{told.decode:.1f}", *all_of_them, words.duration(told.first_token), words.duration(told.answer))
