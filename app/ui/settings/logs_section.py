"""Logs: what Caravan and its engines wrote, as it comes; and a report to send to somebody who helps."""

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, QThreadPool, QTimer
from PySide6.QtGui import QGuiApplication, QIcon, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.system.files import plain_reason
from app.ui.desk import Desk
from app.ui.mailbox import Mailbox
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.card import Card
from app.ui.parts.empty import EmptyState
from app.ui.parts.labels import Quiet
from app.ui.parts.sizes import count_text
from app.ui.said import said
from app.ui.settings.log_lines import Level, LineFilter
from app.ui.settings.log_model import LogModel
from app.ui.settings.log_source import OWN_LOG, LogSource, News
from app.ui.settings.log_view import LogView
from app.ui.settings.reporting import Reporter
from app.ui.settings.rows import Switch
from app.ui.settings.section import Section
from app.ui.style.icons import icon
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP, UNIT
from app.ui.words import Phrase, shortened, tr

FOLLOW_MS = 1000
"""Time between two looks at the log."""

FILTER_MS = 120
"""The filter is used when nothing was typed for so long."""

_KNOWN_LINES = 200
_NAME_COLUMNS = 36
_LEAST_SEARCH = 96
_LEVELS: tuple[tuple[Level, Phrase], ...] = (
    (Level.DETAIL, tr("Everything")),
    (Level.NORMAL, tr("Without details")),
    (Level.WARNING, tr("Warnings and errors")),
    (Level.ERROR, tr("Errors")),
)


