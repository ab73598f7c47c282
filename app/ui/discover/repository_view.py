"""The chosen repository: its quantizations with a verdict each, where the chosen one would run, and the download."""

import time
from collections.abc import Awaitable, Callable, Sequence

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.download import Download, DownloadId, DownloadRequest, HubAccess, HubRepository
from app.schema.errors import ErrorInfo
from app.ui.desk import Desk
from app.ui.discover import file_rows
from app.ui.discover.file_delegate import HEIGHT as FILE_HEIGHT
from app.ui.discover.file_rows import Deed, FileRow
from app.ui.discover.gate import Gate, TokenDialog
from app.ui.discover.lists import file_view
from app.ui.discover.look import Look, Place, wanted
from app.ui.discover.plan_part import PlanPart, headline
from app.ui.discover.wording import display_repository, facts, joined
from app.ui.models.pcs import Pc
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.card import Card, Line
from app.ui.parts.empty import EmptyState
from app.ui.parts.labels import Elided, Quiet
from app.ui.parts.waiting import Waiting
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP, HEADING
from app.ui.words import shortened, tr

REST_MS = 150
"""A file that is only passed by is not asked for."""

SITE = "https://huggingface.co"
_DESCRIPTION_COLUMNS = 180
_LEAST_LIST = 2 * FILE_HEIGHT
_LEAST_FOR_PLAN, _LEAST_FOR_WORDS = 430, 330
"""In a low window the list stays longest."""


