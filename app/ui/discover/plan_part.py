"""Where the chosen file would run, in the picker's own bars and words."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.schema.plan import Plan, Refusal
from app.ui.models import plan_view
from app.ui.models.bars_view import BarsView
from app.ui.models.left_out_list import LeftOutList
from app.ui.models.pcs import Pc
from app.ui.models.verdicts import CHECKING, Verdict, warnings
from app.ui.parts.banner import Banner
from app.ui.parts.labels import Quiet
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP
from app.ui.words import Phrase, tr


class PlanPart(QScrollArea):
    """Shows an answer, or why there is none."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.banner, self.bars = Banner(theme, Tone.BAD, ""), BarsView(theme)
        self.left_out, self.waiting = LeftOutList(), Quiet(wraps=True, pixels=12)
        canvas = QWidget()
        canvas.setObjectName("canvas")
        rows = QVBoxLayout(canvas)
        rows.setContentsMargins(0, GAP, 0, GAP)
        rows.setSpacing(GROUP)
        self.why = Quiet(wraps=True, pixels=12)
        for each in (self.banner, self.waiting, self.bars, self.why, self.left_out):
            rows.addWidget(each)
        rows.addStretch(1)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(canvas)

    def show_answer(self, answer: Plan | Refusal | None, verdict: Verdict | None, pcs: Sequence[Pc]) -> None:
        """Show where it would run; `verdict` says it in words while there is no answer."""
        is_plan = isinstance(answer, Plan)
        self._show_banner(answer, verdict)
        self.waiting.setVisible(answer is None and verdict == CHECKING)
        self.waiting.say(CHECKING.sentence)
        if isinstance(answer, Plan):
            self.bars.show_bars(plan_view.bars(answer, pcs))
        self.bars.setVisible(is_plan)
        reasons = plan_view.left_out(answer) if answer is not None else ()
        self.left_out.show_reasons([(each, False) for each in reasons])
        self.left_out.setVisible(bool(reasons))

    def explain(self, why: str | None) -> None:
        """Say why this file is recommended."""
        self.why.say(tr("Recommended: {why}", why=why) if why else "")
        self.why.setVisible(bool(why))

    def _show_banner(self, answer: Plan | Refusal | None, verdict: Verdict | None) -> None:
        if isinstance(answer, Refusal):
            self.banner.tell(Tone.BAD, answer.sentence, answer.hint)
        elif isinstance(answer, Plan):
            self.banner.tell(Tone.TIGHT, " ".join(warnings(answer)))
        elif verdict is not None:
            self.banner.tell(Tone.NEUTRAL, verdict.sentence)
        is_told = isinstance(answer, Refusal) or (isinstance(answer, Plan) and bool(warnings(answer)))
        self.banner.setVisible(is_told or (answer is None and verdict not in {None, CHECKING}))


def headline(answer: Plan | Refusal | None) -> Phrase | str:
    """The speed to expect, as the picker says it."""
    return plan_view.headline(answer) if isinstance(answer, Plan) else ""
