"""All models of the cluster and what was dropped on the page, as rows with their verdicts, kept up to date."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from PySide6.QtCore import QObject, Signal

from app.client import NodeClient
from app.schema.download import HubFile
from app.schema.errors import ErrorInfo
from app.schema.model import HeldModel, ModelFile
from app.schema.node import Status
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import ModelId
from app.ui.desk import Desk, Handle
from app.ui.models.pcs import Pc, pcs_of
from app.ui.models.rows import Row, judged, make_rows
from app.ui.models.verdict_desk import Question, VerdictDesk
from app.ui.models.verdicts import CHECKING, Fit


class Shelf(QObject):
    """`rows` are all rows, unsorted. `is_known` is False until the node has answered for the first time."""

    changed = Signal()
    failed = Signal(object)
    """An ErrorInfo: the models could not be asked for."""
    added = Signal(str)
    """The key of a row that was dropped on the page."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._held: tuple[HeldModel, ...] = ()
        self._dropped: dict[str, HeldModel] = {}
        self._revision: object = None
        self._handle: Handle | None = None
        self.pcs: tuple[Pc, ...] = ()
        self.rows: tuple[Row, ...] = ()
        self.is_known = False
        self.verdicts = VerdictDesk(desk, self)
        self.verdicts.arrived.connect(self._judge)

    def take_status(self, status: Status) -> None:
        """Load the models again if any PC says that its list changed; names of PCs may have changed too."""
        before, self.pcs = self.pcs, pcs_of(status)
        revision = _revision(status)
        if revision != self._revision:
            self._revision = revision
            self.load()
        elif [(pc.node, pc.name) for pc in before] != [(pc.node, pc.name) for pc in self.pcs]:
            self._make()

    def load(self, rescan: bool = False) -> None:
        """Ask for the models; `rescan` looks at this PC's folders first."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._desk.ask(_models(rescan), self._take, self._fail)

    def drop(self, paths: Sequence[str]) -> None:
        """Show these files beside the models that were found."""
        status = self._desk.status
        if status is not None:
            node = status.node.id
            self._desk.ask(_files(paths), lambda files: self._add([HeldModel(model=f, holders=(node,)) for f in files]))

    def want_verdicts(self, rows: Iterable[Row]) -> None:
        """Ask where these fit, first ones first."""
        self.verdicts.want((row.key, _where(row.model_id)) for row in rows if row.verdict.fit is not Fit.UNREADABLE)

    def row_of(self, model: str) -> Row | None:
        """The row of a model id. A file that was dropped is called by its name once the node has read it."""
        return next((row for row in self.rows if model in self.names(row)), None)

    def row_of_file(self, file: HubFile) -> Row | None:
        """The row of a file of the hub that lies on this PC: the same name and size."""
        names = {PurePosixPath(part.path).name for part in file.parts}
        return next(
            (
                row
                for row in self.rows
                if row.is_here and row.model.size_bytes == file.size_bytes and Path(row.model.path).name in names
            ),
            None,
        )

    def stop(self) -> None:
        """Nobody looks: ask for nothing more."""
        self.verdicts.stop()

    def names(self, row: Row) -> tuple[str, ...]:
        """What plans and instances may call a row's model."""
        path = row.model.path
        return (row.model_id, path, Path(path).stem) if path in self._dropped else (row.model_id, path)

    def _take(self, held: tuple[HeldModel, ...]) -> None:
        self._held, self.is_known = held, True
        self._make()

    def _fail(self, error: ErrorInfo) -> None:
        self._revision = None
        self.failed.emit(error)

    def _add(self, dropped: list[HeldModel]) -> None:
        known = {row.model.path: row.key for row in self.rows}
        for each in dropped:
            if each.model.path not in known:
                self._dropped[each.model.path] = each
        self._make()
        for row in self.rows:
            if dropped and row.model.path == dropped[-1].model.path:
                self.added.emit(row.key)

    def _make(self) -> None:
        listed = {each.model.path for each in self._held}
        more = [each for path, each in self._dropped.items() if path not in listed]
        self.rows = make_rows((*self._held, *more), self.pcs, self.verdicts.verdicts)
        self.changed.emit()

    def _judge(self) -> None:
        known = self.verdicts.verdicts
        self.rows = tuple(
            row if row.verdict.fit is Fit.UNREADABLE else judged(row, known.get(row.key, CHECKING)) for row in self.rows
        )
        self.changed.emit()


def _revision(status: Status) -> object:
    peers = ((each.node, each.report.catalogue_revision) for each in status.peers if each.report is not None)
    return status.node.started_at, status.catalogue.revision, tuple(peers)


def _models(rescan: bool) -> Callable[[NodeClient], Awaitable[tuple[HeldModel, ...]]]:
    async def work(client: NodeClient) -> tuple[HeldModel, ...]:
        if rescan:
            await client.models(rescan=True)
        return await client.cluster_models()

    return work


def _where(model: ModelId) -> Question:
    async def work(client: NodeClient) -> Plan | Refusal:
        return await client.plan(PlanRequest(model_id=model))

    return work


def _files(paths: Sequence[str]) -> Callable[[NodeClient], Awaitable[list[ModelFile]]]:
    async def work(client: NodeClient) -> list[ModelFile]:
        # A path on a sleeping disk may take seconds: not on this thread either, it serves every page.
        return await asyncio.to_thread(lambda: [_file(Path(each)) for each in paths])

    return work


def _file(path: Path) -> ModelFile:
    """What is known of a file before the node has read it: the node plans it by its path."""
    try:
        facts = path.stat()
        size, modified = facts.st_size, facts.st_mtime
    except OSError:
        size, modified = 0, 0.0
    whole = str(path)
    return ModelFile(
        id=ModelId(whole), path=whole, folder=str(path.parent), size_bytes=size, modified=modified, parts=(whole,)
    )
