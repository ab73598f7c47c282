"""A repository whose owner wants to know who takes its files: why, and the two steps that open it."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from app.client import NodeClient
from app.schema.download import HubAccess, TokenSource
from app.schema.errors import ErrorInfo
from app.ui.desk import Desk
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.dialog import Dialog
from app.ui.parts.labels import Body, Quiet
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr

_SOURCES = {
    TokenSource.ENVIRONMENT: tr("Caravan asks with the access token of this PC's environment (HF_TOKEN)."),
    TokenSource.HUGGING_FACE: tr("Caravan asks with the access token of Hugging Face's own tools on this PC."),
    TokenSource.CARAVAN: tr("Caravan asks with the access token you entered."),
}


class Gate(Card):
    """`page_wanted` opens the repository's page, `token_wanted` asks for an access token."""

    page_wanted = Signal()
    token_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, is_sunken=True)
        self.rows.setContentsMargins(12, 10, 12, 10)
        self.words = Quiet(wraps=True, pixels=12)
        self.page = Button(tr("Open its page"), Role.PLAIN, self.page_wanted.emit, is_small=True)
        self.token = Button(tr("Enter a token..."), Role.PLAIN, self.token_wanted.emit, is_small=True)
        line = QHBoxLayout()
        line.setSpacing(GAP)
        line.addWidget(self.page)
        line.addWidget(self.token)
        line.addStretch(1)
        self.rows.addWidget(self.words)
        self.rows.addLayout(line)

    def show_access(self, access: HubAccess | None) -> None:
        """Say what is missing, or with which token Caravan asks."""
        source = access.token if access is not None else None
        known = _SOURCES[source] if source is not None else tr("Then enter an access token of that account.")
        words = tr(
            "Its owner gives it only to accounts that accepted its terms: sign in on its page and accept them. {known}",
            known=known,
        )
        self.words.say(words)
        another: Phrase = tr("Enter another token...") if source is not None else tr("Enter a token...")
        self.token.say(another)


class TokenDialog(Dialog):
    """Takes an access token and gives it to the node. `kept` follows when the node has it."""

    kept = Signal(object)
    """A HubAccess."""

    def __init__(self, desk: Desk, site: str, parent: QWidget | None = None) -> None:
        super().__init__(tr("Access token"), parent)
        self._desk = desk
        text = tr(
            "Make one at {address}: a token that may only read is enough. It is kept on this PC, protected, and sent "
            "to nobody but {site}.",
            address=f"{site}/settings/tokens",
            site=site.rpartition("/")[2],
        )
        self.rows.addWidget(Body(text))
        self.field = QLineEdit()
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setAccessibleName(said(tr("Access token")))
        self.field.setPlaceholderText("hf_...")
        self.trouble = Quiet(wraps=True, pixels=12)
        self.trouble.set_tone(Tone.BAD)
        self.trouble.hide()
        self.rows.addWidget(self.field)
        self.rows.addWidget(self.trouble)
        self.buttons.addWidget(Button(tr("Cancel"), Role.PLAIN, self.reject))
        self.keep = Button(tr("Keep the token"), Role.PRIMARY, self._keep)
        self.buttons.addWidget(self.keep)
        self.field.textChanged.connect(self._check)
        self.field.setFocus()
        self._check()

    def _check(self) -> None:
        self.keep.allow(None if self.field.text().strip() else tr("Nothing is typed yet."))

    def _keep(self) -> None:
        token = self.field.text().strip()

        async def work(client: NodeClient) -> HubAccess:
            return await client.hub.keep_token(token)

        self.keep.allow(tr("The token is being kept."))
        self._desk.ask(work, self._done, self._fail)

    def _done(self, access: HubAccess) -> None:
        self.kept.emit(access)
        self.accept()

    def _fail(self, error: ErrorInfo) -> None:
        self.trouble.say(f"{error.sentence} {error.hint}".strip())
        self.trouble.show()
        self._check()
