"""What few people need: the type of the KV cache, slots and what they are for, and extra arguments of the engine."""

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QSpinBox, QWidget

from app.schema.plan import KvType, Preference
from app.ui.models.arguments import arguments_text, split_arguments
from app.ui.parts.labels import Quiet
from app.ui.said import said
from app.ui.style.tokens import GAP, GROUP
from app.ui.words import Phrase, tr

_KV_WORDS = {
    KvType.F16: tr("f16 - as exact as the model"),
    KvType.Q8_0: tr("q8_0 - half the memory, hardly any loss"),
    KvType.Q5_1: tr("q5_1 - a third of the memory, some loss"),
    KvType.Q4_0: tr("q4_0 - a quarter of the memory, clear loss"),
}
_PREFER_WORDS = {
    Preference.THROUGHPUT: tr("all of them together"),
    Preference.ANSWER: tr("one of them, the others waiting"),
}
_MOST_SLOTS = 16


class Advanced(QWidget):
    """`kv_type`, `slots`, `prefer` and `arguments` as they stand; `changed` when one that the plan needs is another."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kv = QComboBox()
        for kind, words in _KV_WORDS.items():
            self.kv.addItem(said(words), kind)
        self.kv.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kv.setMinimumContentsLength(8)
        self.slot_count = QSpinBox()
        self.slot_count.setRange(1, _MOST_SLOTS)
        self.preference = QComboBox()
        for preference, words in _PREFER_WORDS.items():
            self.preference.addItem(said(words), preference)
        self.preference.setEnabled(False)
        self.line = QLineEdit()
        self.line.setPlaceholderText("--threads 8")
        self._lay_out()
        self.kv.currentIndexChanged.connect(lambda: self.changed.emit())
        self.slot_count.valueChanged.connect(self._count)
        self.preference.currentIndexChanged.connect(lambda: self.changed.emit())

    @property
    def kv_type(self) -> KvType:
        """Element type of the KV cache."""
        return KvType(self.kv.currentData())

    @property
    def slots(self) -> int:
        """Conversations at the same time."""
        return self.slot_count.value()

    @property
    def prefer(self) -> Preference | None:
        """What the plan is made fast for; None with one slot, where both are the same."""
        return Preference(self.preference.currentData()) if self.slots > 1 else None

    @property
    def arguments(self) -> tuple[str, ...]:
        """What llama-server gets beside our own."""
        return split_arguments(self.line.text())

    def stand(
        self, kv_type: KvType, slots: int, prefer: Preference | None = None, arguments: tuple[str, ...] = ()
    ) -> None:
        """Stand at these. Nothing is told."""
        with QSignalBlocker(self.kv), QSignalBlocker(self.slot_count), QSignalBlocker(self.preference):
            self.kv.setCurrentIndex(max(0, self.kv.findData(kv_type)))
            self.slot_count.setValue(slots)
            self.preference.setCurrentIndex(max(0, self.preference.findData(prefer)))
        self.preference.setEnabled(slots > 1)
        self.line.setText(arguments_text(arguments))

    def _count(self, slots: int) -> None:
        self.preference.setEnabled(slots > 1)
        self.changed.emit()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(GROUP)
        form.setVerticalSpacing(GAP)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._row(form, tr("Memory of the context"), self.kv)
        self._row(form, tr("Conversations at once"), self.slot_count)
        self._row(form, tr("Fast for"), self.preference)
        self._row(form, tr("Extra arguments for llama-server"), self.line)

    def _row(self, form: QFormLayout, name: Phrase, field: QWidget) -> None:
        label = Quiet(name, pixels=12)
        label.setBuddy(field)
        field.setAccessibleName(said(name))
        form.addRow(label, field)
