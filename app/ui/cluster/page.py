"""The Cluster page: who is there, what each carries, what needs a hand."""

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedLayout, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.ui.cluster.advice_view import AdviceList
from app.ui.cluster.canvas import Canvas
from app.ui.cluster.caravan_view import Caravans
from app.ui.cluster.picture import PcCard, Picture, Presence, Stranger, picture
from app.ui.cluster.strangers_view import Strangers
from app.ui.desk import Desk, Wish
from app.ui.face import Link
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.dialog import confirm
from app.ui.parts.empty import EmptyState
from app.ui.parts.labels import Body, Heading, Quiet
from app.ui.parts.scrolling import scrolling
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, EDGE, GAP, GROUP
from app.ui.window.page import Page
from app.ui.wish import LEAVE
from app.ui.words import Phrase, tr


class ClusterPage(Page):
    """Made from the desk's status alone; every button asks the node or opens a dialog."""

    title = tr("Cluster")

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(desk, theme, parent)
        self._picture: Picture | None = None
        self.summary = Quiet(pixels=BODY)
        self.advice = AdviceList(theme, desk)
        self.caravans = Caravans(theme)
        self.canvas = Canvas(theme)
        self.strangers = Strangers(theme, self._join)
        self.alone = self._alone_card()
        self.empty = EmptyState(
            theme,
            "llama",
            tr("Caravan is not running on this PC"),
            tr("Start it, and the PCs of your cluster appear here."),
            tr("Start Caravan"),
            lambda: desk.go(Wish.START_NODE),
        )
        self._lay_out()
        self.canvas.wants_menu.connect(self._open_menu)
        theme.changed.connect(lambda: self.shown(self.desk.status))

    def shown(self, status: Status | None) -> None:  # noqa: D102
        self._stack.setCurrentIndex(0 if status is not None else 1)
        if status is None:
            self._show_no_node()
            return
        seen = picture(status, self.theme.palette.devices)
        if seen == self._picture:
            return
        self._picture = seen
        self.summary.say(seen.summary)
        self.advice.show_advice(seen.advice)
        self.caravans.show_caravans(seen.caravans)
        self.canvas.show_cards(seen.cards)
        self.strangers.show_strangers(seen.strangers)
        self.alone.setVisible(len(seen.cards) == 1)

    def wish(self, about: str) -> None:
        """`LEAVE`: ask whether this PC shall leave its cluster."""
        if about == LEAVE:
            self._ask_leave()

    def menu_for(self, card: PcCard) -> QMenu:
        """The menu of a card."""
        menu = QMenu(self)
        if card.is_this:
            self._add(menu, tr("Settings of this PC"), lambda: self.desk.go(Wish.SETTINGS))
            # Also alone: one that was removed, whether it knows or not, can join again only when it has left.
            self._add(menu, tr("Leave the cluster..."), self._ask_leave)
            return menu
        if card.presence is Presence.ALIVE:
            self._add(menu, tr("Measure the link"), lambda: self._measure(card))
        self._add(menu, tr("Remove from the cluster..."), lambda: self._ask_remove(card))
        return menu

    def _show_no_node(self) -> None:
        is_lost = self.desk.link is Link.LOST
        title = tr("Caravan is not running on this PC") if is_lost else tr("Caravan is starting")
        text = tr("Start it, and the PCs of your cluster appear here.") if is_lost else tr("This takes a moment.")
        self.empty.title.say(title)
        self.empty.text.say(text)
        if self.empty.button is not None:
            self.empty.button.setVisible(is_lost)

    def _open_menu(self, card: PcCard, place: QPoint) -> None:
        menu = self.menu_for(card)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(place)

    def _add(self, menu: QMenu, text: Phrase, action: object) -> None:
        entry = QAction(said(text), menu)
        entry.triggered.connect(action)
        menu.addAction(entry)

    def _measure(self, card: PcCard) -> None:
        async def work(client: NodeClient) -> float:
            return await client.cluster.measure_link(card.node)

        self.desk.ask(work, on_error=self._fail)

    def _ask_remove(self, card: PcCard) -> None:
        text = tr(
            "{name} will not be able to run programs on the other PCs any more, nor they on it. "
            "It can join again with a new code.",
            name=card.name,
        )

        async def work(client: NodeClient) -> None:
            await client.cluster.remove(card.node)

        def remove() -> None:
            self.desk.ask(work, on_error=self._fail)

        confirm(self, tr("Remove {name}?", name=card.name), text, tr("Remove"), remove)

    def _ask_leave(self) -> None:
        is_alone = len(self.canvas.views) == 1
        text = (
            tr("This PC becomes a new one to all others. What runs on it ends. Then it can join with a new code.")
            if is_alone
            else tr("This PC tells the others and stands alone then. To come back it needs a new code.")
        )

        async def work(client: NodeClient) -> None:
            await client.cluster.leave()

        def leave() -> None:
            self.desk.ask(work, on_error=self._fail)

        confirm(self, tr("Leave the cluster?"), text, tr("Leave"), leave)

    def _fail(self, error: ErrorInfo) -> None:
        self.advice.tell(Tone.TIGHT, error.sentence, error.hint)

    def _join(self, stranger: Stranger) -> None:
        self.desk.go(Wish.JOIN, stranger.address if stranger.is_inviting else "")

    def _alone_card(self) -> Card:
        card = Card(is_sunken=True)
        card.rows.addWidget(Heading(tr("One PC so far"), level=2))
        text = tr(
            "With a second PC, larger models fit: each PC carries a part of the layers. "
            "Start Caravan there, then invite it from here or let this one join."
        )
        card.rows.addWidget(Body(text))
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(Button(tr("Invite a PC"), Role.PLAIN, lambda: self.desk.go(Wish.INVITE)))
        row.addWidget(Button(tr("Join a cluster"), Role.QUIET, lambda: self.desk.go(Wish.JOIN)))
        row.addStretch(1)
        card.rows.addLayout(row)
        card.rows.addStretch(1)
        return card

    def _lay_out(self) -> None:
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._main())
        self._stack.addWidget(self.empty)

    def _main(self) -> QWidget:
        main = QWidget()
        rows = QVBoxLayout(main)
        rows.setContentsMargins(EDGE, EDGE, 0, 0)
        rows.setSpacing(GROUP)
        rows.addLayout(self._header())
        content = QWidget()
        content.setObjectName("canvas")
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, EDGE, EDGE)
        inner.setSpacing(GROUP)
        cards = QHBoxLayout()
        cards.setSpacing(GROUP)
        cards.addWidget(self.canvas, 1)
        cards.addWidget(self.alone, 1)
        inner.addWidget(self.advice)
        inner.addWidget(self.caravans)
        inner.addLayout(cards)
        inner.addWidget(self.strangers)
        inner.addStretch(1)
        rows.addWidget(scrolling(content), 1)
        return main

    def _header(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, EDGE, 0)
        row.setSpacing(GAP)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(Heading(self.title))
        words.addWidget(self.summary)
        row.addLayout(words, 1)
        join = Button(tr("Join..."), on_click=lambda: self.desk.go(Wish.JOIN), theme=self.theme, icon_name="join")
        invite = Button(
            tr("Invite a PC"),
            Role.PRIMARY,
            lambda: self.desk.go(Wish.INVITE),
            theme=self.theme,
            icon_name="invite",
        )
        for button in (join, invite):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return row
