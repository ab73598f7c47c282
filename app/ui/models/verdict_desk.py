"""The verdicts of all models, asked for in the background: a few at a time, what is looked at first."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.plan import Plan, Refusal
from app.ui.desk import Desk, Handle
from app.ui.models.verdicts import Verdict, judge, unanswered

Question = Callable[[NodeClient], Awaitable[Plan | Refusal]]

AT_ONCE = 3
"""Questions on their way; the node answers them one after the other anyway."""

TELL_MS = 80
"""Verdicts that come within this time are shown together: a sorted list does not dance."""


class VerdictDesk(QObject):
    """Keeps one verdict per row key, and the answer behind it. An old one stays until its successor comes, so that
    nothing flickers.
    """

    arrived = Signal()
    """`verdicts` has new ones; at most every `TELL_MS`."""

    def __init__(self, desk: Desk, parent: QObject | None = None, at_once: int = AT_ONCE) -> None:
        super().__init__(parent)
        self._desk, self._at_once = desk, at_once
        self.verdicts: dict[str, Verdict] = {}
        self.answers: dict[str, Plan | Refusal] = {}
        self._fresh: set[str] = set()
        self._queue: deque[tuple[str, Question]] = deque()
        self._open: dict[str, Handle] = {}
        self._tell = QTimer(self)
        self._tell.setSingleShot(True)
        self._tell.setInterval(TELL_MS)
        self._tell.timeout.connect(self.arrived)

    def want(self, questions: Iterable[tuple[str, Question]]) -> None:
        """Ask for these row keys, first ones first; what is known or on its way is not asked again."""
        asked: dict[str, Question] = {}
        for key, question in questions:
            if key not in self._fresh and key not in self._open:
                asked.setdefault(key, question)
        self._queue = deque(asked.items())
        self._go_on()

    def grow_old(self) -> None:
        """The cluster changed: every verdict is to be asked for again."""
        self.stop()
        self._fresh.clear()

    def stop(self) -> None:
        """Ask for nothing more, and drop what is on its way."""
        self._queue.clear()
        for handle in self._open.values():
            handle.cancel()
        self._open.clear()

    @property
    def is_busy(self) -> bool:
        """Whether anything is asked, waits to be, or is yet to be told."""
        return bool(self._open or self._queue) or self._tell.isActive()

    def _go_on(self) -> None:
        while self._queue and len(self._open) < self._at_once:
            key, question = self._queue.popleft()
            self._open[key] = self._desk.ask(question, partial(self._answered, key), partial(self._failed, key))

    def _answered(self, key: str, answer: Plan | Refusal) -> None:
        status = self._desk.status
        if status is None:
            self._open.pop(key, None)
            return
        self.answers[key] = answer
        self._keep(key, judge(answer, status.node.id))

    def _failed(self, key: str, error: ErrorInfo) -> None:
        self.answers.pop(key, None)
        self._keep(key, unanswered(error))

    def _keep(self, key: str, verdict: Verdict) -> None:
        self._open.pop(key, None)
        self._fresh.add(key)
        self.verdicts[key] = verdict
        if not self._tell.isActive():
            self._tell.start()
        self._go_on()
