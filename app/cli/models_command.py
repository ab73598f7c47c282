"""`caravan models`: what is on this PC, what the hub has, and getting it from there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from app.cli import facts, words
from app.cli.console import EXIT_FAILED, Session, run, session, show_json
from app.cli.downloads_command import downloads_group, get
from app.cli.facts import AsJson
from app.cli.plan_command import show_answer
from app.cli.wishes import Context, Pcs
from app.client import NodeClient
from app.schema.download import DownloadRequest, HubAccess, HubModel, HubRepository, HubSort, TokenSource
from app.schema.errors import CaravanError, InputError
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.quantization import quality_of
from app.schema.record import ModelId

Reference = Annotated[
    str, typer.Argument(metavar="USER/MODEL[:QUANT]", help="A repository, or the address of its page.")
]

SOURCE_WORDS = {
    TokenSource.ENVIRONMENT: "the variable HF_TOKEN",
    TokenSource.HUGGING_FACE: "the file of Hugging Face's own tools",
    TokenSource.CARAVAN: "kept by Caravan",
}


def group() -> typer.Typer:
    """`models` alone lists what is on this PC; everything else is below it."""
    commands = typer.Typer(
        help="The GGUF models on this PC; `search`, `show` and `get` are for those on Hugging Face.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    commands.callback()(_list)
    for command in (search, show, get, remove, token):
        commands.command()(command)
    commands.add_typer(downloads_group(), name="downloads")
    return commands


def _list(
    context: typer.Context,
    as_json: AsJson = False,
    rescan: Annotated[bool, typer.Option(help="Look at the folders again first.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        facts.models(context, as_json, rescan)


def search(
    context: typer.Context,
    text: Annotated[list[str] | None, typer.Argument(help="Words of the name.")] = None,
    sort: Annotated[HubSort, typer.Option(help="What comes first.")] = HubSort.DOWNLOADS,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """Find models on Hugging Face."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = await client.hub.search(" ".join(text or ()), sort, limit)
        show_json(found) if as_json else _show_found(to, found)

    run(to, work, as_json)


