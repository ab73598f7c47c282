"""Making a report: the logs are fetched and the text is made off the main thread."""

import asyncio
import getpass
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QThreadPool, qVersion

from app import __version__
from app.client import NodeClient
from app.schema.errors import CaravanError, ErrorInfo
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.system.logs import tail
from app.ui.desk import Desk
from app.ui.mailbox import Mailbox
from app.ui.settings.diagnostics import LAST_LINES, Surroundings, report
from app.ui.settings.log_lines import clean
from app.ui.settings.log_source import OWN_LOG
from app.ui.settings.redact import Private

MOST_LOGS = 4
"""Logs of engines in a report, the newest failures first."""

Logs = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class About:
    """Who and what makes the report."""

    versions: tuple[tuple[str, str], ...]
    private: Private

    @classmethod
    def this_pc(cls, token: Path | None = None) -> "About":
        """As it is now. `token` is the file with the API's token, which must not appear."""
        versions = (("Caravan", __version__), ("Qt", qVersion()), ("system", platform.platform()))
        try:
            user = getpass.getuser()
        except (OSError, KeyError, ImportError):
            user = ""
        try:
            secrets = (token.read_text("ascii").strip(),) if token is not None else ()
        except (OSError, ValueError):
            secrets = ()
        return cls(versions, Private(user=user, home=str(Path.home()), secrets=secrets))


class Reporter:
    """Makes one report at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._mailbox = Mailbox()
        self._worker = QThreadPool()
        self._worker.setMaxThreadCount(1)

    def make(self, on_done: Callable[[str], None], on_error: Callable[[ErrorInfo], None]) -> None:
        """The report comes to `on_done`; without a node it is made from the log files."""
        status, token = self._desk.status, self._desk.paths.api_token
        if status is None:
            folder = self._desk.paths.logs
            self._worker.start(lambda: self._from_files(folder, token, on_done))
            return

        async def work(client: NodeClient) -> str:
            return await asyncio.to_thread(finished, status, await _logs(client, status), token)

        self._desk.ask(work, on_done, on_error)

    def finish(self) -> None:
        """Wait for what was begun."""
        self._worker.waitForDone()

    def _from_files(self, folder: Path, token: Path, on_done: Callable[[str], None]) -> None:
        logs = ((OWN_LOG, tuple(tail(folder / f"{OWN_LOG}.log", LAST_LINES))),)
        text = finished(None, logs, token)
        self._mailbox.post(lambda: on_done(text))


def finished(status: Status | None, logs: Logs, token: Path) -> str:
    """The whole report about this PC. Blocks: it reads the token's file and works through every line."""
    about = About.this_pc(token)
    return report(status, Surroundings(time.time(), about.versions, logs), about.private)


async def _logs(client: NodeClient, status: Status) -> Logs:
    own, names = await client.logs(OWN_LOG, LAST_LINES)
    found: list[tuple[str, tuple[str, ...]]] = [(OWN_LOG, tuple(clean(line) for line in own))]
    for name in wanted_logs(status, names):
        try:
            lines, _ = await client.logs(name, LAST_LINES)
        except CaravanError:
            # It was cleared away a moment ago.
            continue
        found.append((name, tuple(clean(line) for line in lines)))
    return tuple(found)


def wanted_logs(status: Status, names: Sequence[str]) -> tuple[str, ...]:
    """The logs of the engines of models that failed or run, the failed ones first."""
    newest = sorted(status.instances, key=lambda each: (each.state is not InstanceState.FAILED, -each.created_at))
    ordered = (name for instance in newest for name in names if str(instance.id) in name)
    return tuple(dict.fromkeys(ordered))[:MOST_LOGS]
