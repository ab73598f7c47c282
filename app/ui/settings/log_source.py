"""Where log lines come from: the node, or its files when there is none to ask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QThreadPool

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.system.logs import tail
from app.ui.desk import Desk
from app.ui.mailbox import Mailbox
from app.ui.settings.log_lines import Level, LogLine, clean, news, read_lines

MOST_ASKED = 10_000
"""Lines the node tells at once."""

FEW = 300
"""Asked for while following: more than a second brings."""

OWN_LOG = "caravan"


@dataclass(frozen=True)
class News:
    """New lines of a log and all names there are. `is_whole`: they stand in place of what was known."""

    name: str
    names: tuple[str, ...]
    lines: Sequence[LogLine]
    is_whole: bool


class LogSource:
    """Reads, and makes values of what it read, off the main thread. One question at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._mailbox = Mailbox()
        self._worker = QThreadPool()
        self._worker.setMaxThreadCount(1)
        self._asked: object | None = None

    @property
    def is_asking(self) -> bool:
        """Whether an answer is still to come."""
        return self._asked is not None

    def read(
        self,
        name: str,
        known: Sequence[str],
        last: Level,
        on_news: Callable[[News], None],
        on_error: Callable[[ErrorInfo], None],
    ) -> None:
        """Ask for what is new behind `known`, the last lines of before; `last` is how serious the last one was.

        An answer to an older question never comes.
        """
        mine = self._asked = object()

        def done(found: News) -> None:
            if self._asked is mine:
                self._asked = None
                on_news(found)

        def failed(error: ErrorInfo) -> None:
            if self._asked is mine:
                self._asked = None
                on_error(error)

        if self._desk.status is None:
            folder = self._desk.paths.logs
            self._worker.start(lambda: self._post(done, read_files(folder, name, known, last)))
            return

        async def work(client: NodeClient) -> News:
            lines, names = await client.logs(name, FEW if known else MOST_ASKED)
            if known and news(known, [clean(each) for each in lines]) is None:
                lines, names = await client.logs(name, MOST_ASKED)
            return made(name, names, known, lines, last)

        self._desk.ask(work, done, failed)

    def stop(self) -> None:
        """No answer comes any more."""
        self._asked = None

    def finish(self) -> None:
        """Wait for what was begun."""
        self._worker.waitForDone()

    def _post(self, done: Callable[[News], None], found: News) -> None:
        self._mailbox.post(lambda: done(found))


def made(name: str, names: Sequence[str], known: Sequence[str], lines: Sequence[str], last: Level) -> News:
    """What an answer adds to what is known."""
    lines = [clean(each) for each in lines]
    new = news(known, lines)
    if new is None:
        return News(name, tuple(names), read_lines(lines), is_whole=True)
    return News(name, tuple(names), read_lines(new, last), is_whole=not known)


def read_files(folder: Path, name: str, known: Sequence[str], last: Level) -> News:
    """The same from the files, for a node that has ended. Blocks."""
    names = sorted((path.stem for path in folder.glob("*.log")), key=lambda each: (each != OWN_LOG, each))
    return made(name, names, known, tail(folder / f"{name}.log", MOST_ASKED) if name in names else [], last)
