"""The selected model: its context, where it would run, and the one button that launches it."""

from collections.abc import Awaitable, Callable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.instance import LaunchRequest
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import InstanceId, NodeId
from app.ui.desk import Desk
from app.ui.models import plan_view
from app.ui.models.advanced import Advanced
from app.ui.models.context_fit import context_fit
from app.ui.models.context_slider import ContextSlider
from app.ui.models.fold import Fold
from app.ui.models.pcs import Pc
from app.ui.models.plan_body import PlanBody
from app.ui.models.planning import Planning
from app.ui.models.rows import Row, facts
from app.ui.models.shares import shares
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.card import Card, Line
from app.ui.parts.labels import Elided, Quiet
from app.ui.parts.sizes import count_text
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP, HEADING
from app.ui.words import Phrase, tr

_WAITING = tr("Caravan is working out where it fits.")


class Details(Card):
    """Shows one row. `launched` follows a launch that the node took."""

    launched = Signal(str, object)
    """An InstanceId and the LaunchRequest behind it."""
    menu_wanted = Signal(object, QPoint)
    """The Row, and where on the screen its menu shall open."""

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._row: Row | None = None
        self._pcs: tuple[Pc, ...] = ()
        self._wishes: dict[str, PlanRequest] = {}
        self._is_restoring = False
        self.planning = Planning(desk, self)
        self.name, self.facts = Elided(pixels=HEADING, is_strong=True), Quiet(wraps=True, pixels=12)
        self.more = IconButton(theme, "more", tr("More about its files"), self._open_menu, size=16)
        self.slider = ContextSlider(theme)
        self.body = PlanBody(theme)
        self.advanced = Advanced()
        self.fold = Fold(theme, tr("Advanced"))
        self.headline = Quiet(wraps=True, pixels=12)
        self.launch = Button(tr("Launch"), Role.PRIMARY, self.start)
        self._lay_out()
        self._connect()

    def show_row(self, row: Row | None, pcs: tuple[Pc, ...]) -> None:
        """Show a model. The same one with another verdict keeps what the person chose."""
        is_other = row is None or self._row is None or row.key != self._row.key
        self._row, self._pcs = row, pcs
        if row is None or not is_other:
            return
        wishes = self._stand(row)
        self.body.leave_hand()
        self._describe(row)
        if row.model.problem is not None:
            self.planning.stop()
            self.planning.request = self.planning.answer = None
            self._show_unreadable(row.model.problem)
            return
        self.planning.begin(wishes)

    def _stand(self, row: Row) -> PlanRequest:
        """What was chosen for this model while the window is open, else how it ran last, else nothing."""
        last = self._desk.status.last_launch(row.model_id) if self._desk.status is not None else None
        known = last.wishes.model_copy(update={"model_id": row.model_id}) if last is not None else None
        wishes = self._wishes.get(row.key) or known or PlanRequest(model_id=row.model_id)
        extra = last.extra_arguments if last is not None else ()
        self.advanced.stand(wishes.kv_type, wishes.slots, wishes.prefer, extra)
        self._is_restoring = bool(wishes.shares)
        return wishes

    def cluster_changed(self, pcs: tuple[Pc, ...]) -> None:
        """Other PCs, or other memory: ask again."""
        self._pcs = pcs
        self.planning.again()

    def start(self) -> None:
        """Launch the plan that is shown, if there is one."""
        if not self.launch.isEnabled() or not isinstance(self.planning.answer, Plan):
            return
        self.launch.allow(tr("The launch is on its way."))
        wanted = LaunchRequest(
            plan=self.planning.answer, extra_arguments=self.advanced.arguments, wishes=self.planning.request
        )
        self._desk.ask(_launch(wanted), lambda name: self.launched.emit(name, wanted), self._refused)

    def _connect(self) -> None:
        self.planning.changed.connect(self._render)
        self.fold.turned.connect(self.advanced.setVisible)
        self.slider.chosen.connect(lambda tokens: self._wish(context=tokens))
        self.body.context_wanted.connect(lambda tokens: self._wish(context=tokens))
        self.body.pcs_chosen.connect(lambda pcs: self._wish(pcs=pcs, **({} if pcs else {"use": ()})))
        self.body.use_wanted.connect(self._use)
        self.body.shares_chosen.connect(self._share)
        self.body.hand_chosen.connect(self._by_hand)
        self.advanced.changed.connect(self._advance)

    def _advance(self) -> None:
        told = self.advanced
        self._wish(kv_type=told.kv_type, slots=told.slots, prefer=told.prefer)

    def _wish(self, **changes: object) -> None:
        if self.planning.request is not None:
            self.planning.change(self.planning.request.model_copy(update=changes))

    def _use(self, node: str) -> None:
        if self.planning.request is not None:
            self.planning.change(plan_view.used_anyway(self.planning.request, NodeId(node)), 0)

    def _share(self) -> None:
        # Who takes part is what the sliders say.
        self._wish(shares=shares(self.body.sliders.portions), pcs=None, min_pcs=1, use=())

    def _by_hand(self, is_by_hand: bool) -> None:
        answer = self.planning.answer
        if is_by_hand and isinstance(answer, Plan):
            self.body.begin_by_hand(answer, self._pcs)
            # What is shared out by hand keeps the context it was shared out for.
            self._wish(context=answer.context)
        elif not is_by_hand:
            self._wish(shares=())
        self._render()

    def _restore_shares(self, answer: Plan | Refusal) -> None:
        """Layers that were shared out by hand when it ran last: as they were, or not at all."""
        self._is_restoring = False
        if isinstance(answer, Plan):
            self.body.take_hand(answer, self._pcs)
        else:
            self._wish(shares=())

    def _describe(self, row: Row) -> None:
        self.name.say(row.name)
        shape = row.model.shape
        more = facts(row)
        if shape is not None:
            trained = count_text(shape.context_length) if shape.context_length else "-"
            more = tr(
                "{facts} · {layers} layers · trained for {trained} tokens",
                facts=more,
                layers=shape.layers,
                trained=trained,
            )
        self.facts.say(tr("{facts} · sees pictures", facts=more) if row.sees else more)

    def _render(self) -> None:
        if self._is_restoring and self.planning.answer is not None:
            self._restore_shares(self.planning.answer)
        request, answer, error = self.planning.request, self.planning.answer, self.planning.error
        if request is None or self._row is None:
            return
        # What was shared out by hand belongs to the moment; the rest is remembered for the next look.
        self._wishes[self._row.key] = request.model_copy(update={"shares": ()})
        has_answer = answer is not None
        self.body.setVisible(has_answer or error is not None)
        for each in (self.slider, self.fold):
            each.setVisible(has_answer)
        if answer is not None:
            self._show_answer(answer, request)
        elif error is not None:
            self.body.show_error(error)
            self.headline.say("")
        else:
            self.headline.say(_WAITING)
        self._show_button(answer)

    def _show_answer(self, answer: Plan | Refusal, request: PlanRequest) -> None:
        self.body.show_answer(answer, request, self._pcs)
        shape = self._row.model.shape if self._row else None
        limit = shape.context_length * request.slots if shape and shape.context_length else None
        self.slider.show_fit(context_fit(answer, limit))
        if request.context is not None or isinstance(answer, Plan):
            context = request.context or (answer.context if isinstance(answer, Plan) else 0)
            if not self.slider.slider.isSliderDown():
                self.slider.show_context(context, limit)
        elif not self.slider.slider.isSliderDown():
            self.slider.show_context(min(4096, limit or 4096), limit)
        self.headline.say(plan_view.headline(answer) if isinstance(answer, Plan) else "")

    def _show_button(self, answer: Plan | Refusal | None) -> None:
        if isinstance(answer, Plan):
            self.launch.say(plan_view.launch_words(answer))
            self.launch.allow(_WAITING if self.planning.is_asking else None)
            return
        self.launch.say(tr("Launch"))
        reason: Phrase | str = _WAITING
        if isinstance(answer, Refusal):
            reason = answer.sentence
        elif self.planning.error is not None:
            reason = self.planning.error.sentence
        self.launch.allow(reason)

    def _show_unreadable(self, problem: ErrorInfo) -> None:
        self.body.show_error(problem)
        self.body.show()
        for each in (self.slider, self.fold, self.advanced):
            each.hide()
        self.headline.say("")
        self.launch.say(tr("Launch"))
        self.launch.allow(problem.sentence)

    def _open_menu(self) -> None:
        if self._row is not None:
            self.menu_wanted.emit(self._row, self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def _refused(self, error: ErrorInfo) -> None:
        self._render()
        self.body.complain(error)

    def _lay_out(self) -> None:
        self.rows.setSpacing(GAP)
        head = QHBoxLayout()
        head.addWidget(self.name, 1)
        head.addWidget(self.more)
        self.rows.addLayout(head)
        self.rows.addWidget(self.facts)
        self.rows.addWidget(self._scrolled(), 1)
        self.rows.addWidget(Line())
        foot = QHBoxLayout()
        foot.setSpacing(GROUP)
        foot.addWidget(self.headline, 1)
        foot.addWidget(self.launch)
        self.rows.addLayout(foot)

    def _scrolled(self) -> QScrollArea:
        canvas = QWidget()
        canvas.setObjectName("canvas")
        rows = QVBoxLayout(canvas)
        rows.setContentsMargins(0, GAP, GAP, GAP)
        rows.setSpacing(GROUP)
        for each in (self.slider, self.body):
            rows.addWidget(each)
        rows.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        rows.addWidget(self.advanced)
        rows.addStretch(1)
        self.advanced.hide()
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(canvas)
        return area


def _launch(request: LaunchRequest) -> Callable[[NodeClient], Awaitable[InstanceId]]:
    async def work(client: NodeClient) -> InstanceId:
        return await client.launch(request)

    return work
