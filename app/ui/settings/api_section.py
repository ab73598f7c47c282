"""What other programs need to use a model: the address, the key, an example to try."""

from PySide6.QtCore import QDir, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.schema.instance import InstanceState
from app.schema.node import Status
from app.schema.settings import API_PORT
from app.ui.desk import Desk
from app.ui.menu import DEMO_MODEL
from app.ui.parts.buttons import Button, Role
from app.ui.settings.copyable import Copyable
from app.ui.settings.rows import Group, Setting
from app.ui.settings.section import Section
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr

_BASE_REASON = tr("The base URL of programs that speak OpenAI's API. It answers on this PC only.")
_KEY_REASON = tr("None is needed: a program that asks for one takes any text.")
_TOKEN_REASON = tr("Caravan's own calls need the text in this file as a bearer token. It opens everything: keep it.")
_EXAMPLE_REASON = tr(
    "Asks one question, in a terminal or Windows' Command Prompt. A model that does not run is loaded first."
)
ANY_KEY = "caravan"


def example(base: str, model: str) -> str:
    """PURE: a line for any shell, cmd's too, that asks a model something."""
    body = f'{{\\"model\\": \\"{model}\\", \\"messages\\": [{{\\"role\\": \\"user\\", \\"content\\": \\"Hello\\"}}]}}'
    return f'curl {base}/chat/completions -H "Content-Type: application/json" -d "{body}"'


def example_model(status: Status | None) -> str:
    """PURE: a model that answers: one that runs, else the last one, else the demo model."""
    if status is None:
        return DEMO_MODEL
    ready = [each.model_id for each in status.all_instances if each.state is InstanceState.READY]
    last = [each.model_id for each in status.last_launches]
    return (*ready, *last, DEMO_MODEL)[0]


class ApiSection(Section):
    """Shows and copies; there is nothing to set."""

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(tr("API"), tr("For other programs on this PC."))
        self._desk = desk
        self.base = Copyable(theme, tr("OpenAI base URL"))
        self.key = Copyable(theme, tr("Key"))
        self.example = Copyable(theme, tr("Example"), wraps=True)
        self.api = Copyable(theme, tr("API address"))
        self.token = Copyable(theme, tr("Token file"), wraps=True)
        self.key.show_value(ANY_KEY)
        self.token.show_value(QDir.toNativeSeparators(str(desk.paths.api_token)))
        api_reason = tr("Caravan's own pages, with every call to try. Default port: {port}.", port=API_PORT)
        self.add(
            Group(
                _row(theme, tr("OpenAI base URL"), _BASE_REASON, self.base),
                _row(theme, tr("Key"), _KEY_REASON, self.key),
                _row(theme, tr("Example"), _EXAMPLE_REASON, self.example),
            )
        )
        self.add(
            Group(
                _row(theme, tr("API address"), api_reason, self._pages()),
                _row(theme, tr("Token file"), _TOKEN_REASON, self.token),
            )
        )
        self.close_column()

    def shown(self, status: Status | None) -> None:  # noqa: D102
        address = self._desk.api_url or f"http://127.0.0.1:{API_PORT}"
        self.api.show_value(address)
        self.base.show_value(f"{address}/v1")
        self.example.show_value(example(f"{address}/v1", example_model(status)))

    def _pages(self) -> QWidget:
        pages = Button(tr("Open the API pages"), Role.QUIET, self._open_pages, is_small=True)
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(self.api)
        line.addWidget(pages)
        line.addStretch(1)
        row.setFocusProxy(pages)
        return row

    def _open_pages(self) -> None:
        QDesktopServices.openUrl(QUrl(f"{self.api.value.text()}/docs"))


def _row(theme: Theme, title: Phrase, reason: Phrase, control: QWidget) -> Setting:
    return Setting(theme, title, reason, control, is_wide=True, has_name=True)
