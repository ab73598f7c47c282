"""PCs that take no part, each with its reason and, where it can be done, a way to use it anyway."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.schema.plan import NodeReason
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Quiet
from app.ui.said import said
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import tr


class LeftOutList(QWidget):
    """Shows reasons. `wanted` names the PC that shall take part."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[tuple[NodeReason, bool], ...] = ()
        self._lines: list[QWidget] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(UNIT)

    def show_reasons(self, reasons: Sequence[tuple[NodeReason, bool]]) -> None:
        """Show these; True with a reason offers to use the PC anyway."""
        if tuple(reasons) == self._shown:
            return
        self._shown = tuple(reasons)
        for each in self._lines:
            each.hide()
            each.deleteLater()
        self._lines = [self._line(reason, is_offered) for reason, is_offered in reasons]
        for line in self._lines:
            self._rows.addWidget(line)
        self.setVisible(bool(reasons))

    def _line(self, reason: NodeReason, is_offered: bool) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        # A unit is not broken at its slash.
        words = Quiet(reason.sentence.replace("/", "/\N{WORD JOINER}"), wraps=True, pixels=12)
        row.addWidget(words, 1)
        if is_offered:
            button = Button(tr("Use anyway"), Role.QUIET, partial(self.wanted.emit, reason.node), is_small=True)
            button.setAccessibleName(said(tr("Use {pc} anyway", pc=reason.node_name)))
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return line
