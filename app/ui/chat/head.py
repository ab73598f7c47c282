"""The line over a conversation: its title, which model answers and on which PCs, and what can be done with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Elided
from app.ui.said import said, tip
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, GROUP, SMALL, UNIT
from app.ui.words import Phrase, shortened, tr

HEIGHT = 56
MODEL_COLUMNS = 34
"""Characters of a model's name that are shown at most."""

_PICKER_PART = 0.35
_ARROW = "  \N{BLACK DOWN-POINTING SMALL TRIANGLE}"


@dataclass(frozen=True)
class Choice:
    """A model that answers now, and the PCs that carry it."""

    model: str
    places: tuple[str, ...]

    @property
    def where(self) -> str:
        """The PCs in one line."""
        return " + ".join(self.places)


class Where(QPushButton):
    """Where the model runs, in one quiet line; a click leads to its plan."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("where")
        self.setFont(ui_font(SMALL))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._words = ""

    def show_place(self, words: Phrase, leads_on: bool) -> None:
        """Show the PCs, or why there are none."""
        self._words = said(words)
        self.setEnabled(leads_on)
        self.setCursor(Qt.CursorShape.PointingHandCursor if leads_on else Qt.CursorShape.ArrowCursor)
        self.setAccessibleName(self._words)
        self.setAccessibleDescription(said(tr("Show the plan")) if leads_on else "")
        self.setToolTip(tip(f"{self._words}: {said(tr('Show the plan'))}") if leads_on else "")
        self._fit_words()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._fit_words()

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(0, self.fontMetrics().height() + 4)

    sizeHint = minimumSizeHint

    def _fit_words(self) -> None:
        room = max(self.width() - 4, 0)
        shown = self.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideRight, room)
        self.setText(shown.replace("&", "&&"))


class ChatHead(QFrame):
    """`chosen` carries the model that was picked."""

    chosen = Signal(str)
    wants_load = Signal(str)
    """A model that does not run."""
    wants_models = Signal()
    wants_plan = Signal()
    panel_toggled = Signal(bool)

    def __init__(self, theme: Theme, menu: Callable[[], QMenu | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chathead")
        self.setFixedHeight(HEIGHT)
        self._make_menu = menu
        self._choices: tuple[Choice, ...] = ()
        self._loads: tuple[str, ...] = ()
        self._model: str | None = None
        self._picked = ""
        self.title = Elided(pixels=BODY, is_strong=True)
        self.where = Where()
        self.where.clicked.connect(self.wants_plan)
        self.picker = Button(tr("No model"), Role.PLAIN, self._pick, is_small=True)
        self.panel = IconButton(theme, "settings", tr("System prompt and sampling"), size=18)
        self.more = IconButton(theme, "more", tr("More for this chat"), self._show_menu, size=18)
        self._lay_out()
        self.panel.setCheckable(True)
        self.panel.toggled.connect(self.panel_toggled)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(GROUP + GAP, 0, GROUP, 0)
        row.setSpacing(GAP)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addStretch(1)
        words.addWidget(self.title)
        words.addWidget(self.where)
        words.addStretch(1)
        row.addLayout(words, 1)
        row.addSpacing(UNIT)
        row.addWidget(self.picker)
        row.addWidget(self.panel)
        row.addWidget(self.more)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._fit_picker()

    def _fit_picker(self) -> None:
        """In a narrow window the model's name is cut, so that the button stays whole and the title readable."""
        room = round(self.width() * _PICKER_PART)
        name = self.picker.fontMetrics().elidedText(self._picked, Qt.TextElideMode.ElideMiddle, room)
        self.picker.setText((name + _ARROW).replace("&", "&&"))

    def show_title(self, title: str) -> None:
        """The conversation that is open."""
        self.title.say(title)

    def show_models(
        self, choices: Sequence[Choice], model: str | None, note: Phrase, loads: Sequence[str] = ()
    ) -> None:
        """The models that can be picked, and the one that answers; `note` is said when none does.

        `loads` are such that do not run and are loaded when they are picked.
        """
        self._choices, self._loads, self._model = tuple(choices), tuple(loads), model
        here = next((each for each in choices if each.model == model), None)
        self._picked = shortened(model, MODEL_COLUMNS) if here and model else said(tr("Choose a model"))
        self._fit_picker()
        self.picker.setAccessibleName(said(tr("Model: {model}", model=model if here else said(tr("none")))))
        self.where.show_place(tr("on {places}", places=here.where) if here else note, leads_on=here is not None)

    def picker_menu(self) -> QMenu:
        """The models to pick from."""
        menu = QMenu(self)
        for each in self._choices:
            entry = menu.addAction(
                f"{shortened(each.model, 48)}\t{shortened(each.where, 40)}".replace("&", "&&"),
                lambda model=each.model: self.chosen.emit(model),
            )
            entry.setCheckable(True)
            entry.setChecked(each.model == self._model)
        if not self._choices:
            menu.addAction(said(tr("No model is running"))).setEnabled(False)
        for name in self._loads:
            load = menu.addAction(said(tr("Load {model}", model=shortened(name, 48))).replace("&", "&&"))
            load.triggered.connect(lambda _=False, name=name: self.wants_load.emit(name))
        menu.addSeparator()
        menu.addAction(said(tr("Show the plan"))).triggered.connect(self.wants_plan)
        menu.actions()[-1].setEnabled(bool(self._choices))
        menu.addAction(said(tr("Launch another model..."))).triggered.connect(self.wants_models)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def _pick(self) -> None:
        if not self._choices and not self._loads:
            self.wants_models.emit()
            return
        self.picker_menu().popup(self.picker.mapToGlobal(self.picker.rect().bottomLeft()))

    def _show_menu(self) -> None:
        menu = self._make_menu()
        if menu is not None:
            menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))
