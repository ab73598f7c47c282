"""About: the version, what goes where, licences."""

import sys
from pathlib import Path

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from app import __version__
from app.schema.node import Status
from app.system.paths import resources_folder
from app.ui.parts.card import Card
from app.ui.parts.labels import Body, Heading, Mono, Quiet
from app.ui.said import said
from app.ui.settings.engine_words import build_name
from app.ui.settings.section import Section
from app.ui.style.fonts import mono_font
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import GROUP, UNIT
from app.ui.words import Phrase, tr

_MARK = 48
_NOTICES = "THIRD-PARTY-NOTICES.md"
_NOTICES_HEIGHT = 260

_DATA: tuple[tuple[Phrase, Phrase], ...] = (
    (tr("Your chats"), tr("stay on this PC, in its data folder.")),
    (
        tr("What a model reads and writes"),
        tr("goes between the PCs of your cluster that carry it, encrypted, and nowhere else."),
    ),
    (
        tr("Finding other PCs"),
        tr("Caravan tells the local network that it is there: an address and a port, no names of models or people."),
    ),
    (
        tr("The internet"),
        tr(
            "is used only when you ask for it: to download llama.cpp from GitHub, "
            "and to find and download models on Hugging Face, or from your mirrors of them."
        ),
    ),
    (tr("Statistics"), tr("There are none. No account, no reports, no search for updates.")),
)


def find_notices() -> Path | None:
    """The third-party notices: beside the frozen program's resources or in the checkout; None when neither has them."""
    root = resources_folder().parent
    places = (root / "licenses" / _NOTICES, resources_folder() / _NOTICES, root / _NOTICES)
    return next((each for each in places if each.is_file()), None)


class AboutSection(Section):
    """Links are text that can be copied: nothing opens a browser by itself."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(tr("About"), tr("One model, carried by several PCs."))
        self._theme = theme
        self._mark = QLabel()
        self.engine = Quiet(pixels=12)
        self.notices = QPlainTextEdit()
        self.add(self._product())
        self.add(self._data())
        self.add(self._licences())
        self.close_column()
        theme.changed.connect(self._tint)
        self._tint()

    def shown(self, status: Status | None) -> None:  # noqa: D102
        build = status.engine.build if status is not None else None
        self.engine.say(build_name(build) if build is not None else tr("no engine yet"))

    def _product(self) -> Card:
        card = Card()
        row = QHBoxLayout()
        row.setSpacing(GROUP)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(UNIT)
        words.addWidget(Heading(tr("Caravan {version}", version=__version__)))
        words.addWidget(self.engine)
        words.addWidget(Quiet(tr("Qt {version}, Python {python}", version=qVersion(), python=_python()), pixels=12))
        words.addWidget(Quiet(tr("Licence: Apache-2.0, see the file LICENSE"), pixels=12))
        row.addLayout(words, 1)
        card.rows.addLayout(row)
        return card

    def _data(self) -> Card:
        card = Card()
        card.rows.addWidget(Heading(tr("What data goes where"), level=2))
        for title, text in _DATA:
            words = QVBoxLayout()
            words.setSpacing(0)
            words.addWidget(Body(title))
            words.addWidget(Quiet(text, wraps=True, pixels=12))
            card.rows.addLayout(words)
        return card

    def _licences(self) -> Card:
        card = Card()
        card.rows.addWidget(Heading(tr("Made with the work of others"), level=2))
        words = tr("llama.cpp (MIT) runs the models, Qt for Python (LGPL-3.0) draws the windows. All of them:")
        card.rows.addWidget(Quiet(words, wraps=True, pixels=12))
        card.rows.addWidget(_link("https://github.com/ggml-org/llama.cpp"))
        card.rows.addWidget(_link("https://code.qt.io/pyside/pyside-setup"))
        found = find_notices()
        text = found.read_text("utf-8", "replace") if found is not None else ""
        self.notices.setPlainText(text)
        self.notices.setReadOnly(True)
        self.notices.setFont(mono_font())
        self.notices.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.notices.setTabChangesFocus(True)
        self.notices.setFixedHeight(_NOTICES_HEIGHT)
        self.notices.setAccessibleName(said(tr("Third-party notices")))
        self.notices.setVisible(bool(text))
        card.rows.addWidget(self.notices)
        return card

    def _tint(self) -> None:
        self._mark.setPixmap(icon("llama", self._theme.palette.accent_ink, _MARK).pixmap(_MARK))


def _python() -> str:
    return ".".join(str(each) for each in sys.version_info[:3])


def _link(address: str) -> QWidget:
    made = Mono(address)
    made.setAccessibleName(address)
    return made
