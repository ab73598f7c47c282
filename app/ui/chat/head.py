"""The line over a conversation: its title, which model answers and on which PCs, and what can be done with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Elided
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, GROUP, SMALL, UNIT
from app.ui.words import Phrase, shortened, tr

HEIGHT = 56


@dataclass(frozen=True)
class Choice:
    """A model that answers now, and the PCs that carry it."""

    model: str
    places: tuple[str, ...]

    @property
    def where(self) -> str:
        """The PCs in one line."""
        return " + ".join(self.places)


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
        self.title = Elided(pixels=BODY, is_strong=True)
        self.where = Elided(pixels=SMALL)
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
        self.where.setProperty("tone", "quiet")
        row.addLayout(words, 1)
        row.addSpacing(UNIT)
        row.addWidget(self.picker)
        row.addWidget(self.panel)
        row.addWidget(self.more)

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
        arrow = "  \N{BLACK DOWN-POINTING SMALL TRIANGLE}"
        self.picker.say((shortened(model, 34) if here and model else said(tr("Choose a model"))) + arrow)
        self.picker.setAccessibleName(said(tr("Model: {model}", model=model if here else said(tr("none")))))
        self.where.say(tr("on {places}", places=here.where) if here else note)

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
