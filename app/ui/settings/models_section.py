"""Settings of models: when they come and go, and where Caravan looks for them."""

from PySide6.QtCore import QDir, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.schema.node import Status
from app.ui.desk import Desk
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Elided, Quiet
from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.choice import choice_setting
from app.ui.settings.rows import FieldOf, Group, Setting, switch_setting
from app.ui.settings.section import Section
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, SMALL, UNIT
from app.ui.words import Phrase, tr

_FOLDERS_REASON = tr("Caravan also looks for .gguf files in these, below them too. It never moves or copies a file.")
_KNOWN_REASON = tr(
    "What LM Studio, Ollama, Hugging Face and llama.cpp downloaded is used where it lies, without a copy. Default: on."
)


_UNLOAD_REASON = tr(
    "A model that nobody asks anything for so long gives its memory back; the chat counts too. It holds for models that"
    " this PC answers for. Default: never, because loading one again may take minutes."
)
_REQUEST_REASON = tr(
    "A program or a chat that names a model gets it, with the settings it ran with last. Off: it gets an error."
    " Default: on."
)
_ROOM_REASON = tr(
    "When it does not fit beside others, those that nobody is using are unloaded. One that is answering never is."
    " Default: off."
)
_START_REASON = tr("With the settings it ran with last, as soon as its PCs are there. Default: off.")
_MINUTES = (None, 5.0, 15.0, 30.0, 60.0, 240.0)


def minutes_words(minutes: object) -> Phrase:
    """`never`, `after 30 min`, `after 4 h`."""
    if not isinstance(minutes, int | float):
        return tr("never")
    if minutes < 1:
        return tr("after {count} s", count=round(minutes * 60))
    if minutes >= 60 and minutes % 60 == 0:
        return tr("after {count} h", count=f"{minutes / 60:g}")
    return tr("after {count} min", count=f"{minutes:g}")


class ModelsSection(Section):
    """Folders are added and removed at once."""

    def __init__(self, desk: Desk, theme: Theme, changes: Changes) -> None:
        super().__init__(tr("Models"), tr("When they are loaded and unloaded, and where Caravan looks for them."))
        self._desk, self._theme, self._changes = desk, theme, changes
        self._listed: tuple[str, ...] | None = None
        self._places: tuple[str, ...] | None = None
        self.list = QWidget()
        self._lines = _column(self.list)
        self.add_button = Button(tr("Add a folder..."), Role.PLAIN, self.choose, theme=theme, icon_name="plus")
        self.folders = Setting(theme, tr("Folders of your own"), _FOLDERS_REASON, self._control(), is_wide=True)
        FieldOf(changes, self.folders, "model_folders", lambda settings: self._show(settings.model_folders))
        self.known, self.known_switch = switch_setting(
            theme, changes, "use_known_folders", tr("Folders of other programs"), _KNOWN_REASON
        )
        self.add(self._coming_and_going())
        self.add(Group(self.folders, self.known))
        self.add(self._places_card())
        self.close_column()

    def _coming_and_going(self) -> Group:
        theme, changes = self._theme, self._changes
        self.unload, self.unload_choice = choice_setting(
            theme, changes, "unload_after", tr("Unload when idle"), _UNLOAD_REASON, _MINUTES, minutes_words
        )
        self.request, self.request_switch = switch_setting(
            theme, changes, "load_on_request", tr("Load a model when it is asked for"), _REQUEST_REASON
        )
        self.room, self.room_switch = switch_setting(theme, changes, "make_room", tr("Make room for it"), _ROOM_REASON)
        self.start, self.start_switch = switch_setting(
            theme, changes, "load_at_start", tr("Load the last model at the start"), _START_REASON
        )
        return Group(self.unload, self.request, self.room, self.start)

    def shown(self, status: Status | None) -> None:
        """Where the node looks now."""
        places = status.catalogue.folders if status is not None else ()
        if places != self._places:
            self._places = places
            _clear(self._looked)
            for each in places:
                line = Elided(QDir.toNativeSeparators(each), pixels=SMALL + 1)
                self._looked.addWidget(line)
            self._nothing.setVisible(not places)

    def choose(self) -> None:
        """Ask for a folder to add."""
        dialog = QFileDialog(self, said(tr("A folder with models")))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self.include)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def include(self, folder: str) -> None:
        """Look there too."""
        folder = QDir.toNativeSeparators(folder)
        folders = self._changes.now.model_folders
        if folder in folders:
            self.folders.say_error(tr("Caravan looks there already."))
            return
        self.folders.say_error(None)
        self._changes.change("model_folders", (*folders, folder))

    def exclude(self, folder: str) -> None:
        """Do not look there any more; its files stay."""
        kept = tuple(each for each in self._changes.now.model_folders if each != folder)
        self._changes.change("model_folders", kept)

    def _show(self, folders: tuple[str, ...]) -> None:
        if folders == self._listed:
            return
        had_focus = self.list.isAncestorOf(self.focusWidget() or self.add_button)
        self._listed = folders
        _clear(self._lines)
        for each in folders:
            self._lines.addWidget(self._line(each))
        self.list.setVisible(bool(folders))
        if had_focus:
            self.add_button.setFocus()

    def _line(self, folder: str) -> QWidget:
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(UNIT)
        row.addWidget(Elided(QDir.toNativeSeparators(folder)), 1)
        open_it = IconButton(self._theme, "folder", tr("Open {folder}", folder=folder), lambda: _open(folder), size=16)
        remove = IconButton(
            self._theme, "close", tr("Do not look in {folder}", folder=folder), lambda: self.exclude(folder), size=16
        )
        row.addWidget(open_it)
        row.addWidget(remove)
        return whole

    def _control(self) -> QWidget:
        whole = QWidget()
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GAP)
        rows.addWidget(self.list)
        row = QHBoxLayout()
        row.addWidget(self.add_button)
        row.addStretch(1)
        rows.addLayout(row)
        return whole

    def _places_card(self) -> QWidget:
        card = Group(title=tr("Where Caravan looks now"))
        self._nothing = Quiet(tr("Not known yet."), pixels=12)
        holder = QWidget()
        self._looked = _column(holder)
        card.rows.addWidget(self._nothing)
        card.rows.addWidget(holder)
        row = QHBoxLayout()
        row.addWidget(Button(tr("Open Caravan's models folder"), Role.QUIET, self._open_own))
        row.addStretch(1)
        card.rows.addLayout(row)
        return card

    def _open_own(self) -> None:
        _open(str(self._desk.paths.models))


def _open(folder: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(folder))


def _column(holder: QWidget) -> QVBoxLayout:
    rows = QVBoxLayout(holder)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setSpacing(UNIT)
    return rows


def _clear(rows: QVBoxLayout) -> None:
    while (item := rows.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
