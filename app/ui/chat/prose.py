"""Blocks of running text in one document: what is settled stays laid out, only the tail is set anew."""

import math
from collections.abc import Sequence

from PySide6.QtCore import QMimeData, QRectF, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QDesktopServices,
    QPainter,
    QPaintEvent,
    QTextBlockFormat,
    QTextCursor,
    QTextOption,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QTextBrowser, QWidget

from app.ui.chat.blocks import Block
from app.ui.chat.formula_object import OBJECT, WRITTEN, FormulaObject, fragments, written_text
from app.ui.chat.formula_rules import is_display
from app.ui.chat.formulas import Formulas
from app.ui.chat.inline import safe_link
from app.ui.chat.typesetting import QUOTES, Typesetter, centred
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme

_INDENT = 22
_QUOTE_STEP, _QUOTE_BAR = 16, 3


class Prose(QTextBrowser):
    """Text that can be selected; as tall as it needs to be at the width that `fit` gives it. Loads nothing.

    With `formulas` it draws formulas; they are copied and read out as they were written.
    """

    reshaped = Signal()
    """A formula was drawn: the height may have changed."""

    def __init__(
        self, theme: Theme, name: str, parent: QWidget | None = None, formulas: Formulas | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._formulas = FormulaObject(formulas, self.document()) if formulas is not None else None
        self._has_formulas = False
        if formulas is not None:
            formulas.ready.connect(self._draw)
        self._blocks: list[Block] = []
        self._tail: list[Block] = []
        self._settled = 0
        self._settled_format = QTextBlockFormat()
        self._is_fresh = True
        self._fitted = (0, 0)
        self.setObjectName("prose")
        self.setAccessibleName(name)
        self._prepare()

    def _prepare(self) -> None:
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        # A document that follows the widget's width would be laid out at one that does not hold yet.
        self.setLineWrapMode(QTextBrowser.LineWrapMode.FixedPixelWidth)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.setFont(ui_font())
        self.document().setDocumentMargin(0)
        self.document().setIndentWidth(_INDENT)
        self.viewport().setAutoFillBackground(False)
        self.anchorClicked.connect(open_link)

    def show_plain(self, text: str) -> None:
        """Show a text as it is, without reading any marks in it."""
        self.clear()
        Typesetter(self._theme.palette).plain(QTextCursor(self.document()), text)

    def clear(self) -> None:  # noqa: D102
        self._blocks, self._tail = [], []
        self._settled, self._settled_format, self._is_fresh = 0, QTextBlockFormat(), True
        self._has_formulas = False
        self.setAccessibleDescription("")
        super().clear()
        # Qt leaves the format of the first block as it was.
        QTextCursor(self.document()).setBlockFormat(QTextBlockFormat())

    def add(self, settled: Sequence[Block], tail: Sequence[Block] = ()) -> None:
        """More settled blocks, and what follows them for now."""
        if not settled and list(tail) == self._tail:
            return
        self._drop_tail()
        setter = Typesetter(self._theme.palette, self._formulas)
        cursor = self._at_end()
        cursor.beginEditBlock()
        for block in settled:
            self._is_fresh = setter.write(cursor, block, self._is_fresh)
        if settled:
            self._blocks += settled
            self._settled = cursor.position()
            self._settled_format = cursor.blockFormat()
        is_fresh = self._is_fresh
        for block in tail:
            is_fresh = setter.write(cursor, block, is_fresh)
        cursor.endEditBlock()
        self._tail = list(tail)
        self._has_formulas |= setter.has_formulas
        if self._has_formulas:
            self.setAccessibleDescription(self.written_text())

    def written_text(self) -> str:
        """The text, formulas as they were written."""
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        return written_text(cursor)

    def createMimeDataFromSelection(self) -> QMimeData:  # noqa: D102
        if not self._has_formulas:
            return super().createMimeDataFromSelection()
        made = QMimeData()
        made.setText(written_text(self.textCursor()))
        return made

    def fit(self, width: int) -> None:
        """Be `width` wide and as tall as the text."""
        if (width, self.document().revision()) == self._fitted:
            return
        self.setLineWrapColumnOrWidth(width)
        self.setFixedSize(width, math.ceil(self.document().size().height()))
        self._fitted = (width, self.document().revision())

    def natural_width(self, most: int) -> int:
        """The width that a plain text would like to have, at most `most`."""
        widest = 0
        for line in self.toPlainText().split("\n"):
            widest = max(widest, self.fontMetrics().horizontalAdvance(line[:most]) + 2)
            if widest >= most:
                return most
        return widest

    def loadResource(self, kind: int, name: QUrl | str) -> object:  # noqa: D102
        return None

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        super().paintEvent(event)
        if any(block.frame.quotes for block in (*self._blocks, *self._tail)):
            self._paint_quotes()

    def _paint_quotes(self) -> None:
        painter = QPainter(self.viewport())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.palette.edge))
        layout, block = self.document().documentLayout(), self.document().begin()
        while block.isValid():
            depth = int(block.blockFormat().property(QUOTES) or 0)
            place = layout.blockBoundingRect(block)
            for level in range(depth):
                painter.drawRoundedRect(QRectF(level * _QUOTE_STEP, place.top(), _QUOTE_BAR, place.height()), 1.5, 1.5)
            block = block.next()

    def _draw(self, written: str) -> None:
        """Put the drawing of a formula where its text stands."""
        if self._formulas is None or not self._has_formulas:
            return
        waiting = [
            (each.position(), each.length(), each.charFormat())
            for each in fragments(self.document())
            if each.charFormat().property(WRITTEN) == written and each.charFormat().objectType() != OBJECT
        ]
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for position, length, look in reversed(waiting):
            cursor.setPosition(position)
            cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            for _ in range(length // len(written)):
                self._formulas.insert(cursor, written, look)
            if is_display(written):
                cursor.mergeBlockFormat(centred())
            if position < self._settled:
                self._settled -= length - length // len(written)
        cursor.endEditBlock()
        if waiting:
            self.reshaped.emit()

    def _at_end(self) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _drop_tail(self) -> None:
        if not self._tail:
            return
        cursor = self._at_end()
        cursor.setPosition(self._settled, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        # Where an empty block meets the one that goes, Qt keeps the other one's format.
        cursor.setBlockFormat(self._settled_format)


def open_link(address: QUrl) -> None:
    """Open a web address in the browser; nothing else."""
    if safe_link(address.toString()) is not None:
        QDesktopServices.openUrl(address)
