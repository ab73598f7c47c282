"""`caravan engine`: which llama.cpp this PC uses, and the install of another one."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.text import Text

from app.cli import facts, following, words
from app.cli.console import EXIT_FAILED, EXIT_INTERRUPTED, Session, run, session, show_json
from app.cli.facts import AsJson
from app.client import NodeClient
from app.schema.engine import (
    INSTALL_ENDS,
    EngineBackend,
    EngineInstall,
    EngineInstallRequest,
    EngineStatus,
    InstallPhase,
)
from app.schema.errors import InputError, NotFound, from_info
from app.schema.node import Status

CANCEL_SECONDS = 20.0
"""How long a cancelled install may take to end."""

EXIT_CODES = {InstallPhase.DONE: 0, InstallPhase.FAILED: EXIT_FAILED, InstallPhase.CANCELLED: EXIT_INTERRUPTED}

Backend = Annotated[EngineBackend | None, typer.Option(help="What to compute with; chosen for this PC when left out.")]
Build = Annotated[
    str | None, typer.Option(metavar="bNNNN", help="Which build; the one Caravan is tested with when left out.")
]
FromFile = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Install this archive instead of downloading; repeat for a second."),
]


def group() -> typer.Typer:
    """`engine` alone shows the build; `install` and `cancel` are below it."""
    commands = typer.Typer(
        help="The llama.cpp build this PC uses; `install` gets another one.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    commands.callback()(_show)
    commands.command("install")(install)
    commands.command("cancel")(cancel)
    return commands


def _show(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        facts.engine(context, as_json)


def install(
    context: typer.Context,
    backend: Backend = None,
    build: Build = None,
    from_file: FromFile = None,
    as_json: AsJson = False,
) -> None:
    """Download llama.cpp for this PC, try it, and use it from then on. Ctrl-C cancels; the next install goes on."""
    to = session(context)

    async def work() -> int:
        async with to.client() as client:
            with _screen(to, quiet=as_json) as show:
                ended = await install_and_follow(client, _request(backend, build, from_file or []), show)
            engine = (await client.status()).engine
        show_json(ended) if as_json else _tell_end(to, ended, engine)
        return EXIT_CODES[ended.phase]

    run(to, work, as_json)


def _request(backend: EngineBackend | None, build: str | None, files: list[Path]) -> EngineInstallRequest:
    paths = tuple(str(path.expanduser().absolute()) for path in files)
    try:
        return EngineInstallRequest(backend=backend, build=build, files=paths)
    except ValidationError as error:
        raise InputError(f"{build or 'This'} is no build of llama.cpp.", "Name it like b11434.") from error


def cancel(context: typer.Context, as_json: AsJson = False) -> None:
    """End the install that runs; what was downloaded is kept for the next one."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            await client.cancel_engine_install()
        show_json({"ok": True}) if as_json else to.say("The install is being cancelled.")

    run(to, work, as_json)


async def install_and_follow(
    client: NodeClient, request: EngineInstallRequest, show: Callable[[EngineInstall], None]
) -> EngineInstall:
    """Install and follow it to its end; when we are cancelled it is cancelled, and its end is still waited for."""
    started = await following.begun(client.install_engine(request), lambda _: client.cancel_engine_install())
    try:
        return await _until_ended(client, started.id, show)
    except asyncio.CancelledError:
        # It may have ended just now.
        with suppress(NotFound):
            await client.cancel_engine_install()
        async with asyncio.timeout(CANCEL_SECONDS):
            return await _until_ended(client, started.id, show)


async def _until_ended(client: NodeClient, install_id: str, show: Callable[[EngineInstall], None]) -> EngineInstall:
    def part(status: Status) -> EngineInstall | None:
        found = status.engine_install
        return found if found is not None and found.id == install_id else None

    return await following.follow(client, part, show, lambda each: each.phase in INSTALL_ENDS)


@contextmanager
def _screen(to: Session, quiet: bool) -> Iterator[Callable[[EngineInstall], None]]:
    """What shows the steps, and above them each notice once."""
    tell_notice = _notice_printer(to)
    with following.screen(to, quiet, _line_printer(to), _line) as show_step:

        def show(install: EngineInstall) -> None:
            if not quiet:
                tell_notice(install)
            show_step(install)

        yield show


def _line(install: EngineInstall) -> Text:
    return following.one_line(words.install(install))


def _notice_printer(to: Session) -> Callable[[EngineInstall], None]:
    told: set[str] = set()

    def show(install: EngineInstall) -> None:
        for notice in install.notices:
            if notice not in told:
                told.add(notice)
                to.say(f"! {notice}")

    return show


def _line_printer(to: Session) -> Callable[[EngineInstall], None]:
    told: set[object] = set()

    def show(install: EngineInstall) -> None:
        if install.phase not in INSTALL_ENDS and (install.phase, install.file) not in told:
            told.add((install.phase, install.file))
            to.say(words.install(install))

    return show


def _tell_end(to: Session, ended: EngineInstall, engine: EngineStatus) -> None:
    if ended.error is not None:
        raise from_info(ended.error)
    if ended.phase is InstallPhase.CANCELLED:
        to.say("Cancelled. What was downloaded is kept; the next `caravan engine install` goes on from there.")
    elif engine.build is not None:
        to.say(f"llama.cpp {engine.build.identity} is ready: {engine.build.server}", "bold")
