"""Settings for those who look further: addresses, folders, a mirror."""

from pathlib import Path

from PySide6.QtCore import QDir, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.schema.node import Status
from app.schema.settings import API_PORT
from app.ui.desk import Desk
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Elided, Mono
from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.fields import read_mirror
from app.ui.settings.rows import Group, Setting, text_setting
from app.ui.settings.section import Section
from app.ui.style.fonts import mono_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr

COPIED_MS = 1600
"""How long a copy button says that it did."""

_MIRROR_REASON = tr(
    "Asked for engine releases instead of GitHub; whoever runs it decides what is installed. Default: none."
)
_HUB_REASON = tr("Asked for models instead of huggingface.co. It gets the access token you enter. Default: none.")


class Copyable(QWidget):
    """A value in monospace with the button that copies it."""

    def __init__(self, theme: Theme, name: Phrase) -> None:
        super().__init__()
        self._name = name
        self.value = Mono("")
        self.button = IconButton(theme, "copy", tr("Copy: {name}", name=name), self.copy, size=16)
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(COPIED_MS)
        self._calm.timeout.connect(self._settle)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.value)
        row.addWidget(self.button)
        self.setFocusProxy(self.button)

    def show_value(self, value: str) -> None:
        """Another value."""
        self.value.say(value)
        self.button.setEnabled(bool(value))

    def copy(self) -> None:
        """Put it on the clipboard, and say so with a tick."""
        QGuiApplication.clipboard().setText(self.value.text())
        self.button.show_icon("check")
        self.button.call(tr("Copied"))
        self._calm.start()

    def _settle(self) -> None:
        self.button.show_icon("copy")
        self.button.call(tr("Copy: {name}", name=self._name))


class AdvancedSection(Section):
    """What other programs need, and where things lie."""

    def __init__(self, desk: Desk, theme: Theme, changes: Changes) -> None:
        super().__init__(tr("Advanced"), tr("For other programs, and for finding things."))
        self._desk = desk
        self.base = Copyable(theme, tr("OpenAI base URL"))
        self.api = Copyable(theme, tr("API address"))
        self.mirror, self.mirror_field = text_setting(
            theme,
            changes,
            "release_mirror",
            tr("Mirror for engine downloads"),
            _MIRROR_REASON,
            read_mirror,
            lambda settings: settings.release_mirror or "",
            hint="https://",
            is_mono=True,
        )
        self.hub, self.hub_field = text_setting(
            theme,
            changes,
            "hub_mirror",
            tr("Mirror of Hugging Face"),
            _HUB_REASON,
            read_mirror,
            lambda settings: settings.hub_mirror or "",
            hint="https://",
            is_mono=True,
        )
        self.add(self._addresses(theme))
        data, logs = tr("Settings, identity, engines and chats."), tr("What Caravan and its engines wrote.")
        self.add(
            Group(
                self._folder(theme, tr("Data folder"), data, desk.paths.data),
                self._folder(theme, tr("Logs folder"), logs, desk.paths.logs),
            )
        )
        self.add(Group(self.mirror, self.hub))
        self.close_column()

    def shown(self, status: Status | None) -> None:  # noqa: D102
        address = self._desk.api_url or f"http://127.0.0.1:{API_PORT}"
        self.api.show_value(address)
        self.base.show_value(f"{address}/v1")

    def _addresses(self, theme: Theme) -> Group:
        base_reason = tr("For programs that speak OpenAI's API. They need no key; any text will do. This PC only.")
        api_reason = tr("Caravan's own pages, with every call to try. Default port: {port}.", port=API_PORT)
        pages = Button(tr("Open the API pages"), Role.QUIET, self._open_pages, is_small=True)
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(self.api)
        line.addWidget(pages)
        line.addStretch(1)
        row.setFocusProxy(pages)
        return Group(
            Setting(theme, tr("OpenAI base URL"), base_reason, self.base, is_wide=True, has_name=True),
            Setting(theme, tr("API address"), api_reason, row, is_wide=True, has_name=True),
        )

    def _folder(self, theme: Theme, title: Phrase, reason: Phrase, folder: Path) -> Setting:
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        place = Elided(QDir.toNativeSeparators(str(folder)))
        place.setFont(mono_font())
        button = Button(tr("Open"), Role.PLAIN, lambda: _open(folder), is_small=True)
        row.addWidget(place, 1)
        row.addWidget(button)
        whole.setFocusProxy(button)
        button.setAccessibleName(said(tr("Open: {title}", title=title)))
        return Setting(theme, title, reason, whole, is_wide=True, has_name=True)

    def _open_pages(self) -> None:
        QDesktopServices.openUrl(QUrl(f"{self.api.value.text()}/docs"))


def _open(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
