"""The one question at the end: keep serving the others, or not."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QWidget

from app.ui.parts.buttons import Button, Role
from app.ui.parts.dialog import Dialog
from app.ui.parts.labels import Body
from app.ui.said import said
from app.ui.words import tr


class LeavingDialog(Dialog):
    """`on_answer(keeps, remembers)` gets the answer; closing the dialog is no answer, then nothing ends."""

    def __init__(self, on_answer: Callable[[bool, bool], None], parent: QWidget | None = None) -> None:
        super().__init__(tr("Keep serving?"), parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._on_answer = on_answer
        text = tr(
            "A model is in use on this PC. Caravan can go on serving it without window and icon; "
            "start Caravan again to see it. Or everything ends now."
        )
        self.rows.addWidget(Body(text))
        self.remembers = QCheckBox(said(tr("Remember the answer")))
        self.remembers.setChecked(True)
        self.rows.addWidget(self.remembers)
        self.stop = Button(tr("Stop everything"), Role.PLAIN, lambda: self._answer(False))
        self.keep = Button(tr("Keep serving"), Role.PRIMARY, lambda: self._answer(True))
        self.buttons.addWidget(Button(tr("Cancel"), Role.QUIET, self.reject))
        self.buttons.addWidget(self.stop)
        self.buttons.addWidget(self.keep)
        self.keep.setDefault(True)
        self.keep.setFocus()

    def _answer(self, keeps: bool) -> None:
        remembers = self.remembers.isChecked()
        self.accept()
        self._on_answer(keeps, remembers)
