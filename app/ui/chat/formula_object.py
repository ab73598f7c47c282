"""Formulas in a QTextDocument: one sign each, as large as its drawing and painted as one.

Qt puts the middle of such an object a quarter of the letter x above the base line (QTextDocumentLayout,
`resizeInlineObject`, AlignMiddle), so the object is as tall as the longer half of the drawing needs, twice.
"""

from collections.abc import Iterator

from PySide6.QtCore import QRect, QRectF, QSizeF
from PySide6.QtGui import (
    QFontMetrics,
    QPainter,
    QPyTextObject,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFragment,
)

from app.ui.chat.formula import Drawing
from app.ui.chat.formulas import Formulas

OBJECT = int(QTextFormat.ObjectTypes.UserObject) + 1
WRITTEN = int(QTextFormat.Property.UserProperty) + 2
"""Text property: a formula as it was written."""

SIGN = "\ufffc"


class FormulaObject(QPyTextObject):
    """Measures and paints the formulas of one document."""

    def __init__(self, formulas: Formulas, document: QTextDocument) -> None:
        super().__init__(document)
        self.formulas = formulas
        self._drawings: dict[str, Drawing] = {}
        document.documentLayout().registerHandler(OBJECT, self)

    def insert(self, cursor: QTextCursor, written: str, look: QTextCharFormat) -> bool:
        """Insert a formula; where it is not drawn (yet), its text. Returns whether it is drawn."""
        look = QTextCharFormat(look)
        look.setProperty(WRITTEN, written)
        drawing = self.formulas.get(written)
        if drawing is None:
            # A line break would begin a block.
            cursor.insertText(written.replace("\n", "\u2028"), look)
            return False
        self._drawings[written] = drawing
        look.setObjectType(OBJECT)
        look.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
        cursor.insertText(SIGN, look)
        return True

    def intrinsicSize(self, doc: QTextDocument, posInDocument: int, format: QTextFormat) -> QSizeF:  # noqa: D102
        drawing = self._drawings[str(format.property(WRITTEN))]
        scale = _scale(drawing, doc, posInDocument)
        half = _half(format)
        height = max(2 * drawing.ascent * scale - half, 2 * drawing.descent * scale + half)
        return QSizeF(drawing.width * scale, height)

    def drawObject(  # noqa: D102
        self,
        painter: QPainter,
        rect: QRectF | QRect,
        doc: QTextDocument,
        posInDocument: int,
        format: QTextFormat,
    ) -> None:
        rect = QRectF(rect)
        written = str(format.property(WRITTEN))
        drawing = self._drawings[written]
        scale = rect.width() / drawing.width
        base = rect.top() + (rect.height() + _half(format)) / 2
        height = (drawing.ascent + drawing.descent) * scale
        place = QRectF(rect.left(), base - drawing.ascent * scale, rect.width(), height)
        self.formulas.paint(painter, place, written, drawing, format.foreground().color())


def _half(look: QTextFormat) -> float:
    return QFontMetrics(look.toCharFormat().font()).xHeight() / 2


def _scale(drawing: Drawing, document: QTextDocument, position: int) -> float:
    """1, or less where the column is too narrow for a formula."""
    block = document.findBlock(position)
    room = document.textWidth() - block.blockFormat().leftMargin()
    depth = block.blockFormat().indent() + (block.textList().format().indent() if block.textList() is not None else 0)
    room -= depth * document.indentWidth()
    return min(1.0, room / drawing.width) if room > 0 else 1.0


def fragments(document: QTextDocument) -> Iterator[QTextFragment]:
    """Every piece of a document in one format."""
    block = document.begin()
    while block.isValid():
        each = block.begin()
        while not each.atEnd():
            yield each.fragment()
            each += 1
        block = block.next()


def written_text(cursor: QTextCursor) -> str:
    """The text of a selection, each formula as it was written."""
    text = cursor.selection().toPlainText()
    if SIGN not in text:
        return text
    start, end = cursor.selectionStart(), cursor.selectionEnd()
    written = [
        str(each.charFormat().property(WRITTEN))
        for each in fragments(cursor.document())
        for place in range(each.position(), each.position() + each.length())
        if each.charFormat().objectType() == OBJECT and start <= place < end
    ]
    pieces = text.split(SIGN)
    return "".join(piece + formula for piece, formula in zip(pieces, [*written, ""], strict=False))
