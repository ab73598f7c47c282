"""The chosen repository, looked at closely: its files, where each would run, what stands in the way of getting it."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.client import NodeClient
from app.schema.download import DownloadRequest, HubAccess, HubModel, HubRepository
from app.schema.errors import ErrorInfo
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import ModelId
from app.ui.desk import Desk, Handle
from app.ui.discover.file_rows import FileRow
from app.ui.models.verdict_desk import Question, VerdictDesk
from app.ui.models.verdicts import Verdict

PAUSE_MS = 200
"""A repository that is only passed by is not asked for."""

AT_ONCE = 2
"""Plans on their way."""

ABOUT = "~"
"""After the key of a file whose plan was told from another quantization. No file's name ends so."""


@dataclass(frozen=True)
class Place:
    """What this PC has for downloads. `free_bytes` None: nobody knows."""

    free_bytes: int | None
    access: HubAccess


class Look(QObject):
    """`repository` is None until the hub has told it; `place` until the node has."""

    changed = Signal()
    """`repository`, `error` or `place` is another."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._handle: Handle | None = None
        self._place_handle: Handle | None = None
        self.model: HubModel | None = None
        self.repository: HubRepository | None = None
        self.error: ErrorInfo | None = None
        self.place: Place | None = None
        self.verdicts = VerdictDesk(desk, self, AT_ONCE)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._ask)

    @property
    def is_asking(self) -> bool:
        """Whether the repository is still to come."""
        return self.model is not None and self.repository is None and self.error is None

    def show(self, model: HubModel | None, repository: HubRepository | None = None) -> None:
        """Look at another repository, or at none; one that is known already is not asked for."""
        if model == self.model and (repository is None or repository == self.repository):
            return
        self.stop()
        self.model, self.repository, self.error = model, repository, None
        if model is not None and repository is None:
            self._pause.start(PAUSE_MS)
        if model is not None:
            self.look_at_place()
        self.changed.emit()

    def again(self) -> None:
        """Ask for the same repository again: it failed, or something arrived."""
        self.stop()
        self.error = None
        self._ask()
        self.look_at_place()
        self.changed.emit()

    def resume(self) -> None:
        """Go on with what `stop` dropped."""
        if self.model is None:
            return
        if self.is_asking:
            self._ask()
        self.look_at_place()

    def stop(self) -> None:
        """Nobody looks: drop what is asked."""
        self._pause.stop()
        self.verdicts.stop()
        for handle in (self._handle, self._place_handle):
            if handle is not None:
                handle.cancel()
        self._handle = self._place_handle = None

    def want(self, chosen: FileRow, seen: Iterable[FileRow]) -> None:
        """Ask where the chosen file would run, exactly; then, about, where those that are seen would.

        An exact answer costs the header of a file, some megabytes; the others are told from it.
        """
        repository = self.repository
        if repository is None:
            return
        exact = (chosen.key, _where(wanted(repository, chosen), may_estimate=False))
        if chosen.key in self.verdicts.verdicts:
            about = ((row.key + ABOUT, _where(wanted(repository, row), may_estimate=True)) for row in seen)
            self.verdicts.want((exact, *about))
        else:
            self.verdicts.want((exact,))

    @property
    def known(self) -> dict[str, Verdict]:
        """The verdict of each file by its key, the exact one where there is one."""
        every = self.verdicts.verdicts
        about = {key.removesuffix(ABOUT): verdict for key, verdict in every.items() if key.endswith(ABOUT)}
        return {**about, **every}

    def answer(self, row: FileRow | None) -> Plan | Refusal | None:
        """Where a file would run, exactly or about; None while nobody knows."""
        answers = self.verdicts.answers
        return answers.get(row.key) or answers.get(row.key + ABOUT) if row is not None else None

    def look_at_place(self) -> None:
        """Ask what this PC has for downloads."""
        folder = self._desk.paths.models
        self._place_handle = self._desk.ask(_place(folder), self._take_place, lambda error: None)

    def _ask(self) -> None:
        if self.model is not None:
            self._handle = self._desk.ask(_closely(self.model.repository), self._answered, self._failed)

    def _answered(self, repository: HubRepository) -> None:
        self.repository, self.error = repository, None
        self.changed.emit()

    def _failed(self, error: ErrorInfo) -> None:
        self.error = error
        self.changed.emit()

    def _take_place(self, place: Place) -> None:
        self.place = place
        self.changed.emit()


def wanted(repository: HubRepository, row: FileRow) -> DownloadRequest:
    """What to ask the node for, to get a file."""
    return DownloadRequest(
        repository=repository.model.repository, file=row.file.name, revision=repository.revision or None
    )


def _closely(repository: str) -> Callable[[NodeClient], Awaitable[HubRepository]]:
    async def work(client: NodeClient) -> HubRepository:
        return await client.hub.repository(repository)

    return work


def _where(request: DownloadRequest, may_estimate: bool) -> Question:
    async def work(client: NodeClient) -> Plan | Refusal:
        return await client.hub.plan(request, PlanRequest(model_id=ModelId(request.file)), may_estimate)

    return work


def _place(folder: Path) -> Callable[[NodeClient], Awaitable[Place]]:
    async def work(client: NodeClient) -> Place:
        # A sleeping disk may take seconds: not on this thread, it serves every page.
        free = await asyncio.to_thread(_free_bytes, folder)
        return Place(free, await client.hub.access())

    return work


def _free_bytes(folder: Path) -> int | None:
    """Free bytes of the disk that holds a folder, which need not exist yet; None when the system does not say."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
