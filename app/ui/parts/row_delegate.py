"""What delegates of all lists have in common: fonts, the height of a row, and the ground that a row stands on."""

from typing import Generic, TypeVar

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from app.ui.parts.row_list import ROW_ROLE
from app.ui.parts.row_paint import paint_ground
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, SMALL

LINE = 20
"""Height of one of the two lines of a row."""

PADDING = 12
_EDGE = 7
_LEAST_WIDTH = 240

RowT = TypeVar("RowT")


class ListDelegate(QStyledItemDelegate, Generic[RowT]):
    """Paints the rows of `ROW_ROLE` that are a `kind`, each `height` pixels high, with the theme's palette."""

    def __init__(self, theme: Theme, kind: type[RowT], height: int) -> None:
        super().__init__()
        self.theme = theme
        self.strong, self.small = ui_font(BODY, is_strong=True), ui_font(SMALL)
        self._kind = kind
        self._height = height

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: D102
        return QSize(_LEAST_WIDTH, self._height)

    def paint(  # noqa: D102
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        row = index.data(ROW_ROLE)
        if not isinstance(row, self._kind):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # Qt's type stubs lack the option's public members.
        area = QRectF(option.rect).adjusted(0, 1, 0, -1)  # type: ignore[attr-defined]
        paint_ground(painter, area, option.state, self.theme.palette)  # type: ignore[attr-defined]
        self.draw(painter, area, row)
        painter.restore()

    def draw(self, painter: QPainter, area: QRectF, row: RowT) -> None:
        """Draw what stands on the ground of a row."""
        raise TypeError(f"{type(self).__name__} draws nothing")


def two_lines(area: QRectF) -> tuple[QRectF, QRectF]:
    """The two lines of a row that has two."""
    inner = area.adjusted(PADDING, _EDGE, -PADDING, -_EDGE)
    first = QRectF(inner.left(), inner.top(), inner.width(), LINE)
    return first, QRectF(inner.left(), inner.bottom() - LINE + 2, inner.width(), LINE)