def _show_found(to: Session, found: Sequence[HubModel]) -> None:
    if not found:
        to.say("Nothing was found. Fewer words find more.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("model", "downloads", "likes", "updated", "licence", ""):
        table.add_column(name, justify="right" if name in {"downloads", "likes"} else "left", overflow="fold")
    for each in found:
        gate = "terms to accept" if each.gated else ""
        figures = (words.number(each.downloads), words.number(each.likes), _day(each.updated))
        table.add_row(each.repository, *figures, each.licence or "-", gate)
    to.out.print(table)
    to.say("`caravan models show USER/MODEL` tells which files there are and which fit.", "dim")


def _day(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def show(
    context: typer.Context, reference: Reference, pcs: Pcs = None, tokens: Context = None, as_json: AsJson = False
) -> None:
    """The files of a repository: what each means, whether it would run here, and which one to take.

    The header of one file is fetched for that; with :QUANT its whole plan is shown.
    """
    to = session(context)

    async def work() -> int:
        asked = PlanRequest(model_id=ModelId("-"), pcs=pcs, context=tokens)
        async with to.client() as client:
            found = await client.hub.repository(reference)
            verdicts, problem = await _verdicts(client, found, asked)
        if as_json:
            show_json({"repository": found, "verdicts": verdicts, "problem": problem.info() if problem else None})
        else:
            _show_repository(to, found, verdicts, problem)
        return EXIT_FAILED if isinstance(verdicts.get(found.chosen or ""), Refusal) else 0

    run(to, work, as_json)


async def _verdicts(
    client: NodeClient, found: HubRepository, asked: PlanRequest
) -> tuple[dict[str, Plan | Refusal], CaravanError | None]:
    """The plan of every file: of one from its own header, of the others estimated from it; or why there is none."""
    first = next((file.name for file in found.files if file.recommended), None)
    exact = found.chosen or first
    names = [*([exact] if exact else []), *(file.name for file in found.files if file.name != exact)]
    verdicts: dict[str, Plan | Refusal] = {}
    for name in names:
        wanted = DownloadRequest(repository=found.model.repository, file=name, revision=found.revision)
        try:
            verdicts[name] = await client.hub.plan(wanted, asked, may_estimate=name != exact)
        except CaravanError as error:
            return verdicts, error
    return verdicts, None


def _show_repository(
    to: Session, found: HubRepository, verdicts: dict[str, Plan | Refusal], problem: CaravanError | None
) -> None:
    model = found.model
    gate = ", terms to accept" if model.gated else ""
    to.say(f"{model.repository} - {model.licence or 'no licence told'}, updated {_day(model.updated)}{gate}", "bold")
    if found.description:
        to.say(found.description)
    if not found.files:
        to.say("It has no files that Caravan can run.")
        return
    to.out.print(_files_table(found, verdicts))
    for each in found.projectors:
        to.say(f"  {each.name} ({words.size(each.size_bytes)}) lets it see images; it comes along.", "dim")
    if found.recommended_because:
        to.say(f"* {found.recommended_because}")
    chosen = verdicts.get(found.chosen or "")
    if isinstance(chosen, Plan):
        show_answer(to, chosen)
    elif chosen is not None:
        to.say(f"{chosen.sentence} {chosen.hint}")
    if problem is not None:
        to.say(f"! {problem.sentence} {problem.hint}")


def _files_table(found: HubRepository, verdicts: dict[str, Plan | Refusal]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "file", "quantization", "what it means", "size", "would it run"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for file in found.files:
        mark = "*" if file.recommended else ""
        means = quality_of(file.quantization)
        verdict = "here already" if file.here else _verdict(verdicts.get(file.name))
        table.add_row(mark, file.name, file.quantization or "-", means or "-", words.size(file.size_bytes), verdict)
    return table


def _verdict(answer: Plan | Refusal | None) -> str:
    """PURE: an answer of the planner in a few words."""
    if answer is None:
        return "-"
    if isinstance(answer, Refusal):
        if answer.needed_bytes and answer.free_bytes and answer.needed_bytes > answer.free_bytes:
            return f"{words.size(answer.needed_bytes - answer.free_bytes)} short"
        return "no"
    where = "here" if answer.pcs == 1 else f"on {answer.pcs} PCs"
    speed = f", {answer.prediction.decode:.1f} tok/s" if answer.prediction is not None else ""
    return f"yes, {where}{speed}"


def remove(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model in Caravan's own folder.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a model that Caravan downloaded. Files of other programs are never touched."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            models = {each.id.casefold(): each for each in await client.models()}
            found = models.get(model.casefold().removesuffix(".gguf")) or models.get(model.casefold())
            what = f"{found.id} ({words.size(found.size_bytes)}, {found.folder})" if found else model
            if not yes and not _confirmed(to, what, as_json):
                to.say("Nothing was deleted.")
                return
            await client.hub.remove_model(ModelId(found.id if found else model))
        show_json({"ok": True}) if as_json else to.say(f"Deleted {what}.")

    run(to, work, as_json)


def _confirmed(to: Session, what: str, as_json: bool) -> bool:
    """Ask a person. Raises InputError where there is none."""
    if as_json or not to.out.is_terminal:
        raise InputError("Deleting a model has to be confirmed.", "Add --yes.")
    try:
        return to.out.input(f"Delete {what}? [y/N] ").strip().casefold() in {"y", "yes"}
    except EOFError:
        return False


def token(
    context: typer.Context,
    forget: Annotated[bool, typer.Option("--forget", help="Forget the token that was kept.")] = False,
    show_only: Annotated[bool, typer.Option("--show", help="Only tell where the token comes from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give Caravan an access token for repositories with terms to accept; it is asked for and not shown.

    Without a person to ask it is read from standard input. It is kept protected and sent to the hub only.
    """
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            if forget:
                access = await client.hub.forget_token()
            elif show_only:
                access = await client.hub.access()
            else:
                access = await client.hub.keep_token(_asked_token(to))
        show_json(access) if as_json else _show_access(to, access)

    run(to, work, as_json)


def _asked_token(to: Session) -> str:
    """Raises InputError for nothing."""
    try:
        is_asked = to.out.is_terminal
        text = to.out.input("Access token: ", password=True) if is_asked else typer.get_text_stream("stdin").readline()
    except EOFError:
        text = ""
    if not text.strip():
        raise InputError("No token was given.", "Copy one from your account's settings at the hub.")
    return text.strip()


def _show_access(to: Session, access: HubAccess) -> None:
    told = f"with a token ({SOURCE_WORDS[access.token]})" if access.token else "without a token"
    to.say(f"{access.site} is asked {told}.")
