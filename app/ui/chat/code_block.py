"""A code block: its language, a button that copies it, and its lines with colours."""

import math
from functools import partial

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QTextCharFormat, QTextCursor, QTextLayout, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.ui.chat.highlight import Highlighter, Lines, Mark, colour_of
from app.ui.parts.buttons import IconButton
from app.ui.parts.labels import Quiet
from app.ui.said import said
from app.ui.style.fonts import mono_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, UNIT
from app.ui.words import tr

COPIED_MS = 1500
_ASK_MS = 150
"""How often a block that grows is coloured anew."""

_INSET = 12


class CodeText(QPlainTextEdit):
    """The lines of a code block: never wrapped, scrolled sideways, as tall as they are many."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._fitted = (0, 0)
        self.setObjectName("code")
        self.setAccessibleName(name)
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFont(mono_font(BODY - 1))
        self.setTabChangesFocus(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.document().setUndoRedoEnabled(False)
        self.document().setDocumentMargin(0)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102
        if event.angleDelta().x() and not event.angleDelta().y():
            super().wheelEvent(event)
        else:
            event.ignore()

    def fit(self, width: int) -> None:
        """Be `width` wide and as tall as the lines and, where one is too long, the scroll bar."""
        if (width, self.document().revision()) == self._fitted:
            return
        self._fitted = (width, self.document().revision())
        line = math.ceil(self.fontMetrics().lineSpacing())
        longest = max(map(len, self.toPlainText().split("\n")), default=0)
        is_wide = longest * self.fontMetrics().horizontalAdvance("m") > width
        scroll = self.horizontalScrollBar().sizeHint().height() if is_wide else 0
        self.setFixedSize(width, self.blockCount() * line + UNIT + scroll)


class CodeBlock(QFrame):
    """One code block. `show_code` may be called again with a longer text."""

    def __init__(self, theme: Theme, highlighter: Highlighter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("codeblock")
        self._theme, self._highlighter = theme, highlighter
        self._text, self._language = "", ""
        self._lines: Lines = ()
        self.language = Quiet()
        self.copy = IconButton(theme, "copy", tr("Copy this code"), self._copy, size=16)
        self.lines = CodeText(said(tr("Code")))
        self._later = QTimer(self, singleShot=True, interval=_ASK_MS)
        self._later.timeout.connect(self._ask)
        self._back = QTimer(self, singleShot=True, interval=COPIED_MS)
        self._back.timeout.connect(self._offer_copy)
        self._lay_out()

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(_INSET, 2, 0, GAP)
        rows.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, UNIT, 0)
        head.addWidget(self.language)
        head.addStretch(1)
        head.addWidget(self.copy)
        self.copy.setFixedSize(28, 28)
        rows.addLayout(head)
        rows.addWidget(self.lines)

    def show_code(self, text: str, language: str) -> None:
        """Show a code block, or how it has grown."""
        if language != self._language:
            self._language = language
            self.language.say(language or tr("code"))
        if text == self._text:
            return
        if text.startswith(self._text) and self._text:
            cursor = QTextCursor(self.lines.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(text[len(self._text) :])
        else:
            self._lines = ()
            self.lines.setPlainText(text)
        self._text = text
        if not self._later.isActive():
            self._later.start()

    def clear(self) -> None:
        """Be empty, as for another code block."""
        self._later.stop()
        self._text, self._lines = "", ()
        self.lines.clear()
        if self._back.isActive():
            self._back.stop()
            self._offer_copy()

    def fit(self, width: int) -> None:
        """Be `width` wide and as tall as needed."""
        self.lines.fit(width - _INSET)
        self.setFixedSize(width, 28 + 2 + GAP + self.lines.height())

    def _ask(self) -> None:
        self._highlighter.ask(self._text, self._language, partial(self._colour, self._text))

    def _colour(self, text: str, lines: Lines) -> None:
        """Colour the lines whose marks have changed; `text` is the one that was asked for."""
        if not self._text.startswith(text):
            return
        document = self.lines.document()
        for number, marks in enumerate(lines):
            if number < len(self._lines) and self._lines[number] == marks:
                continue
            block = document.findBlockByNumber(number)
            if block.isValid():
                block.layout().setFormats([self._range(mark) for mark in marks])
        self._lines = lines
        self.lines.viewport().update()

    def _range(self, mark: Mark) -> QTextLayout.FormatRange:
        look = QTextCharFormat()
        look.setForeground(QColor(colour_of(mark.kind, self._theme.palette)))
        look.setFontItalic(mark.kind == "comment")
        made = QTextLayout.FormatRange()
        made.start, made.length, made.format = mark.start, mark.length, look  # type: ignore[attr-defined]
        return made

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text)
        self.copy.show_icon("check")
        self.copy.call(tr("Copied"))
        self._back.start()

    def _offer_copy(self) -> None:
        self.copy.show_icon("copy")
        self.copy.call(tr("Copy this code"))
