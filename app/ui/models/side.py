"""The right half of the page: the plan of the selected model, or the launch that is watched."""

from collections.abc import Awaitable, Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.client import NodeClient
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.node import Status
from app.schema.record import InstanceId
from app.ui.desk import Desk, Wish
from app.ui.models import launch_view
from app.ui.models.details import Details
from app.ui.models.launch_panel import LaunchPanel
from app.ui.models.rows import Row, display_name
from app.ui.models.running_strip import Runner
from app.ui.models.shelf import Shelf
from app.ui.style.theme import Theme


class Side(QStackedWidget):
    """Decides between plan and launch: a launch is watched from its start until the person goes back to the plan."""

    instances_changed = Signal()
    """A launch began or was dismissed: show the instances anew."""

    def __init__(self, desk: Desk, theme: Theme, shelf: Shelf, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._shelf = desk, shelf
        self.details, self.panel = Details(desk, theme), LaunchPanel(desk, theme)
        self.watched: str | None = None
        self._row: Row | None = None
        self._requests: dict[str, LaunchRequest] = {}
        self._dismissed: set[str] = set()
        for each in (self.details, self.panel):
            self.addWidget(each)
        self.details.launched.connect(self._launched)
        self.panel.chat_wanted.connect(self.chat)
        self.panel.stop_wanted.connect(self.stop)
        self.panel.retry_wanted.connect(self._retry)
        self.panel.plan_wanted.connect(self._unwatch)

    def runners(self, status: Status) -> list[Runner]:
        """The instances that are worth a line."""
        return [Runner(each, self._name(each), status.unloads_at(each)) for each in self._running(status)]

    def select(self, row: Row | None) -> None:
        """Show the plan of a model; of one that runs, its launch."""
        is_other = row is not None and (self._row is None or row.key != self._row.key)
        self._row = row or self._row
        self.details.show_row(row, self._shelf.pcs)
        status = self._desk.status
        if is_other and row is not None and status is not None:
            names = self._shelf.names(row)
            live = [each.id for each in self._running(status) if each.model_id in names]
            self.watched = live[-1] if live else None
            self.show_status(status)

    def show_status(self, status: Status) -> None:
        """Show what is watched as it is now."""
        instance = next((each for each in self._running(status) if each.id == self.watched), None)
        if instance is None:
            self.panel.rest()
            self.setCurrentWidget(self.details)
            return
        self.panel.show_instance(instance, self._name(instance), self._shelf.pcs)
        self.setCurrentWidget(self.panel)

    def row_of(self, instance: str) -> Row | None:
        """The row of the model an instance runs."""
        status = self._desk.status
        found = next((each for each in self._running(status) if each.id == instance), None) if status else None
        return self._shelf.row_of(found.model_id) if found else None

    def watch(self, instance: str) -> None:
        """Show this instance."""
        self.watched = instance
        if self._desk.status is not None:
            self.show_status(self._desk.status)

    def launch(self) -> None:
        """Launch the plan, if it is the plan that is shown."""
        if self.currentWidget() is self.details:
            self.details.start()

    def chat(self, model: str) -> None:
        """Go and talk to it."""
        self._desk.go(Wish.CHAT, model)

    def stop(self, instance: str) -> None:
        """Unload it, cancel its launch, or forget that it failed."""
        status = self._desk.status
        found = next((each for each in self._running(status) if each.id == instance), None) if status else None
        if found is not None and found.state is InstanceState.FAILED:
            self._dismissed.add(instance)
            self.instances_changed.emit()
            return
        self._desk.ask(_stop(InstanceId(instance)))

    def rest(self) -> None:
        """Nobody looks."""
        self.details.planning.stop()
        self.panel.rest()

    def _running(self, status: Status) -> list[InstanceStatus]:
        return [each for each in launch_view.running(status) if each.id not in self._dismissed]

    def _name(self, instance: InstanceStatus) -> str:
        row = self._shelf.row_of(instance.model_id)
        return row.name if row else display_name(instance.model_id)

    def _launched(self, instance: str, request: LaunchRequest) -> None:
        self._requests[instance] = request
        self.watched = instance
        self.instances_changed.emit()

    def _unwatch(self) -> None:
        self.watched = None
        self.instances_changed.emit()
        self.details.planning.again()

    def _retry(self, instance: InstanceStatus) -> None:
        self._dismissed.add(instance.id)
        request = self._requests.get(instance.id) or LaunchRequest(plan=instance.plan)
        self._desk.ask(_launch(request), lambda new: self._launched(new, request))


def _launch(request: LaunchRequest) -> Callable[[NodeClient], Awaitable[InstanceId]]:
    async def work(client: NodeClient) -> InstanceId:
        return await client.launch(request)

    return work


def _stop(instance: InstanceId) -> Callable[[NodeClient], Awaitable[None]]:
    async def work(client: NodeClient) -> None:
        await client.stop(instance)

    return work
