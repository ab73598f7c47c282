"""Dialogs: a title, what is asked, buttons at the bottom right. They never stop the program: `open`, not `exec`."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Body, Heading
from app.ui.said import said
from app.ui.style.tokens import EDGE, GAP, GROUP
from app.ui.words import Phrase, tr

WIDTH = 440


class Dialog(QDialog):
    """Put content into `rows` and buttons into `buttons`, the primary one last. Escape rejects."""

    def __init__(self, title: Phrase | str, parent: QWidget | None = None, width: int = WIDTH) -> None:
        super().__init__(parent)
        self.setWindowTitle(said(title))
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setFixedWidth(width)
        whole = QVBoxLayout(self)
        # The height is ours (`event`): the layout's own least one is less, and would be shown for a moment.
        whole.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
        whole.setContentsMargins(EDGE, EDGE, EDGE, EDGE)
        whole.setSpacing(GROUP)
        whole.addWidget(Heading(title))
        self.rows = QVBoxLayout()
        self.rows.setSpacing(GAP)
        whole.addLayout(self.rows, 1)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(GAP)
        self.buttons.addStretch(1)
        whole.addLayout(self.buttons)

    def event(self, event: QEvent) -> bool:
        """As high as its content, whatever is shown or hidden in it."""
        if event.type() is not QEvent.Type.LayoutRequest:
            # Nothing of the dialog may be touched after this: the event may have been its end.
            return super().event(event)
        done = super().event(event)
        layout = self.layout()
        if layout is not None:
            self.setFixedHeight(layout.totalHeightForWidth(self.width()))
        return done


def confirm(
    parent: QWidget,
    title: Phrase | str,
    text: Phrase | str,
    action: Phrase | str,
    on_yes: Callable[[], None],
    role: Role = Role.DANGER,
) -> Dialog:
    """Ask before something that cannot be undone; returns at once. The careful answer has the focus."""
    dialog = Dialog(title, parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.rows.addWidget(Body(text))
    cancel = Button(tr("Cancel"), Role.PLAIN, dialog.reject)
    dialog.buttons.addWidget(cancel)
    dialog.buttons.addWidget(Button(action, role, dialog.accept))
    dialog.accepted.connect(lambda: on_yes())
    dialog.open()
    cancel.setFocus()
    return dialog
