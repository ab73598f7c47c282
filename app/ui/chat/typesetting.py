"""Blocks as formatted text of a QTextDocument. Nothing is read as HTML, so nothing in a message can be markup."""

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetrics,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
    QTextFrameFormat,
    QTextLength,
    QTextListFormat,
    QTextTableFormat,
)

from app.ui.chat.blocks import Block, Code, Formula, Frame, Heading, Item, Paragraph, Rule, Span, Spans, Style, Table
from app.ui.chat.formula_object import FormulaObject
from app.ui.style.fonts import mono_font, ui_font
from app.ui.style.palette import Palette
from app.ui.style.tokens import BODY, GAP, HEADING, TITLE, UNIT

QUOTES = int(QTextFormat.Property.UserProperty) + 1
"""Block property: inside how many quotes a block stands."""

_LINE_HEIGHT = 150
_QUOTE_STEP = 16
_SIZES = {1: TITLE, 2: HEADING + 2, 3: HEADING}
_BULLETS = {
    "•": QTextListFormat.Style.ListDisc,
    # Qt's circle touches the text.
    "◦": QTextListFormat.Style.ListSquare,
    "▪": QTextListFormat.Style.ListSquare,
}
_ALIGNED = {"center": Qt.AlignmentFlag.AlignHCenter, "right": Qt.AlignmentFlag.AlignRight}


