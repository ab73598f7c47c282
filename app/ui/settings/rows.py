"""A setting on the screen: what it is, why, its control, the way back to its default, and what is wrong with it."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QPoint, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from app.schema.errors import ErrorInfo
from app.schema.settings import Settings
from app.ui.parts.buttons import IconButton
from app.ui.parts.card import Card, Line
from app.ui.parts.labels import Body, Heading, Quiet
from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.fields import DEFAULTS, Unfit, changed
from app.ui.style.fonts import mono_font, ui_font
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, UNIT
from app.ui.words import Phrase, tr

TYPING_MS = 700
"""A text is sent when nothing was typed for so long."""

_WIDTH, _HEIGHT, _KNOB = 36, 20, 14


class Setting(QWidget):
    """One setting. The control stands at the right, or below when it `is_wide`; one that `has_name` keeps it."""

    def __init__(
        self,
        theme: Theme,
        title: Phrase,
        reason: Phrase,
        control: QWidget,
        on_undo: Callable[[], None] | None = None,
        *,
        is_wide: bool = False,
        has_name: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.control = control
        self._reason = Quiet(reason, wraps=True, pixels=12)
        self._error = Quiet(wraps=True, pixels=12)
        self._error.set_tone(Tone.BAD)
        self._error.hide()
        self.undo = IconButton(theme, "undo", tr("Back to the default: {title}", title=title), on_undo, size=16)
        keeps = self.undo.sizePolicy()
        keeps.setRetainSizeWhenHidden(not is_wide)
        self.undo.setSizePolicy(keeps)
        self.undo.hide()
        self._lay_out(Body(title, wraps=True), is_wide)
        target = control.focusProxy() or control
        if not has_name:
            target.setAccessibleName(said(title))
        target.setAccessibleDescription(said(reason))
        self._target = target

    def say_error(self, words: Phrase | str | None) -> None:
        """What is wrong with the value, at its place; None: nothing."""
        self._error.say(words or "")
        self._error.setVisible(words is not None)
        told = words if words is not None else self._reason.text()
        self._target.setAccessibleDescription(said(told))

    @property
    def error(self) -> str:
        """What is said to be wrong."""
        return self._error.text()

    def show_undo(self, is_changed: bool) -> None:
        """Offer the way back only where there is one."""
        self.undo.setVisible(is_changed)

    def _lay_out(self, title: Body, is_wide: bool) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(title)
        words.addWidget(self._reason)
        top = QHBoxLayout()
        top.setSpacing(GAP)
        top.addLayout(words, 1)
        top.addWidget(self.undo, 0, Qt.AlignmentFlag.AlignVCenter)
        if not is_wide:
            top.addWidget(self.control, 0, Qt.AlignmentFlag.AlignVCenter)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GAP)
        rows.addLayout(top)
        if is_wide:
            rows.addWidget(self.control)
        rows.addWidget(self._error)


class Group(Card):
    """Settings that belong together, a hairline between them."""

    def __init__(self, *settings: QWidget, title: Phrase | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows.setSpacing(GAP + UNIT)
        if title is not None:
            self.rows.addWidget(Heading(title, level=2))
        for number, each in enumerate(settings):
            if number:
                self.rows.addWidget(Line())
            self.rows.addWidget(each)


class Switch(QCheckBox):
    """On or off. A check box to the keyboard and to screen readers, a switch with a tick to the eye."""

    def __init__(self, theme: Theme, on_change: Callable[[bool], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.clicked.connect(on_change)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(_WIDTH + 2 * UNIT, _HEIGHT + 2 * UNIT)

    def hitButton(self, place: QPoint) -> bool:  # noqa: D102
        return self.rect().contains(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter turns it too."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.click()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        palette = self._theme.palette
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(UNIT, UNIT, _WIDTH, _HEIGHT)
        is_on, is_live = self.isChecked(), self.isEnabled()
        painter.setPen(QPen(QColor(palette.accent if is_on and is_live else palette.quiet), 1))
        painter.setBrush(QColor(palette.accent if is_on and is_live else palette.sunken))
        painter.drawRoundedRect(track.adjusted(0.5, 0.5, -0.5, -0.5), _HEIGHT / 2, _HEIGHT / 2)
        gap = (_HEIGHT - _KNOB) / 2
        left = track.right() - gap - _KNOB if is_on else track.left() + gap
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.on_accent if is_on and is_live else palette.quiet))
        painter.drawEllipse(QRectF(left, track.top() + gap, _KNOB, _KNOB))
        if is_on:
            self._tick(painter, track)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.ink), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), _HEIGHT / 2 + 3, _HEIGHT / 2 + 3)

    def _tick(self, painter: QPainter, track: QRectF) -> None:
        """Not by colour and place alone: a tick."""
        pen = QPen(QColor(self._theme.palette.on_accent if self.isEnabled() else self._theme.palette.quiet), 1.6)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        x, y = track.left() + 7, track.center().y() + 0.5
        painter.drawPolyline([QPoint(round(x), round(y)), QPoint(round(x + 3), round(y + 3)),
                              QPoint(round(x + 8), round(y - 3))])  # fmt: skip


class Field(QLineEdit):
    """A line of text that is sent when it was left, at Enter, or a moment after the last letter."""

    def __init__(self, on_text: Callable[[str], None], *, is_mono: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._on_text = on_text
        self._known = ""
        self._is_held = False
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(TYPING_MS)
        self._calm.timeout.connect(self.commit)
        self.setFont(mono_font() if is_mono else ui_font(BODY))
        self.textEdited.connect(lambda _: self._calm.start())
        self.returnPressed.connect(self.commit)

    def show_text(self, text: str) -> None:
        """What the node has. It disturbs nobody who types, and leaves what was refused for mending."""
        self._known = text
        if not self._is_being_edited() and self.text() != text:
            self.setText(text)
            self.setCursorPosition(0)

    def hold(self, is_held: bool = True) -> None:
        """Keep what was typed though the node has something else."""
        self._is_held = is_held

    def commit(self) -> None:
        """Send what was typed now."""
        self._calm.stop()
        if self.isModified():
            self.setModified(False)
            self._on_text(self.text())

    def put(self, text: str) -> None:
        """As if it had been typed: from a file dialog."""
        self.setText(text)
        self.setModified(True)
        self.commit()

    def forget(self) -> None:
        """Drop what was typed and not sent."""
        self._calm.stop()
        self._is_held = False
        self.setModified(False)
        self.setText(self._known)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes back what was typed."""
        if event.key() == Qt.Key.Key_Escape and self.text() != self._known:
            self.forget()
            self._on_text(self._known)
            return
        super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: D102
        super().focusOutEvent(event)
        self.commit()

    def _is_being_edited(self) -> bool:
        return self._calm.isActive() or self.isModified() or self._is_held


