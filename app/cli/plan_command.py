"""`caravan plan`: where a model would run, how fast, and what one, two or three PCs would make of it."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli import words
from app.cli.cluster_file import read_cluster
from app.cli.console import EXIT_FAILED, Session, run, session, show_json
from app.cli.facts import AsJson
from app.cli.running import Context, Model, Pcs, model_name, planned, show_stages
from app.client import NodeClient
from app.schema.errors import InputError
from app.schema.node import Status
from app.schema.plan import ClusterView, Plan, PlanRequest, Prediction, Refusal
from app.schema.question import PlanQuestion
from app.schema.record import NodeId

Avoid = Annotated[list[str] | None, typer.Option(metavar="PC", help="Leave this PC out; repeat for more.")]
Use = Annotated[list[str] | None, typer.Option(metavar="PC", help="This PC must take part; repeat for more.")]
Repetitive = Annotated[
    bool, typer.Option("--repetitive", help="The answers repeat what was said, as when code or a text is edited.")
]
ClusterFile = Annotated[
    Path | None,
    typer.Option("--cluster", metavar="FILE", help="Ask about the PCs that this JSON file describes instead."),
]


def plan(
    context: typer.Context,
    model: Model,
    pcs: Pcs = None,
    tokens: Context = None,
    avoid: Avoid = None,
    use: Use = None,
    cluster: ClusterFile = None,
    repetitive: Repetitive = False,
    as_json: AsJson = False,
) -> None:
    """Where a model would run, how fast, and what each PC would hold."""
    to = session(context)

    async def work() -> int:
        described = read_cluster(cluster) if cluster is not None else None
        async with to.client() as client:
            names = pcs_of(described) if described else pcs_of_status(await client.status())
            request = PlanRequest(
                model_id=model_name(model),
                pcs=pcs,
                context=tokens,
                repetitive=repetitive,
                avoid=tuple(find_pc(each, names) for each in avoid or ()),
                use=tuple(find_pc(each, names) for each in use or ()),
            )
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


def pcs_of(view: ClusterView) -> dict[str, NodeId]:
    """PURE: the PCs of a described cluster by name."""
    return {node.name: node.node for node in view.nodes}


def pcs_of_status(status: Status) -> dict[str, NodeId]:
    """PURE: this PC and its peers by name; two of one name only by their id."""
    named = [(status.node.name, status.node.id), *((peer.called, peer.node) for peer in status.peers)]
    names = [name for name, _ in named]
    return {name: node for name, node in named if names.count(name) == 1} | {node: node for _, node in named}


def find_pc(text: str, names: Mapping[str, NodeId]) -> NodeId:
    """PURE: the PC that is meant. Raises InputError with the nearest name."""
    by_fold = {name.casefold(): node for name, node in names.items()}
    found = by_fold.get(text.casefold())
    if found is not None:
        return found
    close = difflib.get_close_matches(text.casefold(), by_fold, n=1)
    readable = [name for name, node in names.items() if name != node or len(name) < 60]
    known = next((name for name in names if close and name.casefold() == close[0]), None)
    hint = f"Did you mean {known}?" if known else f"The PCs are {', '.join(readable)}."
    raise InputError(f"No PC is named {text}, or several are.", hint)


def show_answer(to: Session, found: Plan) -> None:
    """A plan with its speed, the comparison with other numbers of PCs, and a reason for everyone left out."""
    show_stages(to, found)
    if found.prediction is None:
        to.say("  Its speed is not known: no device was measured yet.")
    else:
        to.say(f"  {speed_line(found.prediction)}")
    if found.speculation is not None:
        to.say(f"  {found.speculation.sentence}")
    for note in found.notes:
        to.say(f"  ! {note}")
    rows = comparison(found)
    if len(rows) > 1:
        to.out.print(_comparison_table(rows))
    told = {row[0] for row in rows if row[2] is not None} if len(rows) > 1 else set()
    for each in found.alternatives:
        if each.pcs not in told or not each.fits:
            to.say(f"  {each.sentence}", "dim")
    for reason in found.left_out:
        to.say(f"  {reason.sentence}", "dim")


def speed_line(found: Prediction) -> str:
    """PURE: a prediction in one line, with what it is for and what it rests on."""
    parts = [
        f"{found.decode:.1f} tok/s",
        f"first token after {words.duration(found.first_token)}",
        f"prompt {found.prefill:.0f} tok/s",
    ]
    if found.load is not None:
        parts.append(f"ready after {words.duration(found.load)}")
    mix = f"{words.number(found.prompt_tokens)} tokens in, {words.number(found.answer_tokens)} out"
    basis = "measured devices and links" if found.is_measured else "partly estimated"
    learned = ", corrected by earlier runs" if found.corrected_by is not None else ""
    return f"Expected: {', '.join(parts)} ({mix}; {basis}{learned})."


def comparison(found: Plan) -> tuple[tuple[int, bool, Prediction | None], ...]:
    """PURE: (PCs, chosen, prediction) of the plan and of every number of PCs that would fit, fewest first."""
    others = [(each.pcs, False, each.prediction) for each in found.alternatives if each.fits and each.pcs != found.pcs]
    return tuple(sorted([*others, (found.pcs, True, found.prediction)], key=lambda row: row[0]))


def _comparison_table(rows: tuple[tuple[int, bool, Prediction | None], ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("PCs", "tok/s", "first token", "whole answer", ""):
        table.add_column(name, justify="left" if name == "" else "right")
    for pcs, is_chosen, told in rows:
        figures: tuple[Any, ...] = ("-", "-", "-")
        if told is not None:
            figures = (f"{told.decode:.1f}", words.duration(told.first_token), words.duration(told.answer))
        table.add_row(str(pcs), *figures, "planned" if is_chosen else "")
    return table
