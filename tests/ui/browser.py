"""A browser that only keeps what it is to open."""

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices

SCHEMES = ("http", "file")


class Browser(QObject):
    """Stands in for whatever opens web pages and folders on this PC."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toString())


@contextmanager
def browsing() -> Iterator[list[str]]:
    """The addresses that are opened as long as this is entered."""
    browser = Browser()
    for scheme in SCHEMES:
        QDesktopServices.setUrlHandler(scheme, browser, "open")
    try:
        yield browser.opened
    finally:
        for scheme in SCHEMES:
            QDesktopServices.unsetUrlHandler(scheme)
