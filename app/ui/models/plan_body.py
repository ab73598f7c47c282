"""What a plan or refusal says: the verdict, the PCs to choose from, their memory, who is left out."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.schema.errors import ErrorInfo
from app.schema.plan import Plan, PlanRequest, Refusal
from app.ui.models import plan_view
from app.ui.models.bars_view import BarsView
from app.ui.models.hand_sliders import HandSliders
from app.ui.models.left_out_list import LeftOutList
from app.ui.models.pcs import Pc
from app.ui.models.pcs_choice import PcsChoice
from app.ui.models.shares import portions_of
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Body, Quiet
from app.ui.parts.sizes import count_text
from app.ui.parts.switch import Switch
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP
from app.ui.words import Phrase, tr


class PlanBody(QWidget):
    """Shows an answer. Its signals are what the person wants to be otherwise."""

    pcs_chosen = Signal(object)
    """An int, or None: Caravan chooses."""
    context_wanted = Signal(int)
    use_wanted = Signal(str)
    shares_chosen = Signal()
    """`sliders.portions` is what the person wants."""
    hand_chosen = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._largest: int | None = None
        self.banner = Banner(theme, Tone.BAD, "", action=tr("Use less context"), on_action=self._use_largest)
        self.mode = _Mode()
        self.choice, self.sliders = PcsChoice(), HandSliders()
        self.automatic = Button(tr("Let Caravan choose"), Role.QUIET, is_small=True)
        self.bars = BarsView(theme)
        self.head, self.kept, self.guessing = Quiet(wraps=True), Quiet(wraps=True), Quiet(wraps=True)
        self.left_out = LeftOutList()
        self._lay_out()
        self._connect()

    @property
    def is_by_hand(self) -> bool:
        """Whether the person shares the layers out."""
        return self.mode.is_by_hand

    def show_answer(self, answer: Plan | Refusal, request: PlanRequest, pcs: Sequence[Pc]) -> None:
        """Show what was planned for a request."""
        self._show_banner(answer)
        lines = plan_view.comparison(answer)
        self.choice.show_lines(lines)
        self.mode.setVisible(isinstance(answer, Plan) or self.is_by_hand)
        self._show_mode(request, has_choice=len(lines) > 0)
        may_offer = isinstance(answer, Plan) and not self.is_by_hand
        self.left_out.show_reasons(
            [(each, may_offer and plan_view.can_be_used(each, request, pcs)) for each in plan_view.left_out(answer)]
        )
        if isinstance(answer, Plan):
            self._show_plan(answer, pcs)
        self.bars.setVisible(isinstance(answer, Plan))
        for note in (self.head, self.kept, self.guessing):
            note.setVisible(isinstance(answer, Plan) and bool(note.text()))

    def complain(self, error: ErrorInfo) -> None:
        """Show an error above what is there."""
        self.banner.tell(Tone.TIGHT, error.sentence, error.hint)
        self._offer(None)
        self.banner.show()

    def show_error(self, error: ErrorInfo) -> None:
        """Show why there is no answer."""
        self.complain(error)
        notes = (self.head, self.kept, self.guessing, self.left_out)
        for each in (self.mode, self.choice, self.automatic, self.sliders, self.bars, *notes):
            each.hide()

    def begin_by_hand(self, plan: Plan, pcs: Sequence[Pc]) -> None:
        """Put the sliders to what a plan gave."""
        self.sliders.show_portions(portions_of(plan, pcs))

    def take_hand(self, plan: Plan, pcs: Sequence[Pc]) -> None:
        """By hand, with what a plan gives, silently."""
        self.mode.stand(by_hand=True)
        self.begin_by_hand(plan, pcs)

    def leave_hand(self) -> None:
        """Back to Auto, silently."""
        self.mode.stand(by_hand=False)

    def _connect(self) -> None:
        self.mode.chosen.connect(self.hand_chosen)
        self.choice.chosen.connect(self.pcs_chosen.emit)
        self.automatic.clicked.connect(lambda: self.pcs_chosen.emit(None))
        self.sliders.chosen.connect(self.shares_chosen)
        self.left_out.wanted.connect(self.use_wanted)

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GROUP)
        rows.addWidget(self.banner)
        where = QVBoxLayout()
        where.setSpacing(GAP)
        where.addWidget(self.mode)
        where.addWidget(self.choice)
        where.addWidget(self.sliders)
        where.addWidget(self.automatic, 0, Qt.AlignmentFlag.AlignLeft)
        rows.addLayout(where)
        rows.addWidget(self.bars)
        rows.addWidget(self.head)
        rows.addWidget(self.kept)
        rows.addWidget(self.guessing)
        rows.addWidget(self.left_out)

    def _show_mode(self, request: PlanRequest, has_choice: bool) -> None:
        self.choice.setVisible(not self.is_by_hand and has_choice)
        self.sliders.setVisible(self.is_by_hand)
        self.automatic.setVisible(not self.is_by_hand and (request.pcs is not None or bool(request.use)))

    def _show_plan(self, plan: Plan, pcs: Sequence[Pc]) -> None:
        self.bars.show_bars(plan_view.bars(plan, pcs))
        self.head.say(plan_view.head_note(plan) or "")
        self.kept.say(plan_view.kept_note(plan) or "")
        self.guessing.say(plan_view.guessing_note(plan) or "")

    def _show_banner(self, answer: Plan | Refusal) -> None:
        if isinstance(answer, Refusal):
            self.banner.tell(Tone.BAD, answer.sentence, answer.hint)
            self._offer(answer.largest_context)
        else:
            self.banner.tell(Tone.TIGHT, " ".join(answer.notes))
            self._offer(None)
        self.banner.setVisible(isinstance(answer, Refusal) or bool(answer.notes))

    def _offer(self, largest: int | None) -> None:
        self._largest = largest
        if self.banner.button is not None:
            self.banner.button.setVisible(largest is not None)
            words: Phrase = tr("Use {context}", context=count_text(largest or 0))
            self.banner.button.say(words)

    def _use_largest(self) -> None:
        if self._largest is not None:
            self.context_wanted.emit(self._largest)


class _Mode(QWidget):
    """Auto | By hand."""

    chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.switch = Switch(tr("Where it runs"), (tr("Auto"), tr("By hand")))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(Body(tr("Where it runs"), wraps=False, is_strong=True))
        line.addStretch(1)
        line.addWidget(self.switch)
        self.switch.chosen.connect(lambda number: self.chosen.emit(number == 1))

    @property
    def is_by_hand(self) -> bool:
        return self.switch.now == 1

    def stand(self, by_hand: bool) -> None:
        self.switch.stand(int(by_hand))
