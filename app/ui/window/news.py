"""What would be a notification of the tray, told in the window where there is no tray."""

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.ui.notices import Notice
from app.ui.parts.banner import Banner
from app.ui.parts.heights import height_of
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import EDGE, GROUP

SHOWN_MS = 12_000
_WIDTH = 400


class News(QFrame):
    """Lies over the lower right corner of `over`; shows one notice for a while, or until it is closed."""

    def __init__(self, theme: Theme, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self.setProperty("surface", "card")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.banner = Banner(theme, Tone.NEUTRAL, "", on_close=self.hide)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.banner)
        self._fades = QTimer(self, singleShot=True, interval=SHOWN_MS)
        self._fades.timeout.connect(self.hide)
        over.installEventFilter(self)
        self.hide()

    def tell(self, notice: Notice) -> None:
        """Show this instead of what was there."""
        self.banner.tell(Tone.TIGHT if notice.is_problem else Tone.NEUTRAL, notice.title, notice.body)
        self._place()
        self.show()
        self.raise_()
        self._fades.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102
        if event.type() is QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        width = min(_WIDTH, self._over.width() - 2 * GROUP)
        height = height_of(self.banner, width)
        self.setGeometry(self._over.width() - width - EDGE, self._over.height() - height - GROUP, width, height)