class FieldOf(QObject):
    """Ties a setting's row to a field of `Settings`: shows it, sends it, says what is wrong, goes back."""

    def __init__(self, changes: Changes, row: Setting, name: str, show: Callable[[Settings], None]) -> None:
        super().__init__(row)
        self._changes, self._row, self._name, self._show = changes, row, name, show
        changes.shown.connect(self._refresh)
        changes.refused.connect(self._on_refused)
        changes.accepted.connect(self._on_accepted)
        row.undo.clicked.connect(self.reset)

    def reset(self) -> None:
        """Back to the default."""
        self._row.say_error(None)
        self._changes.change(self._name, getattr(DEFAULTS, self._name))

    def _refresh(self) -> None:
        is_live = self._changes.is_live
        self._show(self._changes.now)
        self._row.control.setEnabled(is_live)
        self._row.show_undo(is_live and (changed(self._changes.now, self._name) or bool(self._row.error)))

    def _on_refused(self, name: str, error: ErrorInfo) -> None:
        if name == self._name:
            self._row.say_error(f"{error.sentence} {error.hint}".strip())

    def _on_accepted(self, name: str) -> None:
        if name == self._name:
            self._row.say_error(None)


def text_setting(
    theme: Theme,
    changes: Changes,
    name: str,
    title: Phrase,
    reason: Phrase,
    read: Callable[[str], object],
    write: Callable[[Settings], str],
    *,
    hint: Phrase | str = "",
    is_mono: bool = False,
    buttons: Sequence[QWidget] = (),
) -> tuple[Setting, Field]:
    """A row with a line of text. `read` makes a value of it or raises `Unfit`; `write` shows the value."""

    def send(text: str) -> None:
        field.hold(False)
        try:
            value = read(text)
        except Unfit as unfit:
            field.hold()
            row.say_error(unfit.words)
            return
        row.say_error(None)
        changes.change(name, value)

    field = Field(send, is_mono=is_mono)
    field.setPlaceholderText(said(hint))
    row = Setting(theme, title, reason, _beside(field, buttons), is_wide=True)
    FieldOf(changes, row, name, lambda settings: field.show_text(write(settings)))
    changes.refused.connect(lambda refused, _: field.hold() if refused == name else None)
    row.undo.clicked.connect(field.forget)
    return row, field


def switch_setting(theme: Theme, changes: Changes, name: str, title: Phrase, reason: Phrase) -> tuple[Setting, Switch]:
    """A row with a switch for a field that is on or off."""
    switch = Switch(theme, lambda is_on: changes.change(name, is_on))
    row = Setting(theme, title, reason, switch)
    FieldOf(changes, row, name, lambda settings: switch.setChecked(getattr(settings, name)))
    return row, switch


def _beside(field: Field, buttons: Sequence[QWidget]) -> QWidget:
    if not buttons:
        return field
    whole = QWidget()
    row = QHBoxLayout(whole)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GAP)
    row.addWidget(field, 1)
    for button in buttons:
        row.addWidget(button)
    whole.setFocusProxy(field)
    return whole
