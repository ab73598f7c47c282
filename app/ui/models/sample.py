"""The picker in its states, for pictures and tests: a status each, and the window that shows it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget

from app.schema.errors import CaravanError
from app.schema.instance import InstanceState
from app.schema.model import HeldModel
from app.schema.node import Status
from app.schema.plan import PlanRequest, Refusal
from app.schema.record import ModelId
from app.ui.desk import Desk, Wish
from app.ui.errand import Errand, Mailbox
from app.ui.face import Link
from app.ui.models import sample_cluster as cluster
from app.ui.models.page import ModelsPage
from app.ui.models.sample_launch import FAILURE, instance, loading
from app.ui.models.sample_planner import SampleClient, planned
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import SIZE, MainWindow

_SETTLE_MS = 5000
_POLL_MS = 20


@dataclass(frozen=True)
class Sample:
    """One picture: `about` is the model to select."""

    name: str
    status: Status | None
    held: tuple[HeldModel, ...]
    about: str = ""


def samples(now: Callable[[], float]) -> tuple[Sample, ...]:
    """Every state worth a picture; `now` is the clock the launch view will use."""
    few, big = cluster.few_models(), "Qwen3-32B-Q6_K"
    plan = planned(few[0].model, PlanRequest(model_id=ModelId(big), context=16384))
    small = planned(few[5].model, PlanRequest(model_id=few[5].model.id))
    if isinstance(plan, Refusal) or isinstance(small, Refusal):
        raise ValueError("the made-up cluster holds both")
    at = now()
    starting = instance(InstanceState.STARTING, plan, phases=loading(at), at=at - 34)
    failed = instance(InstanceState.FAILED, plan, phases=loading(at, failed=True), error=FAILURE, at=at - 34)
    ready = instance(InstanceState.READY, plan, at=at - 600)
    second = instance(InstanceState.READY, small, at=at - 300)
    return (
        Sample("models", cluster.status(), few, big),
        Sample("models-pictures", cluster.status(), few, few[5].model.id),
        Sample("models-empty", cluster.status(others=()), ()),
        Sample("models-demo-only", cluster.status(others=()), (cluster.demo_model(),)),
        Sample("models-200", cluster.status(), cluster.many_models(), "Sample-042-Q6_K"),
        Sample("models-refused", cluster.status(), few, "Llama-3.3-70B-Instruct-Q4_K_M"),
        Sample("models-unreadable", cluster.status(), few, "DeepSeek-R1-Distill-14B-Q4_K_M"),
        Sample("models-launching", cluster.status(starting), few, big),
        Sample("models-failed", cluster.status(failed), few, big),
        Sample("models-ready", cluster.status(ready, second), few, big),
        Sample("models-no-node", None, ()),
    )


class Answering:
    """Errands that the made-up node answers at once."""

    def __init__(self, client: SampleClient) -> None:
        self._client = client
        self._mailbox = Mailbox()

    def ask(
        self, work: Callable[..., Awaitable[Any]], on_done: Callable[[Any], None] | None = None, on_error: Any = None
    ) -> Errand:
        """Do the work now; its answer comes as from the bridge, later."""
        errand = Errand(self._mailbox, on_error or (lambda error: None))

        async def told() -> Any:
            return await work(self._client)

        try:
            answer = asyncio.run(told())
        except CaravanError as error:
            errand.fail(error.info())
            return errand
        if on_done is not None:
            errand.post(lambda: on_done(answer))
        return errand

    def stream(
        self, work: Callable[..., AsyncGenerator[Any, None]], on_item: Any, on_end: Any = None, on_error: Any = None
    ) -> Errand:
        """Never answered: the picker streams nothing."""
        return Errand(self._mailbox, on_error or (lambda error: None))


def pictures() -> tuple[tuple[str, Callable[[Desk, Theme], QWidget]], ...]:
    """Name and maker of every picture. A maker gives the whole window, on a desk of its own that has answers."""
    return tuple((each.name, _maker(each)) for each in samples(time.time))


def _maker(sample: Sample) -> Callable[[Desk, Theme], QWidget]:
    def make(desk: Desk, theme: Theme) -> QWidget:
        return window_over(SampleClient(sample.held), sample.status, desk, theme, sample.about)

    return make


def window_over(client: SampleClient, status: Status | None, desk: Desk, theme: Theme, about: str = "") -> MainWindow:
    """The window with this page open over a made-up node, with every answer; `desk` lends its paths."""
    own = Desk(Answering(client), desk.paths)
    own.take_link(Link.FOUND if status else Link.LOST, "http://127.0.0.1:52415")
    if status is not None:
        own.take_status(status)
    window = MainWindow(own, theme, Memory(desk.paths))
    # The window is all that keeps its desk.
    own.setParent(window)
    window.resize(SIZE)
    window.show()
    window.open_page(Wish.MODELS, about)
    if isinstance(window.page, ModelsPage):
        settle(window.page)
    return window


def settle(page: ModelsPage) -> None:
    """Let Qt's loop run until the page has every answer it asked for, and a moment longer."""
    loop, poll, end = QEventLoop(), QTimer(), QTimer()

    def look() -> None:
        if not (page.shelf.verdicts.is_busy or page.side.details.planning.is_asking or page.finding.is_busy):
            QTimer.singleShot(200, loop.quit)

    poll.timeout.connect(look)
    end.timeout.connect(loop.quit)
    poll.start(_POLL_MS)
    end.start(_SETTLE_MS)
    loop.exec()
    for timer in (poll, end):
        timer.stop()