class Typesetter:
    """Writes blocks at a cursor in one palette. `has_formulas` tells whether any of them had one."""

    def __init__(self, palette: Palette, formulas: FormulaObject | None = None) -> None:
        self._palette, self._formulas = palette, formulas
        self.has_formulas = False
        self._plain = QTextCharFormat()
        self._plain.setFont(ui_font(), QTextCharFormat.FontPropertiesInheritanceBehavior.FontPropertiesAll)
        self._plain.setForeground(QColor(palette.ink))

    def plain(self, cursor: QTextCursor, text: str) -> None:
        """Write a text as it is, line by line."""
        cursor.setBlockFormat(self._spaced(Frame(), 0, 0))
        cursor.insertText(text, self._plain)

    def write(self, cursor: QTextCursor, block: Block, is_fresh: bool) -> bool:
        """Write a block at the end. `is_fresh` says that the cursor stands in an empty block that waits to be used.

        Returns whether it does so afterwards: a table is followed by such a block.
        """
        is_first = cursor.block().blockNumber() == 0 and is_fresh
        if isinstance(block, Table):
            self._table(cursor, block, is_fresh)
            return True
        above, below = self._margins(block, is_first or is_fresh)
        if cursor.block().textList() is not None and not block.frame.depth:
            above = max(above, GAP - 2)
        self._begin(cursor, self._spacing(block, above, below), is_fresh)
        self._content(cursor, block)
        return False

    def _content(self, cursor: QTextCursor, block: Block) -> None:
        match block:
            case Paragraph(spans=spans):
                self._spans(cursor, spans, self._ink(block.frame))
            case Heading(level=level, spans=spans):
                self._spans(cursor, spans, self._heading(level))
            case Item():
                self._item(cursor, block)
            case Rule():
                self._rule(cursor)
            case Formula(text=text):
                if self._formula(cursor, text, self._ink(block.frame)):
                    cursor.mergeBlockFormat(centred())
            case Code():
                cursor.insertText(block.text.replace("\n", "\u2028"), self._mono(self._plain))

    def _spacing(self, block: Block, above: int, below: int) -> QTextBlockFormat:
        made = self._spaced(block.frame, above, below)
        if isinstance(block, Formula):
            made.setLineHeight(100, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        elif any(Style.FORMULA in span.style for span in getattr(block, "spans", ())):
            # The same distance between lines of text, but a tall formula does not enlarge it further.
            distance = QFontMetrics(self._plain.font()).height() * (_LINE_HEIGHT - 100) / 100
            made.setLineHeight(distance, QTextBlockFormat.LineHeightTypes.LineDistanceHeight.value)
        return made

    def _begin(self, cursor: QTextCursor, spacing: QTextBlockFormat, is_fresh: bool) -> None:
        if is_fresh:
            cursor.setBlockFormat(spacing)
            cursor.setBlockCharFormat(self._plain)
        else:
            cursor.insertBlock(spacing, self._plain)

    def _margins(self, block: Block, is_first: bool) -> tuple[int, int]:
        match block:
            case Heading():
                return (0 if is_first else GAP, GAP - 2)
            case Item():
                return (0, UNIT)
            case Rule():
                return (UNIT, GAP + UNIT)
            case Formula():
                return (UNIT, GAP + UNIT)
        return (0, GAP + 2 if not block.frame.depth else UNIT)

    def _spaced(self, frame: Frame, above: int, below: int) -> QTextBlockFormat:
        made = QTextBlockFormat()
        made.setLineHeight(_LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        made.setTopMargin(above)
        made.setBottomMargin(below)
        made.setLeftMargin(frame.quotes * _QUOTE_STEP)
        made.setIndent(frame.depth)
        if frame.quotes:
            made.setProperty(QUOTES, frame.quotes)
        return made

    def _ink(self, frame: Frame) -> QTextCharFormat:
        made = QTextCharFormat(self._plain)
        if frame.quotes:
            made.setForeground(QColor(self._palette.quiet))
        return made

    def _heading(self, level: int) -> QTextCharFormat:
        made = QTextCharFormat(self._plain)
        made.setFont(ui_font(_SIZES.get(level, BODY), is_strong=True))
        return made

    def _spans(self, cursor: QTextCursor, spans: Spans, base: QTextCharFormat) -> None:
        for span in spans:
            if Style.FORMULA in span.style:
                self._formula(cursor, span.text, base)
            else:
                cursor.insertText(span.text, self._styled(span, base))

    def _formula(self, cursor: QTextCursor, written: str, base: QTextCharFormat) -> bool:
        """Write a formula; whether it is drawn."""
        if self._formulas is None:
            cursor.insertText(written.replace("\n", "\u2028"), base)
            return False
        self.has_formulas = True
        return self._formulas.insert(cursor, written, base)

    def _styled(self, span: Span, base: QTextCharFormat) -> QTextCharFormat:
        if span.style is Style.PLAIN and span.link is None:
            return base
        made = QTextCharFormat(base)
        if Style.CODE in span.style:
            made = self._mono(base)
        if Style.BOLD in span.style:
            made.setFontWeight(QFont.Weight.Bold)
        made.setFontItalic(Style.ITALIC in span.style)
        made.setFontStrikeOut(Style.STRIKE in span.style)
        if span.link is not None:
            made.setAnchor(True)
            made.setAnchorHref(span.link)
            made.setToolTip(span.link)
            made.setForeground(QColor(self._palette.accent_ink))
            made.setFontUnderline(True)
        return made

    def _mono(self, base: QTextCharFormat) -> QTextCharFormat:
        made = QTextCharFormat(base)
        made.setFont(mono_font(BODY - 1))
        made.setBackground(QColor(self._palette.sunken))
        made.setForeground(base.foreground())
        return made

    def _item(self, cursor: QTextCursor, item: Item) -> None:
        look = QTextListFormat()
        look.setIndent(item.frame.depth)
        if item.marker in _BULLETS:
            look.setStyle(_BULLETS[item.marker])
        else:
            look.setStyle(QTextListFormat.Style.ListDecimal)
            look.setStart(int(item.marker[:-1]))
            look.setNumberSuffix(item.marker[-1])
        spacing = cursor.blockFormat()
        spacing.setIndent(0)
        cursor.setBlockFormat(spacing)
        cursor.createList(look)
        self._spans(cursor, item.spans, self._ink(item.frame))

    def _rule(self, cursor: QTextCursor) -> None:
        spacing = cursor.blockFormat()
        full = QTextLength(QTextLength.Type.PercentageLength, 100)
        spacing.setProperty(QTextFormat.Property.BlockTrailingHorizontalRulerWidth, full)
        spacing.setBackground(QBrush(Qt.BrushStyle.NoBrush))
        cursor.setBlockFormat(spacing)

    def _table(self, cursor: QTextCursor, table: Table, is_fresh: bool) -> None:
        columns = max(map(len, table.rows), default=0)
        if not columns:
            return
        self._begin(cursor, _thin(0), is_fresh)
        made = cursor.insertTable(len(table.rows), columns, self._table_look())
        for row, cells in enumerate(table.rows):
            for column, spans in enumerate(cells):
                self._cell(made.cellAt(row, column).firstCursorPosition(), spans, table.alignment, row, column)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.setBlockFormat(_thin(UNIT))
        cursor.setBlockCharFormat(_tiny())

    def _cell(self, cursor: QTextCursor, spans: Spans, alignment: tuple[str, ...], row: int, column: int) -> None:
        spacing = QTextBlockFormat()
        spacing.setAlignment(_ALIGNED.get(alignment[column], Qt.AlignmentFlag.AlignLeft))
        cursor.setBlockFormat(spacing)
        base = QTextCharFormat(self._plain)
        if row == 0:
            base.setFontWeight(QFont.Weight.DemiBold)
        self._spans(cursor, spans, base)

    def _table_look(self) -> QTextTableFormat:
        look = QTextTableFormat()
        look.setBorder(1)
        look.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        look.setBorderBrush(QColor(self._palette.line))
        look.setBorderCollapse(True)
        look.setCellPadding(6)
        look.setCellSpacing(0)
        look.setHeaderRowCount(1)
        look.setTopMargin(0)
        look.setBottomMargin(GAP)
        return look


def centred() -> QTextBlockFormat:
    """A block format that changes the alignment only."""
    made = QTextBlockFormat()
    made.setAlignment(Qt.AlignmentFlag.AlignHCenter)
    return made


def _thin(below: int) -> QTextBlockFormat:
    made = QTextBlockFormat()
    made.setLineHeight(1, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
    made.setBottomMargin(below)
    return made


def _tiny() -> QTextCharFormat:
    made = QTextCharFormat()
    made.setFont(ui_font(1))
    return made
