"""Settings for those who look further: folders, a mirror."""

from pathlib import Path

from PySide6.QtCore import QDir, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.ui.desk import Desk
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Elided
from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.fields import read_mirror
from app.ui.settings.rows import Group, Setting, text_setting
from app.ui.settings.section import Section
from app.ui.style.fonts import mono_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr

_MIRROR_REASON = tr(
    "Asked for engine releases instead of GitHub; whoever runs it decides what is installed. Default: none."
)
_HUB_REASON = tr("Asked for models instead of huggingface.co. It gets the access token you enter. Default: none.")


class AdvancedSection(Section):
    """Where things lie, and where they come from."""

    def __init__(self, desk: Desk, theme: Theme, changes: Changes) -> None:
        super().__init__(tr("Advanced"), tr("Where things lie, and where they come from."))
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
        data, logs = tr("Settings, identity, engines and chats."), tr("What Caravan and its engines wrote.")
        self.add(
            Group(
                self._folder(theme, tr("Data folder"), data, desk.paths.data),
                self._folder(theme, tr("Logs folder"), logs, desk.paths.logs),
            )
        )
        self.add(Group(self.mirror, self.hub))
        self.close_column()

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


def _open(folder: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
