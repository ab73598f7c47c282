"""Where a message is written: grows to eight lines; Enter sends, Shift+Enter begins a line, Esc stops or gives up."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QBuffer, QEvent, QIODevice, QMimeData, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.ui.chat.gauge import ContextGauge
from app.ui.chat.records import Attachment, AttachmentKind
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Elided, Quiet, set_property
from app.ui.parts.sizes import size_text
from app.ui.said import said, tip
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, SMALL, UNIT
from app.ui.words import Phrase, tr

LINES = 8
_SEND = 32


class Editor(QPlainTextEdit):
    """The text field. It passes on what is not text."""

    send = Signal()
    escape = Signal()
    recall = Signal()
    """Up in an empty field."""
    files = Signal(object)
    """Paths that were dropped or pasted."""
    picture = Signal(bytes)
    """A pasted image, as PNG."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("editor")
        self.setFont(ui_font())
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setAccessibleName(said(tr("Message")))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(2)
        self.document().documentLayout().documentSizeChanged.connect(lambda _: self.grow())
        self.grow()

    def grow(self) -> None:
        """Be as tall as the text, one line at least and eight at most."""
        line = self.fontMetrics().lineSpacing()
        lines = max(round(self.document().size().height()), 1)
        self.setFixedHeight(min(lines, LINES) * line + 10)
        is_long = lines > LINES
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if is_long else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setVerticalScrollBarPolicy(policy)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        is_plain = not event.modifiers() & (Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier)
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and is_plain:
            self.send.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.escape.emit()
        elif event.key() == Qt.Key.Key_Up and not self.toPlainText():
            self.recall.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:  # noqa: D102
        return source.hasUrls() or source.hasImage() or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: D102
        if paths := local_files(source):
            self.files.emit(paths)
        elif source.hasImage() and not source.hasText():
            self.picture.emit(_png(QImage(source.imageData())))
        else:
            super().insertFromMimeData(source)


