"""The engine's install: what to install, how it goes, how to end it. Used by the settings and by the first run."""

from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.engine import EngineBackend, EngineInstall, EngineInstallRequest
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.ui.desk import Desk
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Body, Quiet
from app.ui.parts.progress import Progress, Spinner
from app.ui.said import said
from app.ui.settings.engine_words import BACKENDS
from app.ui.settings.install_words import InstallLook, install_look
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import tr

_LEAST_LETTERS = 6
_BACKEND_WIDTH = 176


class InstallView(QWidget):
    """Follows `engine_install` of the status that it is shown; every button asks the node."""

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._shown: EngineInstall | None = None
        self._is_asking = False
        self.backend = _backends()
        self.first = Button(tr("Install llama.cpp"), Role.PRIMARY, self._install, theme=theme, icon_name="download")
        self.another = Button(tr("Install another"), Role.PLAIN, self._install, theme=theme, icon_name="download")
        self.files = Button(tr("From files..."), Role.QUIET, self.choose_files)
        self.cancel = Button(tr("Cancel"), Role.PLAIN, self._cancel, is_small=True)
        self.title, self.detail = Body(wraps=False), Quiet(wraps=True, pixels=12)
        self.bar, self.spinner = Progress(tr("Install of the engine")), Spinner(theme, tr("Installing"), 16)
        self.failure = Banner(theme, Tone.TIGHT, "", "", tr("Try again"), self._install)
        self.notes = Quiet(wraps=True, pixels=12)
        self._lay_out()
        self.show_status(None)

    def show_status(self, status: Status | None) -> None:
        """The install as the node tells it; the buttons need a node. The first engine is what matters most."""
        install = status.engine_install if status is not None else None
        is_first = status is not None and status.engine.build is None
        self.first.setVisible(is_first)
        self.another.setVisible(not is_first)
        self._allow(status is not None and not self._is_asking)
        if install is None:
            self._shown = None
            self._show_idle()
        elif install != self._shown:
            self._shown = install
            self._show(install_look(install))

    @property
    def has_failed(self) -> bool:
        """Whether it says why an install did not come about."""
        return not self.failure.isHidden()

    def choose_files(self) -> None:
        """Ask which archives of llama.cpp to install; nothing is downloaded then."""
        dialog = QFileDialog(self, said(tr("Archives of a llama.cpp release")))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters([said(tr("Archives (*.zip *.tar.gz)")), said(tr("All files (*)"))])
        dialog.filesSelected.connect(self.install_files)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def install_files(self, files: list[str]) -> None:
        """Install from these archives."""
        self._begin(EngineInstallRequest(backend=self._chosen(), files=tuple(files)))

    def _show_idle(self) -> None:
        self._turn(is_running=False)
        self.failure.hide()
        self.notes.hide()

    def _show(self, look: InstallLook) -> None:
        self._turn(look.is_running)
        self.failure.setVisible(look.error is not None)
        if look.error is not None:
            self.failure.tell(Tone.TIGHT, look.error.sentence, look.error.hint)
        if look.is_running:
            self.title.say(look.title)
            self.detail.say(look.detail or "")
            self.bar.show_part(look.part)
            self.bar.setVisible(look.part is not None)
        ended = [] if look.is_running or look.error else [said(look.title)]
        self._note([*ended, *look.notices])

    def _turn(self, is_running: bool) -> None:
        self._idle.setVisible(not is_running)
        self._work.setVisible(is_running)

    def _note(self, lines: list[str]) -> None:
        self.notes.say("\n".join(lines))
        self.notes.setVisible(bool(lines))

    def _install(self) -> None:
        self._begin(EngineInstallRequest(backend=self._chosen()))

    def _chosen(self) -> EngineBackend | None:
        chosen = self.backend.currentData()
        return EngineBackend(chosen) if chosen else None

    def _begin(self, request: EngineInstallRequest) -> None:
        async def work(client: NodeClient) -> EngineInstall:
            return await client.install_engine(request)

        self.failure.hide()
        self._is_asking = True
        self._allow(False)
        self._desk.ask(work, self._begun, self._fail)

    def _allow(self, is_allowed: bool) -> None:
        for each in (self.backend, self.first, self.another, self.files):
            each.setEnabled(is_allowed)

    def _begun(self, install: EngineInstall) -> None:
        self._is_asking = False
        self._allow(True)
        if self._shown is None or self._shown.id != install.id:
            self._shown = install
            self._show(install_look(install))

    def _cancel(self) -> None:
        async def work(client: NodeClient) -> None:
            await client.cancel_engine_install()

        self._desk.ask(work, on_error=self._fail)

    def _fail(self, error: ErrorInfo) -> None:
        self._is_asking = False
        self._allow(self._desk.status is not None)
        self.failure.tell(Tone.TIGHT, error.sentence, error.hint)
        self.failure.show()

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GAP)
        self._idle, self._work = _row(self.first, self.another, self.backend, self.files), self._running()
        rows.addWidget(self._idle)
        rows.addWidget(self._work)
        rows.addWidget(self.failure)
        rows.addWidget(self.notes)

    def _running(self) -> QWidget:
        whole = QWidget()
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GAP)
        rows.addWidget(_row(self.spinner, self.title, last=self.cancel))
        rows.addWidget(self.bar)
        rows.addWidget(self.detail)
        return whole


def _row(*widgets: QWidget, last: QWidget | None = None) -> QWidget:
    whole = QWidget()
    row = QHBoxLayout(whole)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GAP)
    for each in widgets:
        row.addWidget(each, 100 if isinstance(each, QComboBox) else 0)
    row.addStretch(1)
    if last is not None:
        row.addWidget(last)
    return whole


def _backends() -> QComboBox:
    choice = QComboBox()
    choice.setAccessibleName(said(tr("What the engine is made for")))
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    choice.setMaximumWidth(_BACKEND_WIDTH)
    choice.setMinimumContentsLength(_LEAST_LETTERS)
    choice.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    for backend, words in BACKENDS:
        choice.addItem(said(words), backend.value if backend else None)
    return choice
