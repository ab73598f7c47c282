"""Pictures of every window from sample statuses, in light and dark: `python -m app.ui.screenshots FOLDER [PART]`.

`PART` takes only the shots whose name holds it. The scale is Qt's: `QT_SCALE_FACTOR=2` for 200 %.
A new window adds a `Shot` to `shots`.
"""

import argparse
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QSize
from PySide6.QtWidgets import QApplication, QWidget

from app.schema.cluster import JoinState, JoinStatus
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.system.paths import Paths
from app.ui.desk import Desk, Wish
from app.ui.desktop import make_application
from app.ui.errand import Errand, Mailbox
from app.ui.face import Link
from app.ui.joining.invite import InviteDialog
from app.ui.joining.join import JoinDialog
from app.ui.leaving import LeavingDialog
from app.ui.showcase import NOW, alone, crowd, home, invitation
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import SIZE, MainWindow


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
        Shot("cluster-crowd", crowd(), page(Wish.CLUSTER)),
        Shot("cluster-crowd-tall", crowd(), page(Wish.CLUSTER, size=QSize(1040, 1900))),
        Shot("settings", home(), page(Wish.SETTINGS)),
        Shot("chat", home(), page(Wish.CHAT)),
        Shot("models", home(), page(Wish.MODELS)),
        Shot("invite", inviting, lambda desk, theme: InviteDialog(desk, theme, clock=lambda: NOW)),
        Shot("leaving", home(), lambda desk, theme: LeavingDialog(lambda keeps, remembers: None)),
        Shot("join", home(), _join("481")),
        Shot("join-working", home(), _join("481903", JoinStatus(state=JoinState.CHECKING_CODE))),
        Shot("join-failed", home(), _join("481903", JoinStatus(state=JoinState.FAILED, error=refused))),
    )


def take(shot: Shot, folder: Path, is_dark: bool, paths: Paths, app: QApplication) -> Path:
    """Make one picture; returns its file."""
    theme = Theme(is_dark=is_dark, has_motion=False)
    theme.apply(app)
    desk = Desk(Silent(), paths)
    desk.take_link(Link.FOUND if shot.status else Link.STARTING)
    if shot.status is not None:
        desk.take_status(shot.status)
    widget = shot.make(desk, theme)
    widget.show()
    for _ in range(3):
        app.processEvents()
    scale = f"{round(widget.devicePixelRatioF() * 100)}"
    file = folder / f"{shot.name}-{'dark' if is_dark else 'light'}-{scale}.png"
    widget.grab().save(str(file))
    widget.hide()
    widget.deleteLater()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    return file


def main() -> None:
    """Take all pictures, or those whose name holds a word."""
    parser = argparse.ArgumentParser(description="Take screenshots of every window.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", nargs="?", default="")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = make_application()
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = Paths.under(options.folder / "data")
    for shot in shots():
        for is_dark in (False, True):
            if options.part in shot.name:
                take(shot, options.folder, is_dark, paths, app)


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
