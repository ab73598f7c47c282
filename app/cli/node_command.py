"""`caravan node`: the headless node, in this process until Ctrl-C."""

import asyncio
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import psutil
import typer

from app.cli.console import EXIT_FAILED, EXIT_INTERRUPTED, Session, run, session, show_error
from app.client import NodeClient
from app.schema.errors import CaravanError, InputError, NodeNotRunning
from app.schema.options import NodeOptions
from app.schema.settings import API_PORT, PAIR_PORT, PEER_PORT
from app.system.paths import Paths

STOP_SECONDS = 35.0
"""A little more than a node gives itself to end."""

RunNode = Callable[[NodeOptions, Callable[[str], None]], int]
"""Runs a node to its end; the second argument hears the API's address when it answers."""


def node_command(run_node: RunNode) -> Callable[..., None]:
    """The command over the role that this room may not know."""

    def node(
        context: typer.Context,
        data_dir: Annotated[Path | None, typer.Option(help="Keep everything in this folder.")] = None,
        api_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local API; 0 takes any.")] = API_PORT,
        peer_port: Annotated[int, typer.Option(min=0, max=65535, help="Port for the cluster's PCs.")] = PEER_PORT,
        pair_port: Annotated[int, typer.Option(min=0, max=65535, help="Port while a code is shown.")] = PAIR_PORT,
        host: Annotated[
            list[str] | None,
            typer.Option(help="Hear other PCs only at this address of this PC, without discovery; repeat for more."),
        ] = None,
        measure: Annotated[
            bool, typer.Option(help="Measure how fast this PC's devices are, when it has nothing else to do.")
        ] = True,
        stop: Annotated[bool, typer.Option("--stop", help="End the node that runs, and all that it runs.")] = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the log.")] = False,
    ) -> None:
        """Run this PC's node until Ctrl-C: API, models, workers."""
        to = session(context)
        if stop:
            run(to, lambda: end_node(to, data_dir or to.data_dir))
            return
        try:
            options = NodeOptions(
                data_dir=data_dir or to.data_dir,
                api_port=api_port,
                peer_port=peer_port,
                pair_port=pair_port,
                hosts=_addresses(host or []),
                measure=measure,
                verbose=verbose,
            )
            code = run_node(options, lambda url: to.say(f"Caravan answers on {url}. Ctrl-C ends it."))
        except CaravanError as error:
            show_error(to, error, as_json=False)
            raise typer.Exit(EXIT_FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        if code:
            raise typer.Exit(code)

    return node


async def end_node(to: Session, data_dir: Path | None) -> int:
    """Ask the node of a data folder to end and wait until its process has; one that does not run is no error.

    Returns the exit code: 1 when it still runs after `STOP_SECONDS`.
    """
    paths = Paths.under(data_dir) if data_dir else Paths.for_user()
    try:
        async with NodeClient(paths) as client:
            pid = client.endpoint.pid
            await client.shut_down()
    except NodeNotRunning:
        to.say("Caravan is not running.")
        return 0
    if await asyncio.to_thread(_has_ended, pid):
        to.say("Caravan has ended.")
        return 0
    to.errors.print(f"Caravan (process {pid}) still runs.", style="bold")
    return EXIT_FAILED


def _has_ended(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        return False
    except psutil.NoSuchProcess:
        return True
    return True


def _addresses(hosts: list[str]) -> tuple[str, ...]:
    for each in hosts:
        try:
            ipaddress.IPv4Address(each)
        except ValueError:
            raise InputError(f"{each!r} is not an IPv4 address.", "Write it like 192.168.1.20.") from None
    return tuple(hosts)
