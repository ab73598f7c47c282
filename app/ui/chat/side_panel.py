"""What holds for a conversation: the system prompt with its presets, and how the next token is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.ui.chat.records import Conversation, Preset, Sampling
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Heading, Quiet
from app.ui.said import said, tip
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import CONTROL_HEIGHT, GAP, GROUP
from app.ui.words import Phrase, tr

WIDTH = 288
_PROMPT_HEIGHT = 120
_TYPE_MS = 400


@dataclass(frozen=True)
class Knob:
    """One number of the sampling. `usual` is where a step up from the model's default begins."""

    field: str
    name: Phrase
    reason: Phrase
    least: float
    most: float
    step: float
    usual: float
    decimals: int = 2


KNOBS = (
    Knob("temperature", tr("Temperature"), tr("Higher is more surprising, 0 always the same"), 0, 5, 0.05, 0.8),
    Knob("top_p", tr("Top P"), tr("Only the likeliest words that together make this part"), 0, 1, 0.05, 0.95),
    Knob("top_k", tr("Top K"), tr("Only this many of the likeliest words; 0 is all"), 0, 1000, 5, 40, 0),
    Knob("min_p", tr("Min P"), tr("No word less likely than this part of the likeliest"), 0, 1, 0.01, 0.05),
    Knob("max_tokens", tr("Longest answer"), tr("Tokens after which an answer stops"), 1, 1 << 20, 256, 1024, 0),
    Knob("seed", tr("Seed"), tr("The same seed and question give the same answer"), 0, (1 << 32) - 1, 1, 1, 0),
)