class LogsSection(Section):
    """Looks once a second while it is open and following; asks nothing while it is not."""

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(tr("Logs"), tr("What Caravan and its engines wrote on this PC. Keys are never in it."))
        self._theme = theme
        self.source, self.reporter = LogSource(desk), Reporter(desk)
        self.model = LogModel(self)
        self.view = LogView(self.model, theme)
        self._name, self._names = OWN_LOG, ()  # type: tuple[str, tuple[str, ...]]
        self._mailbox, self._writer = Mailbox(), QThreadPool()
        self.names, self.level = QComboBox(), QComboBox()
        self.search, self.follow = QLineEdit(), Switch(theme, self._turn_follow)
        self.count = Quiet(pixels=12)
        self.copy_button = IconButton(theme, "copy", tr("Copy the selected lines, or all"), self.copy, size=18)
        self.save_button = IconButton(theme, "download", tr("Save the lines as..."), self.choose_file, size=18)
        self.report_button = Button(
            tr("Copy diagnostics"), Role.PRIMARY, self.copy_report, theme=theme, icon_name="logs"
        )
        self.news = Banner(theme, Tone.GOOD, "", on_close=lambda: self.news.hide())
        self.news.hide()
        self._empty = EmptyState(theme, "logs", tr("Nothing here"), "")
        self._clock, self._calm = QTimer(self), QTimer(self)
        self._set_up()
        self._lay_out()

    def shown(self, status: Status | None) -> None:
        """Look at the log, and go on following it."""
        if not self._clock.isActive():
            self.look()
            self._clock.start(FOLLOW_MS)

    def leaving(self) -> None:  # noqa: D102
        self._clock.stop()
        self.source.stop()

    def finish(self) -> None:
        """Wait for what was begun."""
        self.source.finish()
        self.reporter.finish()
        self._writer.waitForDone()

    def look(self) -> None:
        """Ask for what is new."""
        if self.source.is_asking or (self.model.total and not self.follow.isChecked()):
            return
        last = self.model.last
        level = last.level if last is not None else Level.NORMAL
        self.source.read(self._name, self.model.texts(_KNOWN_LINES), level, self._take, self._fail)

    def open_log(self, name: str) -> None:
        """Show this log."""
        if name != self._name:
            self._name = name
            self.model.replace(())
            self.source.stop()
            self.look()

    def copy(self) -> None:
        """Copy the selected lines, or all that are shown."""
        lines = self.view.selected_lines() or self.model.shown_lines()
        QGuiApplication.clipboard().setText("\n".join(line.text for line in lines))
        self._tell(Tone.GOOD, tr("Copied {count} lines.", count=count_text(len(lines))))

    def choose_file(self) -> None:
        """Ask where to save the shown lines."""
        dialog = QFileDialog(self, said(tr("Save the lines")))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("log")
        dialog.selectFile(f"{self._name}.log")
        dialog.fileSelected.connect(self.save)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def save(self, file: str) -> None:
        """Write the shown lines into a file, in the background."""
        lines = self.model.shown_lines()

        def write() -> None:
            text = "\n".join(line.text for line in lines) + "\n"
            try:
                Path(file).write_text(text, "utf-8")
            except OSError as error:
                why = plain_reason(error)
                self._mailbox.post(lambda: self._tell(Tone.TIGHT, tr("Not saved: {why}.", why=why)))
                return
            self._mailbox.post(lambda: self._tell(Tone.GOOD, tr("Saved as {file}.", file=file)))

        self._writer.start(write)

    def copy_report(self) -> None:
        """Make a report with secrets removed and copy it."""
        self.report_button.setEnabled(False)
        self.reporter.make(self._reported, self._report_failed)

    def _reported(self, text: str) -> None:
        self.report_button.setEnabled(True)
        QGuiApplication.clipboard().setText(text)
        hint = tr("Names, keys and the last parts of addresses are removed. Read it before you send it.")
        self._tell(Tone.GOOD, tr("Diagnostics copied: {count} lines.", count=count_text(text.count("\n"))), hint)

    def _report_failed(self, error: ErrorInfo) -> None:
        self.report_button.setEnabled(True)
        self._fail(error)

    def _tell(self, tone: Tone, sentence: Phrase | str, hint: Phrase | str = "") -> None:
        self.news.tell(tone, sentence, hint)
        self.news.show()

    def _take(self, news: News) -> None:
        self._offer(news.names)
        if news.name != self._name:
            return
        was_at_end = self.view.is_at_end
        if news.is_whole:
            self.model.replace(news.lines)
        elif news.lines:
            self.model.append(news.lines)
        if self.follow.isChecked() and was_at_end:
            self._go_to_end()
        self._show_count()

    def _fail(self, error: ErrorInfo) -> None:
        self._tell(Tone.TIGHT, error.sentence, error.hint)

    def _offer(self, names: tuple[str, ...]) -> None:
        """The logs there are; the open one stays in the list when it was cleared away."""
        offered = tuple(dict.fromkeys((OWN_LOG, *names, self._name)))
        if offered == self._names:
            return
        self._names = offered
        with QSignalBlocker(self.names):
            self.names.clear()
            for each in offered:
                words = said(tr("Caravan itself")) if each == OWN_LOG else shortened(each, _NAME_COLUMNS)
                self.names.addItem(words, each)
            self.names.setCurrentIndex(offered.index(self._name))

    def _filter(self) -> None:
        self.model.show_only(LineFilter.typed(self.search.text(), Level(self.level.currentData())))

    def _turned_over(self) -> None:
        """Another log, or another filter."""
        if self.follow.isChecked():
            self._go_to_end()

    def _show_count(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        if shown == total:
            self.count.say(tr("{total} lines", total=count_text(total)))
        else:
            self.count.say(tr("{shown} of {total} lines", shown=count_text(shown), total=count_text(total)))
        self._stack.setCurrentIndex(0 if shown else 1)
        for each in (self.copy_button, self.save_button):
            each.setEnabled(bool(shown))
        if not shown:
            is_filtered = bool(total)
            self._empty.title.say(tr("No line has this") if is_filtered else tr("Nothing is written yet"))
            text = tr("Type less, or show every level.") if is_filtered else tr("Lines show here as they come.")
            self._empty.text.say(text)

    def _turn_follow(self, is_on: bool) -> None:
        if is_on:
            self.look()
            self._go_to_end()

    def _go_to_end(self) -> None:
        # The list knows its new height a turn later.
        QTimer.singleShot(0, self.view.scrollToBottom)

    def _set_up(self) -> None:
        self._clock.timeout.connect(self.look)
        self._calm.setSingleShot(True)
        self._calm.setInterval(FILTER_MS)
        self._calm.timeout.connect(self._filter)
        self.search.textChanged.connect(lambda _: self._calm.start())
        self.search.setPlaceholderText(said(tr("Filter the lines")))
        self.search.setAccessibleName(said(tr("Filter the lines")))
        self.search.setClearButtonEnabled(True)
        self.names.setAccessibleName(said(tr("Which log")))
        self.names.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.names.setMinimumContentsLength(9)
        self.names.currentIndexChanged.connect(lambda _: self.open_log(self.names.currentData()))
        self.level.setAccessibleName(said(tr("How serious")))
        for level, words in _LEVELS:
            self.level.addItem(said(words), int(level))
        self.level.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.level.setMinimumContentsLength(10)
        self.search.setMinimumWidth(_LEAST_SEARCH)
        self.level.currentIndexChanged.connect(lambda _: self._filter())
        self.follow.setChecked(True)
        self.follow.setAccessibleName(said(tr("Follow the log")))
        self.model.settled.connect(self._show_count)
        self.model.modelReset.connect(self._turned_over)
        self._search_icon = self.search.addAction(self._glass(), QLineEdit.ActionPosition.LeadingPosition)
        self._theme.changed.connect(lambda: self._search_icon.setIcon(self._glass()))
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(lambda: self.search.setFocus(Qt.FocusReason.ShortcutFocusReason))
        self._offer(())

    def _glass(self) -> QIcon:
        return icon("search", self._theme.palette.quiet, 16)

    def _lay_out(self) -> None:
        whole = QWidget()
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, GROUP)
        rows.setSpacing(GAP)
        rows.addLayout(_line(self.names, (self.search, 1), self.level))
        card = Card()
        card.rows.setContentsMargins(UNIT, UNIT, UNIT, UNIT)
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty)
        card.rows.addLayout(self._stack)
        rows.addWidget(card, 1)
        rows.addWidget(self.news)
        words = Quiet(tr("Follow"), pixels=12)
        rows.addLayout(
            _line(self.follow, words, (self.count, 1), self.copy_button, self.save_button, self.report_button)
        )
        self.fill(whole)


def _line(*widgets: QWidget | tuple[QWidget, int]) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(GAP)
    for each in widgets:
        widget, stretch = each if isinstance(each, tuple) else (each, 0)
        row.addWidget(widget, stretch)
    return row
