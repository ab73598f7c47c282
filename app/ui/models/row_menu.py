"""What can be done with a model's files: show them, copy their path, remove them where Caravan put them there."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from PySide6.QtCore import QPoint, QUrl
from PySide6.QtGui import QAction, QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.record import ModelId
from app.ui.desk import Desk
from app.ui.models.rows import Row
from app.ui.parts.buttons import Role
from app.ui.parts.dialog import confirm
from app.ui.said import said
from app.ui.words import Phrase, tr


class RowMenu(QMenu):
    """The menu of one row; it goes when it closes. `on_error` hears why files were not removed."""

    def __init__(self, desk: Desk, row: Row, parent: QWidget, on_error: Callable[[ErrorInfo], None]) -> None:
        super().__init__(parent)
        self._desk, self._row, self._over, self._on_error = desk, row, parent, on_error
        self.show_file = self._entry(tr("Show in folder"), self._show, row.is_here)
        self.copy_path = self._entry(tr("Copy its path"), self._copy, row.is_here)
        self.addSeparator()
        self.remove = self._entry(tr("Remove from this PC..."), self._ask_remove, is_own(row, desk.paths.models))
        self.setToolTipsVisible(True)
        if not row.is_here:
            self.show_file.setToolTip(said(tr("It is on another PC.")))
        elif not self.remove.isEnabled():
            self.remove.setToolTip(said(tr("Caravan removes only what lies in its own models folder.")))

    def open_at(self, place: QPoint) -> None:
        """Open it, and let it go when it closes."""
        self.aboutToHide.connect(self.deleteLater)
        self.popup(place)

    def _entry(self, words: Phrase, act: Callable[[], None], is_enabled: bool) -> QAction:
        action = QAction(said(words), self)
        action.setEnabled(is_enabled)
        action.triggered.connect(lambda: act())
        self.addAction(action)
        return action

    def _show(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self._row.model.path).parent)))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._row.model.path)

    def _ask_remove(self) -> None:
        row, desk, on_error = self._row, self._desk, self._on_error

        def remove() -> None:
            desk.ask(_remove(row.model_id), on_error=on_error)

        text = tr(
            "{path} is deleted from this PC, which frees {size}. Other PCs keep theirs.",
            path=row.model.path,
            size=row.size,
        )
        confirm(self._over, tr("Remove {name}?", name=row.name), text, tr("Remove it"), remove, Role.DANGER)


def is_own(row: Row, folder: Path) -> bool:
    """Whether a row's file lies on this PC in Caravan's own models folder."""
    return row.is_here and Path(row.model.path).is_relative_to(folder)


def _remove(model: ModelId) -> Callable[[NodeClient], Awaitable[None]]:
    async def work(client: NodeClient) -> None:
        await client.hub.remove_model(model)

    return work
