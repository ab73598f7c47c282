"""Where the command line prints, and how an error looks there."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from rich.console import Console

from app.client import NodeClient
from app.schema.errors import CaravanError
from app.system.paths import Paths
from app.system.signals import cancelled_by_termination

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
PIPE_COLUMNS = 200


@dataclass(frozen=True)
class Session:
    """What every command works with. `plain` is for people, `as_json` for programs."""

    data_dir: Path | None
    out: Console
    errors: Console

    @property
    def paths(self) -> Paths:
        """Where the node of this session keeps its files."""
        return Paths.under(self.data_dir) if self.data_dir else Paths.for_user()

    def say(self, text: str, style: str = "") -> None:
        """Print a line for people as it is; only the terminal wraps it."""
        self.out.print(text, style=style, soft_wrap=True)

    def client(self) -> NodeClient:
        """A client of the running node. Raises NodeNotRunning."""
        return NodeClient(self.paths)


def new_session(data_dir: Path | None) -> Session:
    """A session on the process's own streams; text that the console cannot show is replaced, never an error.

    What goes to a file or a pipe is UTF-8 everywhere: in the code page that Windows has for it, names would be lost.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
    # Rich takes 80 columns for a pipe or a file, which would fold tables that nobody looks at through a window.
    wide = None if sys.stdout.isatty() else PIPE_COLUMNS
    # What is printed are names and sentences of others: nothing in them is markup or the name of an emoji.
    plainly: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    return Session(data_dir, Console(width=wide, **plainly), Console(stderr=True, **plainly))


def session(context: typer.Context) -> Session:
    """The session of the running command."""
    found: Session = context.obj
    return found


def show_json(value: Any) -> None:
    """Print one JSON value on a line of its own, in ASCII where the output cannot hold every character."""
    holds_all = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=not holds_all, indent=2) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """A value as JSON knows it: records become objects."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def show_error(to: Session, error: CaravanError, as_json: bool) -> None:
    """One plain sentence and its hint; with `as_json` the whole record on standard output."""
    if as_json:
        show_json({"error": error.info()})
        return
    to.errors.print(error.sentence, style="bold", soft_wrap=True)
    if error.hint:
        to.errors.print(error.hint, soft_wrap=True)
    for line in error.detail[-15:]:
        to.errors.print(f"  {line}", style="dim", soft_wrap=True)


def run(to: Session, work: Callable[[], Coroutine[Any, Any, int | None]], as_json: bool = False) -> None:
    """Run a command's coroutine; ends the program with its exit code, 1 after an error, 130 when it was interrupted."""

    async def until_asked() -> int | None:
        task = asyncio.current_task()
        assert task is not None
        with cancelled_by_termination(task):
            return await work()

    try:
        code = asyncio.run(until_asked())
    except CaravanError as error:
        show_error(to, error, as_json)
        raise typer.Exit(EXIT_FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if code:
        raise typer.Exit(code)