class Chip(QFrame):
    """A file that will go with the message."""

    removed = Signal()

    def __init__(self, theme: Theme, attachment: Attachment, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chip")
        row = QHBoxLayout(self)
        row.setContentsMargins(GAP, 2, 2, 2)
        row.setSpacing(UNIT)
        is_image = attachment.kind is AttachmentKind.IMAGE
        name = Elided(attachment.name, pixels=SMALL)
        name.setFixedWidth(min(name.fontMetrics().horizontalAdvance(attachment.name) + 2, 180))
        size = len(attachment.content) * 3 // 4 if is_image else len(attachment.content.encode())
        row.addWidget(_drawing(theme, "image" if is_image else "file"))
        row.addWidget(name)
        row.addWidget(Quiet(size_text(size)))
        close = IconButton(theme, "close", tr("Take {name} away", name=attachment.name), self.removed.emit, size=12)
        close.setFixedSize(20, 20)
        row.addWidget(close)


class Composer(QFrame):
    """`sent` carries the text and its attachments; `show_state` says what can be done now."""

    sent = Signal(str, object)
    stopped = Signal()
    gave_up_edit = Signal()
    recalled = Signal()
    wants_file = Signal()
    thinking_chosen = Signal(bool)
    files_given = Signal(object)
    picture_given = Signal(bytes)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("composer")
        self._theme = theme
        self._is_busy, self._is_editing = False, False
        self._reason: Phrase | None = None
        self.attachments: list[Attachment] = []
        self.editor = Editor()
        self.gauge = ContextGauge(theme)
        self.attach = IconButton(theme, "plus", tr("Add a file"), self.wants_file.emit, size=18, shortcut="Ctrl+O")
        self.send = IconButton(theme, "send", tr("Send"), self._send_or_stop, size=18)
        self.think = Button(
            tr("Think"), Role.QUIET, self._choose_thinking, theme=theme, icon_name="brain", is_small=True
        )
        self.hint = Quiet()
        self._lay_out()
        self._connect()
        self.show_state(False, None)

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(GAP + UNIT, GAP, GAP, GAP)
        rows.setSpacing(UNIT)
        self._chips = QWidget()
        self._chip_row = QHBoxLayout(self._chips)
        self._chip_row.setContentsMargins(0, 0, 0, 0)
        self._chip_row.addStretch(1)
        self._chips.hide()
        rows.addWidget(self._chips)
        rows.addWidget(self.editor)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        self.send.setObjectName("send")
        self.send.setFixedSize(_SEND, _SEND)
        self.attach.setFixedSize(28, 28)
        self.think.setObjectName("think")
        self.think.setCheckable(True)
        self.think.hide()
        row.addWidget(self.attach)
        row.addWidget(self.think)
        row.addWidget(self.hint, 1)
        row.addWidget(self.gauge)
        row.addWidget(self.send)
        rows.addLayout(row)

    def _connect(self) -> None:
        self.editor.send.connect(self._send)
        self.editor.escape.connect(self._escape)
        self.editor.recall.connect(self.recalled)
        self.editor.files.connect(self.files_given)
        self.editor.picture.connect(self.picture_given)
        self.editor.textChanged.connect(self._judge)
        self.editor.installEventFilter(self)
        self._theme.changed.connect(self._tint)

    def eventFilter(self, watched: object, event: QEvent) -> bool:  # noqa: D102
        if event.type() in {QEvent.Type.FocusIn, QEvent.Type.FocusOut}:
            set_property(self, "focused", "true" if event.type() is QEvent.Type.FocusIn else None)
        return False

    def show_state(self, is_busy: bool, reason: Phrase | None, placeholder: Phrase | None = None) -> None:
        """`is_busy`: an answer is written and can be stopped. `reason`: why nothing can be sent, None when it can."""
        self._is_busy, self._reason = is_busy, reason
        self.editor.setPlaceholderText(said(placeholder or tr("Write a message")))
        self.send.show_icon("stop" if is_busy else "send")
        self.send.call(tr("Stop (Esc)") if is_busy else tr("Send (Enter)"))
        self._judge()

    def show_thinking(self, thinks: bool | None) -> None:
        """Whether the model is to reason before it answers; None where its template has no switch for it."""
        self.think.setVisible(thinks is not None)
        self.think.setChecked(bool(thinks))
        words = tr("The model thinks before it answers") if thinks else tr("The model answers at once")
        self.think.setToolTip(tip(said(words)))
        self.think.setAccessibleDescription(said(words))

    def edit(self, text: str, attachments: Sequence[Attachment]) -> None:
        """Write another version of an earlier message."""
        self._is_editing = True
        self.editor.setPlainText(text)
        self.editor.moveCursor(self.editor.textCursor().MoveOperation.End)
        self._set_files(attachments)
        self.hint.say(tr("Another version of an earlier message. Esc gives up."))
        self.editor.setFocus()

    def add(self, attachment: Attachment) -> None:
        """A file goes with the message."""
        self._set_files([*self.attachments, attachment])
        self.editor.setFocus()

    def clear(self) -> None:
        """Empty, as for a new message."""
        self._is_editing = False
        self.hint.say("")
        self.editor.clear()
        self._set_files(())

    def _set_files(self, attachments: Sequence[Attachment]) -> None:
        self.attachments = list(attachments)
        while self._chip_row.count() > 1:
            item = self._chip_row.takeAt(0)
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for attachment in self.attachments:
            chip = Chip(self._theme, attachment)
            chip.removed.connect(lambda gone=attachment: self._take_away(gone))
            self._chip_row.insertWidget(self._chip_row.count() - 1, chip)
        self._chips.setVisible(bool(self.attachments))
        self._judge()

    def _take_away(self, gone: Attachment) -> None:
        self._set_files([each for each in self.attachments if each is not gone])

    def _judge(self) -> None:
        has_something = bool(self.editor.toPlainText().strip() or self.attachments)
        self.send.setEnabled(self._is_busy or (has_something and self._reason is None))
        self.send.setAccessibleDescription(said(self._reason) if self._reason else "")
        self._tint()

    def _tint(self) -> None:
        palette = self._theme.palette
        drawing = "stop" if self._is_busy else "send"
        self.send.setIcon(icon(drawing, palette.on_accent if self.send.isEnabled() else palette.quiet, 18))

    def _choose_thinking(self) -> None:
        self.thinking_chosen.emit(self.think.isChecked())

    def _send_or_stop(self) -> None:
        if self._is_busy:
            self.stopped.emit()
        else:
            self._send()

    def _send(self) -> None:
        if self._is_busy or not self.send.isEnabled():
            return
        text, attachments = self.editor.toPlainText(), tuple(self.attachments)
        self.clear()
        self.sent.emit(text, attachments)

    def _escape(self) -> None:
        if self._is_busy:
            self.stopped.emit()
        elif self._is_editing:
            self.clear()
            self.gave_up_edit.emit()


def local_files(source: QMimeData) -> list[Path]:
    """The files that were dropped or pasted."""
    return [Path(url.toLocalFile()) for url in source.urls() if url.isLocalFile()]


def _png(picture: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")  # type: ignore[call-overload]  # PySide takes text only
    return bytes(buffer.data().data())


def _drawing(theme: Theme, name: str) -> QWidget:
    label = Quiet()
    label.setPixmap(icon(name, theme.palette.quiet, 14).pixmap(14))
    return label