class RepositoryView(Card):
    """Follows a `Look`. `open_wanted` names a FileRow that is on this PC already."""

    open_wanted = Signal(object)

    def __init__(self, desk: Desk, theme: Theme, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self.look = desk, look
        self._downloads: Sequence[Download] = ()
        self._pcs: tuple[Pc, ...] = ()
        self._shown: HubRepository | None = None
        self._asking: str | None = None
        self._passed = ""
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self.name, self.facts = Elided(pixels=HEADING, is_strong=True), Quiet(wraps=True, pixels=12)
        self.about = Quiet(wraps=True, pixels=12)
        self.page = IconButton(theme, "external", tr("Open its page in the browser"), self._open_page, size=16)
        self.gate, self.files, self.plan = Gate(), file_view(theme), PlanPart(theme)
        self._line = Line()
        self.trouble = Banner(theme, Tone.TIGHT, "", on_close=self._calm)
        self.headline = Quiet(wraps=True, pixels=12)
        self.note = Quiet(wraps=True, pixels=12)
        self.button = Button(tr("Download"), Role.PRIMARY, self.act, theme=theme, icon_name="download")
        self.failure = EmptyState(
            theme, "warning", tr("It cannot be looked at"), "", tr("Try again"), look.again
        )  # fmt: skip
        self.stack = QStackedWidget()
        self._lay_out(theme)
        self._connect()

    def show_news(self, downloads: Sequence[Download], pcs: tuple[Pc, ...]) -> None:
        """Downloads went on, or the cluster is another."""
        self._downloads, self._pcs = downloads, pcs
        self._show_files()

    def act(self) -> None:
        """Do what the button says."""
        row, repository = self.files.current, self.look.repository
        if row is None or repository is None or not self.button.isEnabled():
            return
        offer = self._offer(row)
        if offer.deed is Deed.OPEN:
            self.open_wanted.emit(row)
        elif offer.deed is Deed.RESUME and row.download is not None:
            self._desk.ask(_resume(row.download.id), on_error=self._complain)
        else:
            self._asking = row.key
            self._desk.ask(_download(wanted(repository, row)), lambda _: self._begun(), self._complain)
        self._show_choice()

    @property
    def is_about_to_ask(self) -> bool:
        """Whether a choice still rests before it is asked about."""
        return self._rest.isActive()

    def want_verdicts(self) -> None:
        """Ask where the files would run: the chosen one first, then those that are seen."""
        if self.isVisible() and self.files.current is not None:
            self.look.want(self.files.current, self.files.seen())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._show_fitting()

    def _show_fitting(self) -> None:
        height = self.height() - (self.gate.sizeHint().height() if self.gate.isVisibleTo(self) else 0)
        has_room = height >= _LEAST_FOR_WORDS
        self.about.setVisible(has_room and bool(self.about.text()))
        self.headline.setVisible(has_room and bool(self.headline.text()))
        for each in (self.plan, self._line):
            each.setVisible(height >= _LEAST_FOR_PLAN)

    def _connect(self) -> None:
        self.look.changed.connect(self._follow)
        self.look.verdicts.arrived.connect(self._show_files)
        self._rest.timeout.connect(self.want_verdicts)
        self.files.selected.connect(self._choose)
        self.files.looked_at.connect(self.want_verdicts)
        self.files.entered.connect(self.act)
        self.gate.page_wanted.connect(self._open_page)
        self.gate.token_wanted.connect(self._ask_token)

    def _follow(self) -> None:
        look = self.look
        if look.model is None:
            return
        self.name.say(display_repository(look.model.repository))
        self.facts.say(joined(tr("by {author}", author=look.model.author), facts(look.model, time.time())))
        self.gate.setVisible(look.model.gated)
        self.gate.show_access(self._access)
        if look.error is not None and look.repository is None:
            self.failure.text.say(f"{look.error.sentence} {look.error.hint}".strip())
            self.stack.setCurrentWidget(self.failure)
        elif look.repository is None:
            self.stack.setCurrentIndex(0)
        else:
            self._show_repository(look.repository)

    def _show_repository(self, repository: HubRepository) -> None:
        if repository is not self._shown:
            is_other = self._shown is None or self._shown.model.repository != repository.model.repository
            self._shown = repository
            if is_other:
                self._calm()
                self.files.current_key = file_rows.chosen_first(repository)
        self.stack.setCurrentIndex(1 if repository.files else 3)
        projector = file_rows.projector_words(repository)
        described = shortened(repository.description or "", _DESCRIPTION_COLUMNS)
        self.about.say("\n".join(str(each) for each in (described, projector or "") if each))
        self._show_fitting()
        self._show_files()

    def _show_files(self) -> None:
        repository = self.look.repository
        if repository is not None:
            rows = file_rows.file_rows(repository, self._downloads, self.look.known)
            self.files.show_rows(rows, file_rows.chosen_first(repository))

    def _choose(self, row: FileRow | None) -> None:
        self._show_choice()
        # What only says that a download went on must not put the question off for ever.
        if row is not None and (row.key != self._passed or not self._rest.isActive()):
            self._passed = row.key
            self._rest.start()

    def _show_choice(self) -> None:
        row, repository = self.files.current, self.look.repository
        if row is None:
            return
        answer = self.look.answer(row)
        self.plan.show_answer(answer, row.verdict, self._pcs)
        why = repository.recommended_because if repository is not None and row.is_recommended else None
        self.plan.explain(why)
        self.headline.say(headline(answer))
        offer = self._offer(row)
        self.note.say(offer.note)
        self.button.say(offer.words)
        self.button.allow(offer.reason)
        self._show_fitting()

    def _offer(self, row: FileRow) -> file_rows.Offer:
        place = self.look.place
        needs_access = self.look.model is not None and self.look.model.gated
        has_access = not needs_access or self._access is None or self._access.token is not None
        return file_rows.offer(row, place.free_bytes if place else None, has_access, self._asking == row.key)

    @property
    def _access(self) -> HubAccess | None:
        return self.look.place.access if self.look.place is not None else None

    def _begun(self) -> None:
        self._asking = None
        self.look.look_at_place()
        self._show_choice()

    def _complain(self, error: ErrorInfo) -> None:
        self._asking = None
        self.trouble.tell(Tone.TIGHT, error.sentence, error.hint)
        self.trouble.show()
        self._show_choice()

    def _calm(self) -> None:
        self.trouble.hide()

    def _site(self) -> str:
        return self._access.site if self._access is not None else SITE

    def _open_page(self) -> None:
        if self.look.model is not None:
            QDesktopServices.openUrl(QUrl(f"{self._site()}/{self.look.model.repository}"))

    def _ask_token(self) -> None:
        dialog = TokenDialog(self._desk, self._site(), self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.kept.connect(self._take_access)
        dialog.open()

    def _take_access(self, access: HubAccess) -> None:
        free = self.look.place.free_bytes if self.look.place is not None else None
        self.look.place = Place(free, access)
        self.look.again()

    def _lay_out(self, theme: Theme) -> None:
        self.rows.setSpacing(GAP)
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.name, 1)
        head.addWidget(self.page)
        self.rows.addLayout(head)
        self.rows.addWidget(self.facts)
        self.rows.addWidget(self.gate)
        nothing = tr("There is no model in it that llama.cpp can load.")
        self.stack.addWidget(Waiting(theme, tr("Looking at its files")))
        self.stack.addWidget(self._content())
        self.stack.addWidget(self.failure)
        self.stack.addWidget(EmptyState(theme, "file", tr("No GGUF file"), nothing))
        self.rows.addWidget(self.stack, 1)
        self.trouble.hide()

    def _content(self) -> QWidget:
        content = QWidget()
        rows = QVBoxLayout(content)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GAP)
        self.files.setMinimumHeight(_LEAST_LIST)
        rows.addWidget(self.about)
        rows.addWidget(self.files, 3)
        rows.addWidget(self._line)
        rows.addWidget(self.plan, 2)
        rows.addWidget(self.trouble)
        rows.addWidget(Line())
        foot = QHBoxLayout()
        foot.setSpacing(GROUP)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.headline)
        words.addWidget(self.note)
        foot.addLayout(words, 1)
        foot.addWidget(self.button)
        rows.addLayout(foot)
        return content


def _download(request: DownloadRequest) -> Callable[[NodeClient], Awaitable[Download]]:
    async def work(client: NodeClient) -> Download:
        return await client.hub.download(request)

    return work


def _resume(download: DownloadId) -> Callable[[NodeClient], Awaitable[None]]:
    async def work(client: NodeClient) -> None:
        await client.hub.resume(download)

    return work
