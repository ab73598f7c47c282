"""Pictures of every window from made-up clusters, light and dark, at 100 % and 200 %.

`python -m app.ui.screenshots FOLDER [PART]`; `PART` takes only those whose name holds it, `--small` makes small files.
A new window adds a `Shot`. The README's pictures are in `resources/screenshots`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QEventLoop, QSize, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget

from app.schema.cluster import JoinState, JoinStatus
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.system.paths import Paths
from app.system.spawn import run_short
from app.ui.chat import sample as chats
from app.ui.chat.page import ChatPage
from app.ui.desk import Desk, Wish
from app.ui.desktop import make_application
from app.ui.discover import sample as discover
from app.ui.errand import Errand
from app.ui.face import Link
from app.ui.joining.invite import InviteDialog
from app.ui.joining.join import JoinDialog
from app.ui.leaving import LeavingDialog
from app.ui.mailbox import Mailbox
from app.ui.models import sample as models
from app.ui.settings import sample as settings
from app.ui.showcase import NOW, alone, crowd, home, invitation
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import SIZE, MainWindow

SCALES = (1, 2)
_SCALE = "QT_SCALE_FACTOR"
_SETTLE_MS = 250
_DEADLINE = 900.0


class Silent:
    """Errands that nobody answers."""

    def __init__(self) -> None:
        self._mailbox = Mailbox()

    def ask(self, work: Callable[..., Awaitable[Any]], on_done: Any = None, on_error: Any = None) -> Errand:
        """Never answered."""
        return Errand(self._mailbox, on_error or (lambda error: None))

    def stream(
        self, work: Callable[..., AsyncGenerator[Any, None]], on_item: Any, on_end: Any = None, on_error: Any = None
    ) -> Errand:
        """Never answered."""
        return Errand(self._mailbox, on_error or (lambda error: None))


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the status it shows, and what makes the widget."""

    name: str
    status: Status | None
    make: Callable[[Desk, Theme], QWidget]


def page(wish: Wish, about: str = "", size: QSize = SIZE) -> Callable[[Desk, Theme], QWidget]:
    """The main window with one page open."""

    def make(desk: Desk, theme: Theme) -> QWidget:
        window = MainWindow(desk, theme, Memory(desk.paths))
        window.resize(size)
        window.open_page(wish, about)
        return window

    return make


def shots() -> tuple[Shot, ...]:
    """Every picture there is."""
    refused = ErrorInfo(
        code="pairing_failed", sentence="That code does not match.", hint="WORKSHOP allows 2 more tries."
    )
    inviting = home().model_copy(update={"invitation": invitation()})
    return (
        Shot("cluster-none", None, page(Wish.CLUSTER)),
        Shot("cluster-alone", alone(), page(Wish.CLUSTER)),
        Shot("cluster-home", home(), page(Wish.CLUSTER)),
        Shot("cluster-calm", home().model_copy(update={"warnings": ()}), page(Wish.CLUSTER)),
        Shot("cluster-crowd", crowd(), page(Wish.CLUSTER)),
        Shot("cluster-crowd-tall", crowd(), page(Wish.CLUSTER, size=QSize(1040, 1900))),
        *(Shot(f"chat-{each.name}", each.status, _chat(each)) for each in chats.samples()),
        *(Shot(name, None, make) for name, make in (*models.pictures(), *discover.pictures(), *settings.pictures())),
        Shot("invite", inviting, lambda desk, theme: InviteDialog(desk, theme, clock=lambda: NOW)),
        Shot("leaving", home(), lambda desk, theme: LeavingDialog(lambda keeps, remembers: None)),
        Shot("join", home(), _join("481")),
        Shot("join-working", home(), _join("481903", JoinStatus(state=JoinState.CHECKING_CODE))),
        Shot("join-failed", home(), _join("481903", JoinStatus(state=JoinState.FAILED, error=refused))),
    )


def take(shot: Shot, folder: Path, is_dark: bool, paths: Paths, app: QApplication, is_small: bool = False) -> Path:
    """Make one picture; returns its file. An `is_small` one has 256 colours."""
    theme = Theme(is_dark=is_dark, has_motion=False)
    theme.apply(app)
    desk = Desk(Silent(), paths)
    desk.take_link(Link.FOUND if shot.status else Link.STARTING)
    if shot.status is not None:
        desk.take_status(shot.status)
    widget = shot.make(desk, theme)
    widget.show()
    _settle()
    scale = f"{round(widget.devicePixelRatioF() * 100)}"
    file = folder / f"{shot.name}-{'dark' if is_dark else 'light'}-{scale}.png"
    picture = widget.grab().toImage()
    (economical(picture) if is_small else picture).save(str(file), None, 0)
    if isinstance(widget, MainWindow):
        widget.about_to_quit()
    widget.hide()
    widget.deleteLater()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    return file


def economical(picture: QImage) -> QImage:
    """The picture in its 256 most frequent colours: plenty for a window, and a small file."""
    plain = picture.convertToFormat(QImage.Format.Format_RGB32)
    counted = Counter(memoryview(plain.constBits()).cast("I"))
    return plain.convertToFormat(QImage.Format.Format_Indexed8, [colour for colour, _ in counted.most_common(256)])


def main() -> None:
    """Take all pictures, or those whose name holds a word, at the scale that is set, else at each."""
    parser = argparse.ArgumentParser(description="Take screenshots of every window.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", nargs="?", default="")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if sys.platform != "win32":
        # On Windows, Qt finds no fonts without a screen.
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if _SCALE not in os.environ:
        for scale in SCALES:
            asyncio.run(_at_scale(scale))
        return
    app = make_application()
    options.folder.mkdir(parents=True, exist_ok=True)
    for shot in shots():
        for is_dark in (False, True):
            if options.part in shot.name:
                # What one picture leaves in its data folder is not in the next.
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    take(shot, options.folder, is_dark, Paths.under(Path(folder)), app, options.small)


async def _at_scale(scale: int) -> None:
    """Qt knows one scale per process."""
    command = [sys.executable, "-m", "app.ui.screenshots", *sys.argv[1:]]
    ended = await run_short(command, deadline=_DEADLINE, env={_SCALE: str(scale)})
    sys.stderr.write(ended.stderr)


def _settle() -> None:
    loop = QEventLoop()
    QTimer.singleShot(_SETTLE_MS, loop.quit)
    loop.exec()


def _chat(sample: chats.Sample) -> Callable[[Desk, Theme], QWidget]:
    def make(desk: Desk, theme: Theme) -> QWidget:
        window = page(Wish.CHAT)(desk, theme)
        window.show()
        _settle()
        if isinstance(window, MainWindow) and isinstance(window.page, ChatPage):
            sample.fill(window.page)
        return window

    return make


def _join(code: str, told: JoinStatus | None = None) -> Callable[[Desk, Theme], QWidget]:
    """The join dialog with these digits typed; `told` is what the node says after Join was pressed."""

    def make(desk: Desk, theme: Theme) -> QWidget:
        dialog = JoinDialog(desk, theme)
        dialog.code.setText(code)
        if told is not None and desk.status is not None:
            dialog.join.click()
            desk.status = desk.status.model_copy(update={"join": told})
            desk.status_changed.emit(desk.status)
        return dialog

    return make


if __name__ == "__main__":
    main()