class KnobField(QDoubleSpinBox):
    """A number that may be left to the model: below its least value it says so."""

    def __init__(self, knob: Knob, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._knob = knob
        self._open = knob.least - knob.step
        self.setDecimals(knob.decimals)
        self.setRange(self._open, knob.most)
        self.setSingleStep(knob.step)
        self.setSpecialValueText(said(tr("Default")))
        self.setAccessibleName(said(knob.name))
        self.setAccessibleDescription(said(knob.reason))
        self.setToolTip(said(knob.reason))
        self.setFont(ui_font())
        self.setFixedWidth(124)
        self.setValue(self._open)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def chosen(self) -> float | int | None:
        """The number, None when it is left to the model."""
        if self.value() < self._knob.least:
            return None
        return round(self.value()) if self._knob.decimals == 0 else round(self.value(), self._knob.decimals)

    def choose(self, number: float | None) -> None:
        """Show a number, or that it is left to the model."""
        self.setValue(self._open if number is None else number)

    def stepBy(self, steps: int) -> None:  # noqa: D102
        if self.chosen() is None and steps > 0:
            self.setValue(self._knob.usual)
        else:
            super().stepBy(steps)


class SidePanel(QFrame):
    """`prompt_changed` and `sampling_changed` come when the person has changed something."""

    prompt_changed = Signal(str)
    sampling_changed = Signal(object)
    preset_kept = Signal(object)
    preset_dropped = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sidepanel")
        self.setFixedWidth(WIDTH)
        self._is_showing = False
        self._presets: list[Preset] = []
        self.prompt = QPlainTextEdit()
        self.presets = QComboBox()
        self.drop = IconButton(theme, "delete", tr("Delete this preset"), self._drop, size=16)
        self.keep = Button(tr("Save as preset..."), Role.QUIET, self._ask_name, is_small=True)
        self.fields = {knob.field: KnobField(knob) for knob in KNOBS}
        self.thinking = QComboBox()
        self.reset = Button(tr("Back to the model's defaults"), Role.PLAIN, self._reset, is_small=True)
        self._typed = QTimer(self, singleShot=True, interval=_TYPE_MS)
        self._typed.timeout.connect(self.flush)
        self._lay_out()
        self._connect()

    def show_for(self, conversation: Conversation) -> None:
        """Show what holds for a conversation."""
        self.flush()
        self._is_showing = True
        if self.prompt.toPlainText() != conversation.system_prompt:
            self.prompt.setPlainText(conversation.system_prompt)
        for name, field in self.fields.items():
            field.choose(getattr(conversation.sampling, name))
        self.thinking.setCurrentIndex({None: 0, True: 1, False: 2}[conversation.sampling.thinking])
        self._is_showing = False
        self._judge()

    def know_thinking(self, has_switch: bool) -> None:
        """Whether the model's template has a switch for thinking."""
        self.thinking.setEnabled(has_switch)
        reason = (
            tr("Whether the model reasons before it answers") if has_switch else tr("This model has no switch for it")
        )
        self.thinking.setToolTip(tip(said(reason)))
        self.thinking.setAccessibleDescription(said(reason))

    def show_presets(self, presets: Sequence[Preset]) -> None:
        """The saved system prompts."""
        self._presets = list(presets)
        self._is_showing = True
        self.presets.clear()
        self.presets.addItem(said(tr("Presets")))
        self.presets.addItems([each.name for each in presets])
        self._is_showing = False
        self._judge()

    def flush(self) -> None:
        """Tell what was typed last, now."""
        if self._typed.isActive():
            self._typed.stop()
            self.prompt_changed.emit(self.prompt.toPlainText())

    def _lay_out(self) -> None:
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 0, 0, 0)
        area, canvas = QScrollArea(), QWidget()
        canvas.setObjectName("canvas")
        area.setWidget(canvas)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer.addWidget(area)
        rows = QVBoxLayout(canvas)
        rows.setContentsMargins(GROUP, GROUP, GROUP, GROUP)
        rows.setSpacing(GAP)
        rows.addWidget(Heading(tr("System prompt"), level=2))
        self._lay_out_prompt(rows)
        rows.addSpacing(GROUP)
        rows.addWidget(Heading(tr("Sampling"), level=2))
        rows.addWidget(Quiet(tr("Default is what the model itself asks for."), wraps=True))
        self._lay_out_fields(rows)
        rows.addStretch(1)

    def _lay_out_prompt(self, rows: QVBoxLayout) -> None:
        self.prompt.setFont(ui_font())
        self.prompt.setFixedHeight(_PROMPT_HEIGHT)
        self.prompt.document().setDocumentMargin(GAP - 1)
        self.prompt.setTabChangesFocus(True)
        self.prompt.setAccessibleName(said(tr("System prompt")))
        self.prompt.setPlaceholderText(
            said(tr("How the model should answer in this chat, for example: in short sentences"))
        )
        rows.addWidget(self.prompt)
        row = QHBoxLayout()
        self.presets.setAccessibleName(said(tr("Presets of system prompts")))
        self.presets.setFont(ui_font())
        row.addWidget(self.presets, 1)
        row.addWidget(self.drop)
        rows.addLayout(row)
        rows.addWidget(self.keep, 0, Qt.AlignmentFlag.AlignLeft)

    def _lay_out_fields(self, rows: QVBoxLayout) -> None:
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.FieldsStayAtSizeHint)
        form.setFormAlignment(Qt.AlignmentFlag.AlignLeft)
        for knob in KNOBS:
            form.addRow(_label(knob.name), self.fields[knob.field])
        self.thinking.addItems([said(each) for each in (tr("Default"), tr("On"), tr("Off"))])
        self.thinking.setAccessibleName(said(tr("Thinking")))
        self.thinking.setFixedWidth(124)
        self.thinking.setFont(ui_font())
        form.addRow(_label(tr("Thinking")), self.thinking)
        rows.addLayout(form)
        rows.addSpacing(GAP)
        rows.addWidget(self.reset, 0, Qt.AlignmentFlag.AlignLeft)

    def _connect(self) -> None:
        self.prompt.textChanged.connect(self._prompt_typed)
        self.presets.activated.connect(self._use)
        self.thinking.currentIndexChanged.connect(lambda _: self._tell())
        for field in self.fields.values():
            field.valueChanged.connect(lambda _: self._tell())

    def sampling(self) -> Sampling:
        """What the fields say."""
        numbers = {name: field.chosen() for name, field in self.fields.items()}
        return Sampling.model_validate(numbers | {"thinking": (None, True, False)[self.thinking.currentIndex()]})

    def _tell(self) -> None:
        self._judge()
        if not self._is_showing:
            self.sampling_changed.emit(self.sampling())

    def _prompt_typed(self) -> None:
        if not self._is_showing:
            self._typed.start()
        self._judge()

    def _judge(self) -> None:
        self.reset.setEnabled(self.sampling() != Sampling())
        self.keep.setEnabled(bool(self.prompt.toPlainText().strip()))
        self.drop.setEnabled(self.presets.currentIndex() > 0)
        self.presets.setEnabled(bool(self._presets))

    def _reset(self) -> None:
        self._is_showing = True
        for field in self.fields.values():
            field.choose(None)
        self.thinking.setCurrentIndex(0)
        self._is_showing = False
        self._tell()

    def _use(self, index: int) -> None:
        if index > 0:
            self.prompt.setPlainText(self._presets[index - 1].prompt)
            self.flush()
        self._judge()

    def _ask_name(self) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle(said(tr("Save as preset")))
        dialog.setLabelText(said(tr("Name of the preset")))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(self.keep_as)
        dialog.open()

    def keep_as(self, name: str) -> None:
        """Save the prompt that is shown as a preset."""
        if name.strip():
            self.preset_kept.emit(Preset(name=name.strip(), prompt=self.prompt.toPlainText()))

    def _drop(self) -> None:
        if self.presets.currentIndex() > 0:
            self.preset_dropped.emit(self.presets.currentText())


def _label(text: Phrase) -> QLabel:
    made = QLabel(said(text))
    made.setFont(ui_font())
    made.setFixedHeight(CONTROL_HEIGHT + 2)
    return made
