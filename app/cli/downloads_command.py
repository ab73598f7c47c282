"""`caravan models get` and `caravan models downloads`: getting models from the hub, and what became of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.cli import following, words
from app.cli.console import EXIT_FAILED, EXIT_INTERRUPTED, Session, run, session, show_json
from app.cli.facts import AsJson
from app.client import NodeClient
from app.schema.download import ACTIVE_PHASES, Download, DownloadId, DownloadPhase, DownloadRequest, HubRepository
from app.schema.errors import DownloadNotFound, HubFileNotFound, from_info
from app.schema.node import Status

PAUSE_SECONDS = 20.0
"""How long a download may take to pause."""

EXIT_CODES = {DownloadPhase.DONE: 0, DownloadPhase.FAILED: EXIT_FAILED}

Id = Annotated[str, typer.Argument(metavar="DOWNLOAD", help="Which one: its id, or its model's name.")]


def get(
    context: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(metavar="USER/MODEL[:QUANT]", help="A repository or the address of a file; else the best one."),
    ],
    background: Annotated[bool, typer.Option("--background", help="Do not wait for its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download a model: the named quantization, or the one recommended for this cluster. Ctrl-C pauses."""
    to = session(context)

    async def work() -> int:
        async with to.client() as client:
            found = await client.hub.repository(reference)
            wanted = _wanted(found)
            if not as_json:
                _tell_choice(to, found, wanted)
            started = await following.begun(client.hub.download(wanted), lambda each: client.hub.pause(each.id))
            if background:
                ended = started
            else:
                with following.screen(to, as_json, _line_printer(to), _line) as show:
                    ended = await follow(client, started.id, show)
        show_json(ended) if as_json else _tell_end(to, ended, reference)
        return 0 if background else EXIT_CODES.get(ended.phase, EXIT_INTERRUPTED)

    run(to, work, as_json)


def _wanted(found: HubRepository) -> DownloadRequest:
    """What to download. Raises HubFileNotFound when there is nothing."""
    best = next((file.name for file in found.files if file.recommended), None)
    name = found.chosen or best
    if name is None:
        raise HubFileNotFound(
            f"{found.model.repository} has no files that Caravan can run.", "Look for another one with GGUF files."
        )
    return DownloadRequest(repository=found.model.repository, file=name, revision=found.revision)


def _tell_choice(to: Session, found: HubRepository, wanted: DownloadRequest) -> None:
    file = next(each for each in found.files if each.name == wanted.file)
    because = f" {found.recommended_because}" if found.chosen is None and found.recommended_because else ""
    to.say(f"{file.name}, {words.size(file.size_bytes)}.{because}")


async def follow(client: NodeClient, download: DownloadId, show: Callable[[Download], None]) -> Download:
    """Follow a download until it ends or pauses; when we are cancelled it is paused, and that is waited for."""
    try:
        return await _until_at_rest(client, download, show)
    except asyncio.CancelledError:
        async with asyncio.timeout(PAUSE_SECONDS):
            await client.hub.pause(download)
            return await _until_at_rest(client, download, show)


async def _until_at_rest(client: NodeClient, download: DownloadId, show: Callable[[Download], None]) -> Download:
    def part(status: Status) -> Download:
        found = next((each for each in status.downloads if each.id == download), None)
        if found is None:
            raise DownloadNotFound("The download was taken off the list.", "See `caravan models downloads`.")
        return found

    hint = "The download goes on when it is started again: `caravan node`."
    return await following.follow(client, part, show, lambda each: each.phase not in ACTIVE_PHASES, hint)


def _line_printer(to: Session) -> Callable[[Download], None]:
    told: list[object] = []

    def show(each: Download) -> None:
        step = (each.phase, each.note)
        if each.phase in ACTIVE_PHASES and told[-1:] != [step]:
            told.append(step)
            to.say(words.download(each))

    return show


def _line(each: Download) -> Text:
    return following.one_line(words.download(each))


def _tell_end(to: Session, ended: Download, reference: str) -> None:
    """What became of it. Raises its error."""
    match ended.phase:
        case DownloadPhase.DONE:
            to.say(f"{ended.model_id or ended.name} is here: {ended.path}", "bold")
            to.say(f"Start it with `caravan launch {ended.model_id or ended.path}`.")
        case DownloadPhase.FAILED if ended.error is not None:
            raise from_info(ended.error)
        case DownloadPhase.CANCELLED:
            to.say("Cancelled. What arrived was removed.")
        case DownloadPhase.PAUSED:
            to.say(f"Paused at {words.size(ended.bytes_done)} of {words.size(ended.bytes_total)}; nothing is lost.")
            to.say(f"Go on with `caravan models downloads resume {ended.id}`, or `caravan models get {reference}`.")
        case _:
            to.say("It goes on in the background: `caravan models downloads` shows how far it is.")


def downloads_group() -> typer.Typer:
    """`downloads` alone lists them."""
    commands = typer.Typer(
        help="The downloads of this PC; one is worked on at a time.", invoke_without_command=True, rich_markup_mode=None
    )
    commands.callback()(_list)
    for command in (pause, resume, cancel, forget):
        commands.command()(command)
    return commands


def _list(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is not None:
        return
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = (await client.status()).downloads
        show_json(found) if as_json else _show(to, found)

    run(to, work, as_json)


def _show(to: Session, found: tuple[Download, ...]) -> None:
    if not found:
        to.say("Nothing is being downloaded. `caravan models search TEXT` finds models.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "model", "repository", "state"):
        table.add_column(name, overflow="fold")
    for each in found:
        table.add_row(each.id, each.name, each.repository, words.download(each, is_named=False))
    to.out.print(table)
    for each in found:
        if each.error is not None:
            to.say(f"! {each.name}: {each.error.sentence} {each.error.hint}")


def pause(context: typer.Context, download: Id, as_json: AsJson = False) -> None:
    """Stop one for now; what arrived is kept."""
    _command(context, download, as_json, lambda client, found: client.hub.pause(found), "Paused")


def resume(context: typer.Context, download: Id, as_json: AsJson = False) -> None:
    """Go on with one that is paused or failed; it runs in the background."""
    _command(context, download, as_json, lambda client, found: client.hub.resume(found), "Going on with")


def cancel(context: typer.Context, download: Id, as_json: AsJson = False) -> None:
    """End one for good and remove what arrived."""
    _command(context, download, as_json, lambda client, found: client.hub.cancel(found), "Cancelled")


def forget(context: typer.Context, download: Id, as_json: AsJson = False) -> None:
    """Take one that has ended off the list; a finished model stays."""
    _command(context, download, as_json, lambda client, found: client.hub.forget(found), "Forgot")


def _command(
    context: typer.Context,
    wanted: str,
    as_json: bool,
    act: Callable[[NodeClient, DownloadId], Awaitable[None]],
    done: str,
) -> None:
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = _meant((await client.status()).downloads, wanted)
            await act(client, found.id)
        show_json({"ok": True}) if as_json else to.say(f"{done} {found.name}.")

    run(to, work, as_json)


def _meant(downloads: tuple[Download, ...], wanted: str) -> Download:
    """PURE: a download by its id or name; the newest of several. Raises DownloadNotFound."""
    folded = wanted.casefold()
    for each in reversed(downloads):
        if folded in (each.id, each.name.casefold(), f"{each.repository}:{each.quantization}".casefold()):
            return each
    raise DownloadNotFound(f"There is no download {wanted}.", "See `caravan models downloads`.")
