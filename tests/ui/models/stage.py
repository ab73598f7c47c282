"""What the picker's tests stand on: a page over a made-up node, and errands that answer when the test says so."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QSpinBox,
    QWidget,
)

from app.schema.errors import CaravanError, ErrorInfo
from app.schema.model import HeldModel
from app.schema.node import Status
from app.schema.plan import Plan, PlanRequest, Refusal
from app.system.paths import Paths
from app.ui.desk import Desk
from app.ui.errand import Errand, Mailbox
from app.ui.face import Link
from app.ui.models.page import ModelsPage
from app.ui.models.sample_planner import SampleClient
from app.ui.style.sheet import style_sheet
from app.ui.style.theme import Theme
from tests.ui.heartbeat import calm


class Stage:
    """A page that is visible. `client` keeps what it was asked."""

    def __init__(self, paths: Paths, errands: Any, client: SampleClient, status: Status | None) -> None:
        self.client, self.errands = client, errands
        self.desk = Desk(errands, paths)
        self.theme = Theme(is_dark=False, has_motion=False)
        self.desk.take_link(Link.FOUND if status else Link.LOST, "http://127.0.0.1:1")
        if status is not None:
            self.desk.take_status(status)
        self.page = ModelsPage(self.desk, self.theme)
        self.page.resize(950, 650)
        self.page.show()

    def tell(self, status: Status) -> None:
        """A new status, at once."""
        self.desk.status = status
        self.desk.status_changed.emit(status)

    @property
    def is_settled(self) -> bool:
        return not (self.page.shelf.verdicts.is_busy or self.page.side.details.planning.is_asking)

    def end(self) -> None:
        self.page.close()
        self.page.deleteLater()


class ManualErrands:
    """Keeps what is asked until the test answers it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.mailbox = Mailbox()
        self.open: list[tuple[Callable[[Any], Awaitable[Any]], Callable[[Any], None] | None, Errand]] = []

    def ask(
        self,
        work: Callable[[Any], Awaitable[Any]],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        errand = Errand(self.mailbox, on_error or (lambda error: None))
        self.open.append((work, on_done, errand))
        return errand

    def stream(self, *args: Any) -> Errand:
        raise AssertionError("the picker streams nothing")

    def answer(self, number: int = 0) -> None:
        """Let one question run to its end and call back, whether it was cancelled or not."""
        work, on_done, errand = self.open.pop(number)
        try:
            found = asyncio.run(_run(work, self.client))
        except CaravanError as error:
            errand.fail(error.info())
            return
        if on_done is not None:
            errand.post(lambda: on_done(found))


async def _run(work: Callable[[Any], Awaitable[Any]], client: Any) -> Any:
    return await work(client)


class ThreadErrands:
    """Errands on a loop in a thread of their own, as the bridge runs them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.mailbox = Mailbox()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="errands of a test")
        self._thread.start()

    def ask(
        self,
        work: Callable[[Any], Awaitable[Any]],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        errand = Errand(self.mailbox, on_error or (lambda error: None))

        async def run() -> None:
            found = await work(self.client)
            if on_done is not None:
                errand.post(lambda: on_done(found))

        self._loop.call_soon_threadsafe(errand.begin, self._loop, lambda: self._loop.create_task(run()))
        return errand

    def stream(self, *args: Any) -> Errand:
        raise AssertionError("the picker streams nothing")

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def calm_stage(paths: Paths, client: SampleClient, status: Status) -> Iterator[Stage]:
    """A page as the program has it: errands in a thread, the interpreter set for smoothness, everything dressed."""
    errands = ThreadErrands(client)
    made = Stage(paths, errands, client, status)
    made.page.setStyleSheet(style_sheet(made.theme.palette))
    with calm():
        yield made
    made.end()
    QApplication.processEvents()
    errands.end()


class SlowClient(SampleClient):
    """Takes a moment for every plan, and counts how many it makes at once."""

    def __init__(self, held: tuple[HeldModel, ...], seconds: float) -> None:
        super().__init__(held)
        self._seconds = seconds
        self._now = 0
        self.most_at_once = 0

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(self._seconds)
        self._now -= 1
        return await super().plan(request)


CONTROLS = (QAbstractButton, QAbstractItemView, QAbstractSlider, QComboBox, QLineEdit, QPlainTextEdit, QSpinBox)


def is_control(widget: QWidget) -> bool:
    """A control of ours: not a part that Qt puts into one."""
    parent = widget.parentWidget()
    inner = isinstance(parent, QComboBox | QSpinBox | QLineEdit) or widget.objectName().startswith("qt_")
    is_popup = isinstance(parent, QWidget) and "ComboBox" in parent.metaObject().className()
    return isinstance(widget, CONTROLS) and not isinstance(widget, QScrollBar) and not inner and not is_popup
