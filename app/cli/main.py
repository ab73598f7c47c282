"""The command line: `caravan COMMAND`. Every command but `node` and `demo` is a client of the running node."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from app import __version__
from app.cli import (
    bench_command,
    cluster_command,
    demo,
    doctor_command,
    engine_command,
    facts,
    models_command,
    plan_command,
    running,
    settings_command,
)
from app.cli.console import new_session
from app.cli.node_command import RunNode, node_command

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="CARAVAN_DATA_DIR",
        help="Keep everything in this folder; several nodes can live on one PC.",
    ),
]


def build(run_node: RunNode) -> typer.Typer:
    """The command line; `run_node` is the role that this room may not know."""
    cli = typer.Typer(
        name="caravan",
        help="Run one GGUF model over the PCs of a LAN.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    cli.callback()(_common)
    cli.command("node")(node_command(run_node))
    commands: tuple[Callable[..., None], ...] = (
        facts.status,
        plan_command.plan,
        running.launch,
        running.stop,
        running.chat,
        facts.logs,
        settings_command.settings,
        demo.demo,
        cluster_command.invite,
        cluster_command.join,
        cluster_command.peers,
        cluster_command.leave,
        cluster_command.remove,
        bench_command.bench,
        doctor_command.doctor,
    )
    for command in commands:
        cli.command()(command)
    cli.add_typer(models_command.group(), name="models")
    cli.add_typer(engine_command.group(), name="engine")
    return cli


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
]


def _common(context: typer.Context, data_dir: DataDir = None, version: Version = False) -> None:
    context.obj = new_session(data_dir)
