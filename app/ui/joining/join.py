"""Join a cluster: choose the PC that invites, type its six digits, see how it goes."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLineEdit, QRadioButton, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.cluster import JoinRequest, JoinStatus
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.ui.cluster.picture import Stranger, strangers
from app.ui.desk import Desk
from app.ui.joining.code_field import DIGITS, CodeField
from app.ui.joining.words import JoinWords, join_words
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.dialog import Dialog
from app.ui.parts.labels import Body, Quiet
from app.ui.parts.progress import Spinner
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import tr

BY_ADDRESS = "address"
"""What `Desk.go(Wish.JOIN, ...)` is about when the address field is wanted; else it is an address to choose."""


class JoinDialog(Dialog):
    """Follows the desk's status. `about` is an address to choose, or `BY_ADDRESS`."""

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None, about: str = "") -> None:
        super().__init__(tr("Join a cluster"), parent)
        self._desk, self._theme = desk, theme
        self._wanted = "" if about == BY_ADDRESS else about
        self._found: tuple[Stranger, ...] | None = None
        self._choices: dict[str, QRadioButton] = {}
        self._group = QButtonGroup(self)
        self._old: JoinStatus | None = None
        self._is_asked = False
        self._make_parts(theme)
        self._lay_out()
        self._show_address_field(about == BY_ADDRESS)
        desk.status_changed.connect(self._on_status)
        self.rejected.connect(self._give_up)
        self._show_found(desk.status)
        self._old = desk.status.join if desk.status else None
        # An attempt that has ended before is no news; one that goes on is.
        if self._old is not None and (words := join_words(self._old)).is_busy:
            self._is_asked = True
            self._show_words(words)
        self._allow()

    def _make_parts(self, theme: Theme) -> None:
        self._found_rows = QVBoxLayout()
        self._nobody = Quiet(
            tr("No PC on this network shows a code yet. On the other PC, choose Invite a PC."), wraps=True, pixels=12
        )
        self.code = CodeField(theme)
        self.address = QLineEdit()
        self.address.setPlaceholderText(said(tr("Address shown there, such as 192.168.1.7:52417")))
        self.address.setAccessibleName(said(tr("Address of the PC that shows the code")))
        self.by_address = Button(tr("It is not in the list"), Role.QUIET, self._toggle_address, is_small=True)
        self.spinner, self.step = Spinner(theme, tr("Joining"), 18), Body(wraps=False)
        self.banner = Banner(theme, Tone.TIGHT, "")
        self.cancel = Button(tr("Cancel"), Role.PLAIN, self.reject)
        self.join = Button(tr("Join"), Role.PRIMARY, self._join)
        self.join.setDefault(True)
        self.code.textChanged.connect(self._allow)
        self.address.textChanged.connect(self._allow)

    def _lay_out(self) -> None:
        self._found_rows.setSpacing(2)
        self.rows.addLayout(self._found_rows)
        self.rows.addWidget(self._nobody)
        self.rows.addWidget(self.by_address, 0, Qt.AlignmentFlag.AlignLeft)
        self.rows.addWidget(self.address)
        self.rows.addSpacing(GAP)
        self.rows.addWidget(Body(tr("The six digits that the other PC shows:")))
        self.rows.addWidget(self.code, 0, Qt.AlignmentFlag.AlignHCenter)
        self.rows.addSpacing(GAP)
        working = QHBoxLayout()
        working.setSpacing(GAP)
        working.addWidget(self.spinner)
        working.addWidget(self.step, 1)
        self.rows.addLayout(working)
        self.rows.addWidget(self.banner)
        trust = tr("A joined PC can run programs on the others and see what is asked. Join only PCs you trust.")
        self.rows.addWidget(Quiet(trust, wraps=True))
        for part in (self.spinner, self.step, self.banner):
            part.hide()
        self.buttons.addWidget(self.cancel)
        self.buttons.addWidget(self.join)
        self.code.setFocus()

    def _show_address_field(self, is_shown: bool) -> None:
        self.address.setVisible(is_shown)
        self.by_address.setVisible(not is_shown)
        if is_shown:
            self.address.setFocus()

    def _toggle_address(self) -> None:
        self._show_address_field(True)

    def _on_status(self, status: Status) -> None:
        self._show_found(status)
        if self._is_asked and status.join is not None and status.join != self._old:
            self._show_words(join_words(status.join))

    def _show_found(self, status: Status | None) -> None:
        found = tuple(each for each in strangers(status.seen if status else ()) if each.is_inviting)
        if found == self._found:
            return
        self._found = found
        chosen = self._chosen() or self._wanted
        for button in self._choices.values():
            self._group.removeButton(button)
            button.deleteLater()
        self._choices = {each.address: self._choice(each) for each in found}
        first = next(iter(self._choices), "")
        marked = self._choices.get(chosen) or self._choices.get(first)
        if marked is not None:
            marked.setChecked(True)
        self._nobody.setVisible(not found)

    def _choice(self, stranger: Stranger) -> QRadioButton:
        button = QRadioButton(said(tr("The PC at {address}, shows a code now", address=stranger.host)))
        self._group.addButton(button)
        self._found_rows.addWidget(button)
        return button

    def _chosen(self) -> str:
        return next((address for address, button in self._choices.items() if button.isChecked()), "")

    def _allow(self) -> None:
        if not self.spinner.isHidden():
            return
        missing = DIGITS - len(self.code.text())
        reason = tr("1 more digit") if missing == 1 else tr("{count} more digits", count=missing)
        self.join.allow(reason if missing else None)

    def _join(self) -> None:
        typed = self.address.text().strip() if not self.address.isHidden() else ""
        request = JoinRequest(code=self.code.text(), address=typed or self._chosen() or None)

        async def work(client: NodeClient) -> JoinStatus:
            return await client.cluster.join(request)

        self._is_asked = True
        self._old = self._desk.status.join if self._desk.status else None
        self._desk.ask(work, self._on_begun, self._fail)
        self._show_words(JoinWords(tr("Asking"), tr(""), Tone.NEUTRAL, is_busy=True))

    def _on_begun(self, join: JoinStatus) -> None:
        # The status may have told more by now than the answer that began it.
        now = self._desk.status.join if self._desk.status else None
        self._show_words(join_words(now if now is not None and now != self._old else join))

    def _fail(self, error: ErrorInfo) -> None:
        self._show_words(JoinWords(tr("{text}", text=error.sentence), tr("{text}", text=error.hint), Tone.TIGHT))

    def _show_words(self, words: JoinWords) -> None:
        self.spinner.setVisible(words.is_busy)
        self.step.setVisible(words.is_busy)
        self.banner.setVisible(not words.is_busy)
        if words.is_busy:
            self.step.say(words.sentence)
        else:
            self.banner.tell(words.tone, words.sentence, words.hint)
        for part in (self.code, self.address, self.by_address, *self._choices.values()):
            part.setEnabled(not words.is_busy and not words.is_done)
        self.join.setVisible(not words.is_done)
        self.join.setEnabled(not words.is_busy)
        self._allow()
        self.cancel.say(tr("Done") if words.is_done else tr("Cancel"))
        if not words.is_busy and not words.is_done:
            self.code.setFocus()
            self.code.selectAll()

    def _give_up(self) -> None:
        if self.spinner.isHidden():
            return

        async def work(client: NodeClient) -> None:
            await client.cluster.cancel_join()

        self._desk.ask(work)
