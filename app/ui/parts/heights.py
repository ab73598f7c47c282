"""How tall a widget has to be."""

from PySide6.QtWidgets import QWidget


def height_of(widget: QWidget, width: int) -> int:
    """The height that a widget needs; one that was never shown does not know it by itself."""
    widget.ensurePolished()
    if (layout := widget.layout()) is not None:
        for child in widget.findChildren(QWidget):
            child.ensurePolished()
        layout.invalidate()
        return layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else layout.totalSizeHint().height()
    return widget.heightForWidth(width) if widget.hasHeightForWidth() else widget.sizeHint().height()
