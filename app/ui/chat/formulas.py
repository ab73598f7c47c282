"""The formulas that were drawn, for all messages: once on the thread beside the main one, painted in any colour."""

from collections import OrderedDict
from functools import partial

from PySide6.QtCore import QByteArray, QObject, QRectF, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtSvg import QSvgRenderer

from app.ui.chat.background import Background
from app.ui.chat.formula import INK, Drawing, drawn
from app.ui.chat.formula_rules import is_display, tex_of

KEPT = 1000


class Formulas(QObject):
    """`get` a formula as it was written; `ready` tells when one that was not there yet is drawn."""

    ready = Signal(str)
    """A formula as it was written."""

    def __init__(self, background: Background) -> None:
        super().__init__()
        self._background = background
        self._drawings: OrderedDict[str, Drawing | None] = OrderedDict()
        self._asked: set[str] = set()
        self._renderers: OrderedDict[tuple[str, str], QSvgRenderer] = OrderedDict()

    @property
    def is_drawing(self) -> bool:
        """Whether any formula that was asked for is not there yet."""
        return bool(self._asked)

    def get(self, written: str) -> Drawing | None:
        """The drawing, None when there is none (yet): then the text is to be shown."""
        if written in self._drawings:
            self._drawings.move_to_end(written)
            return self._drawings[written]
        if written not in self._asked:
            self._asked.add(written)
            work = partial(drawn, tex_of(written), is_display(written))
            self._background.do(work, lambda drawing: self._know(written, drawing))
        return None

    def paint(self, painter: QPainter, place: QRectF, written: str, drawing: Drawing, colour: QColor) -> None:
        """Paint a drawing that `get` has returned for a formula."""
        key = (written, colour.name())
        if key not in self._renderers:
            svg = drawing.svg.replace(INK, colour.name())
            self._renderers[key] = QSvgRenderer(QByteArray(svg.encode("utf-8")), self)
            _forget_oldest(self._renderers)
        self._renderers[key].render(painter, place)

    def _know(self, written: str, drawing: Drawing | None) -> None:
        self._asked.discard(written)
        self._drawings[written] = drawing
        _forget_oldest(self._drawings)
        if drawing is not None:
            self.ready.emit(written)


def _forget_oldest(kept: "OrderedDict[str, Drawing | None] | OrderedDict[tuple[str, str], QSvgRenderer]") -> None:
    if len(kept) > KEPT:
        _, gone = kept.popitem(last=False)
        if isinstance(gone, QSvgRenderer):
            gone.deleteLater()
