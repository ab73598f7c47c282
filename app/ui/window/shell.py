"""The main window: rail, pages, status strip, shortcuts; it remembers its place and its page."""

import base64

from PySide6.QtCore import QByteArray, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.ui.desk import Desk, Wish
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.window.app_icon import app_icon
from app.ui.window.memory import Memory
from app.ui.window.news import News
from app.ui.window.page import Page
from app.ui.window.pages import ENTRIES, make_page
from app.ui.window.rail import Rail
from app.ui.window.strip import Strip
from app.ui.wish import NEW_CHAT
from app.ui.words import tr

SIZE = QSize(1040, 700)
LEAST = QSize(800, 480)

_FRAME = QSize(16, 40)
"""Room for the title bar and borders."""


class MainWindow(QMainWindow):
    """Closing hides it, which `closed` tells: the tray goes on. One that `is_home`, and one that does not close to the
    tray, stays until Caravan ends.
    """

    closed = Signal()

    def __init__(self, desk: Desk, theme: Theme, memory: Memory, is_home: bool = False) -> None:
        super().__init__()
        self._desk, self._theme, self._memory = desk, theme, memory
        self._is_home = is_home
        self._pages: dict[Wish, Page] = {}
        self.rail = Rail(theme, self.open_page)
        self.stack = QStackedWidget()
        self.news = News(theme, self.stack)
        self._lay_out(Strip(desk, theme))
        self._add_shortcuts()
        self.setWindowIcon(app_icon())
        self.setWindowTitle(said(tr("Caravan")))
        self.setMinimumSize(LEAST)
        self.resize(first_size(self.screen().availableSize()))
        if memory.now.place_bytes:
            self.restoreGeometry(QByteArray(memory.now.place_bytes))

    @property
    def page(self) -> Page | None:
        """The page that is open."""
        shown = self.stack.currentWidget()
        return shown if isinstance(shown, Page) else None

    def show_window(self) -> None:
        """Show the window, in front, where it was."""
        if self.page is None:
            self.open_page(_known(self._memory.now.page))
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def open_page(self, wish: Wish, about: str = "") -> None:
        """Turn to a page, and tell it what the person wants there."""
        page = self._pages.get(wish) or self._make(wish)
        self.stack.setCurrentWidget(page)
        self.rail.mark(wish)
        self._memory.change(page=wish.value, saw_first_steps=True)
        if not page.isAncestorOf(self.focusWidget() or self.rail):
            self._focus(page)
        if about:
            page.wish(about)

    def open_first_steps(self) -> None:
        """Turn to what a person sees before anything else; opening any page ends it for ever."""
        from app.ui.settings.first_run import FirstRunPage

        page = self._stacked(FirstRunPage(self._desk, self._theme, self.stack))
        self.stack.setCurrentWidget(page)
        self._focus(page)

    def about_to_quit(self) -> None:
        """Let every page write down what it has not, and remember the place."""
        self._remember_place()
        for page in self._pages.values():
            page.about_to_quit()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102
        self._remember_place()
        event.ignore()
        if not self._is_home and self._memory.now.closes_to_tray:
            self.hide()
        self.closed.emit()

    def _focus(self, page: Page) -> None:
        page.setFocus(Qt.FocusReason.OtherFocusReason)
        proxy = page.focusProxy()
        if proxy is not None and not proxy.isVisibleTo(page):
            # Else the first button of the rail would have it, and look as if it were chosen.
            self.stack.setFocus(Qt.FocusReason.OtherFocusReason)

    def _make(self, wish: Wish) -> Page:
        entry = next(each for each in ENTRIES if each.wish is wish)
        self._pages[wish] = self._stacked(make_page(entry, self._desk, self._theme, self.stack))
        return self._pages[wish]

    def _stacked(self, page: Page) -> Page:
        page.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        page.setObjectName("page")
        self.stack.addWidget(page)
        return page

    def _lay_out(self, strip: Strip) -> None:
        ground = QWidget()
        rows = QVBoxLayout(ground)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(self.stack, 1)
        rows.addLayout(row, 1)
        rows.addWidget(strip)
        self.setCentralWidget(ground)

    def _add_shortcuts(self) -> None:
        for number, entry in enumerate(ENTRIES, 1):
            self._on_keys(f"Ctrl+{number}", entry.wish)
        self._on_keys("Ctrl+,", Wish.SETTINGS)
        self._on_keys("Ctrl+J", Wish.JOIN)
        self._on_keys("Ctrl+I", Wish.INVITE)
        self._on_keys("Ctrl+Q", Wish.QUIT)
        self._on_keys(QKeySequence(QKeySequence.StandardKey.New).toString() or "Ctrl+N", Wish.CHAT, NEW_CHAT)
        hide = QShortcut(QKeySequence("Ctrl+W"), self)
        hide.activated.connect(self.close)

    def _on_keys(self, keys: str, wish: Wish, about: str = "") -> None:
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.activated.connect(lambda: self._desk.go(wish, about))

    def _remember_place(self) -> None:
        self._memory.change(place=base64.b64encode(self.saveGeometry().data()).decode("ascii"))


def first_size(available: QSize) -> QSize:
    """The size of a window that was never moved, not more than fits: 1920 x 1080 at 150 % has no 700 for it."""
    return SIZE.boundedTo(available - _FRAME).expandedTo(LEAST)


def _known(page: str) -> Wish:
    return next((entry.wish for entry in ENTRIES if entry.wish.value == page), Wish.CLUSTER)
