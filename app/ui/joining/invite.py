"""Invite a PC: six large digits, how long they hold, and who came."""

import time
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QWidget

from app.client import NodeClient
from app.schema.cluster import InvitationStatus
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.ui.desk import Desk
from app.ui.joining.code_field import LargeCode
from app.ui.joining.words import invite_words
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.dialog import Dialog
from app.ui.parts.labels import Body, Quiet
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY
from app.ui.words import tr

_TICK_MS = 500


class InviteDialog(Dialog):
    """Opens an invitation, follows it in the desk's status, and ends it when it is closed."""

    def __init__(
        self, desk: Desk, theme: Theme, parent: QWidget | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(tr("Invite a PC"), parent)
        self._desk, self._clock = desk, clock
        self._invitation: InvitationStatus | None = desk.status.invitation if desk.status else None
        self.code = LargeCode(theme)
        self.timing, self.news, self.by_hand = Quiet(pixels=BODY), Body(), Quiet(wraps=True)
        self.problem = Banner(theme, Tone.BAD, "")
        self.new_code = Button(tr("New code"), Role.PLAIN, self._renew)
        self.close_button = Button(tr("Done"), Role.PRIMARY, self.accept)
        self._lay_out()
        desk.status_changed.connect(self._on_status)
        self._ticks = QTimer(self)
        self._ticks.timeout.connect(self._refresh)
        self._ticks.start(_TICK_MS)
        self.finished.connect(self._end)
        self._invite()

    def _invite(self) -> None:
        async def work(client: NodeClient) -> InvitationStatus:
            return await client.cluster.invite()

        self._desk.ask(work, self._take, self._fail)
        self._refresh()

    def _renew(self) -> None:
        async def work(client: NodeClient) -> InvitationStatus:
            await client.cluster.end_invitation()
            return await client.cluster.invite()

        self._desk.ask(work, self._take, self._fail)

    def _end(self) -> None:
        async def work(client: NodeClient) -> None:
            await client.cluster.end_invitation()

        self._ticks.stop()
        self._desk.ask(work)

    def _on_status(self, status: Status) -> None:
        if status.invitation is not None:
            self._take(status.invitation)

    def _take(self, invitation: InvitationStatus) -> None:
        self._invitation = invitation
        self.problem.hide()
        self._refresh()

    def _fail(self, error: ErrorInfo) -> None:
        self.problem.tell(Tone.BAD, error.sentence, error.hint)
        self.problem.show()

    def _refresh(self) -> None:
        words = invite_words(self._invitation, self._clock())
        self.code.show_code(words.code)
        self.timing.say(words.timing)
        self.news.say(words.news)
        self.news.set_tone(words.tone if words.tone is not Tone.NEUTRAL else None)
        self.by_hand.setVisible(words.by_hand is not None)
        if words.by_hand is not None:
            self.by_hand.say(words.by_hand)

    def _lay_out(self) -> None:
        self.rows.addWidget(Body(tr("On the other PC, choose Join cluster and type this:")))
        card = Card(is_sunken=True)
        card.rows.addWidget(self.code)
        card.rows.addWidget(self.timing, 0, Qt.AlignmentFlag.AlignHCenter)
        self.rows.addWidget(card)
        self.rows.addWidget(self.news)
        self.rows.addWidget(self.by_hand)
        self.problem.hide()
        self.rows.addWidget(self.problem)
        self.rows.addWidget(
            Quiet(tr("A joined PC can run programs on the others and see what is asked. Invite only PCs you trust."),
                  wraps=True)
        )  # fmt: skip
        self.buttons.addWidget(self.new_code)
        self.buttons.addWidget(self.close_button)
        self.close_button.setDefault(True)
